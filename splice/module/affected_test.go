package module_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
)

// A function of mm/util.c that has one more parameter, and who calls it.
const cmdlinePrototype = "int get_cmdline(struct task_struct *task, char *buffer, int buflen"

func widened(file string, edits ...string) source {
	s := change(file, edits...)[0]
	s.edits = append(s.edits, kbuild.Edit{Header: "include/linux/mm.h", Old: cmdlinePrototype, New: cmdlinePrototype + ", int more"})
	return s
}

func joined(file string, edits ...string) source {
	const prototype = "int vlan_gvrp_request_join(const struct net_device *dev"
	s := changeIn("8021q", file, edits...)[0]
	s.edits = append(s.edits, kbuild.Edit{Header: "net/8021q/vlan.h", Old: prototype + ");", New: prototype + ", int more);"})
	return s
}

var (
	cmdlineCaller  = widened("kernel/auditsc.c", "get_cmdline(current, buf, MAX_PROCTITLE_AUDIT_LEN", "get_cmdline(current, buf, MAX_PROCTITLE_AUDIT_LEN, 1")
	cmdlineCaller2 = widened("lib/string_helpers.c", "get_cmdline(task, buffer, PAGE_SIZE - 1", "get_cmdline(task, buffer, PAGE_SIZE - 1, 2")
	cmdlineItself  = widened("mm/util.c", cmdlinePrototype+")\n{\n\tint res = 0;", cmdlinePrototype+", int more)\n{\n\tint res = more ? 0 : -1;")
	// likewise in a module
	joinItself = joined("net/8021q/vlan_gvrp.c", "int vlan_gvrp_request_join(const struct net_device *dev)\n{\n", "int vlan_gvrp_request_join(const struct net_device *dev, int more)\n{\n\tif (more > 7)\n\t\treturn more;\n")
	joinCaller = joined("net/8021q/vlan_dev.c", "\t\t\tvlan_gvrp_request_join(dev);", "\t\t\tvlan_gvrp_request_join(dev, 1);",
		"VLAN_FLAG_GVRP)\n\t\tvlan_gvrp_request_join(dev);", "VLAN_FLAG_GVRP)\n\t\tvlan_gvrp_request_join(dev, 2);")
	// a structure of a header that several files know
	seqBuf = source{file: "lib/seq_buf.c", edits: []kbuild.Edit{{Header: "include/linux/seq_buf.h",
		Old: "struct seq_buf {\n", New: "struct seq_buf {\n\tunsigned long\t\tgosplice;\n"}}}
)

// TestAffected finds what changed types and signatures matter to beside what is given.
func TestAffected(t *testing.T) {
	b := newBench(t, "6.1")
	same := source{file: cmdlineCaller2.file}
	for _, c := range []struct {
		name    string
		sources []source
		says    string // in the text of what is affected; "" for nothing
		not     string
	}{
		{"nothing", greeting, "", ""},
		{"caller", []source{cmdlineCaller}, "it is defined in mm/util.c, which is not given; 1 place that is not given refers to it: kstrdup_quotable_cmdline (lib/string_helpers.c)", "audit_log"},
		{"function", []source{cmdlineItself}, "2 places that are not given refer to it: audit_log_exit (kernel/auditsc.c), kstrdup_quotable_cmdline (lib/string_helpers.c)", "defined"},
		{"all", []source{cmdlineItself, cmdlineCaller, cmdlineCaller2}, "", ""},
		{"one without a difference", []source{cmdlineItself, cmdlineCaller, same}, "", ""},
		{"function of a module", []source{joinItself}, "2 places that are not given refer to it: vlan_dev_change_flags (8021q), vlan_dev_open (8021q)", "LC"},
		{"all of a module", []source{joinItself, joinCaller}, "", ""},
		{"structure", []source{seqBuf}, "kernel/trace/trace_seq.c", "lib/seq_buf.c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var pairs []module.Pair
			for _, s := range c.sources {
				p, err := b.pair(t, s)
				if err != nil {
					t.Fatal(err)
				}
				pairs = append(pairs, p)
			}
			list, err := b.kernel.Affected(t.Context(), pairs...)
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			for i := range list {
				f := list[i].Finding()
				text += f.String() + "\n" + strings.Join(list[i].Files, " ")
				if f.Severity != elfdiff.NeedsJudgement || f.Hint == "" || f.Accept == "" {
					t.Errorf("%+v", f)
				}
			}
			if !strings.Contains(text, c.says) || c.not != "" && strings.Contains(text, c.not) || c.says == "" && text != "" {
				t.Errorf("%q, want %q and not %q", text, c.says, c.not)
			}
			if c.says != "" {
				wantRefused(t, b, pairs)
			} else {
				wantCarried(t, b, pairs)
			}
		})
	}
}

// wantCarried builds what affects nothing that is not given: nobody has to accept a
// signature whose function and callers are all in the update, and the module says so; but
// where one is traced and another is not, they are not replaced together.
func wantCarried(t *testing.T, b *bench, pairs []module.Pair) {
	t.Helper()
	m, err := module.Build(b.kernel, module.Options{Name: "a"}, pairs...)
	if len(pairs) == 3 && pairs[2].Diff.Changes() > 0 { // lib/string_helpers.c is not traced
		if !errors.Is(err, elfdiff.CodeTypeSignature) || !strings.Contains(err.Error(), "in several ways") {
			t.Errorf("replaced in several ways: %v", err)
		}
		return
	}
	if err != nil {
		t.Error(err)
		return
	}
	list, _ := pairs[0].Diff.Types()
	told := slices.ContainsFunc(m.Findings, func(f elfdiff.Finding) bool {
		return f.Code == elfdiff.CodeTypeSignature && f.Severity == elfdiff.Carried && strings.Contains(f.Message, "all that refers to it is given")
	})
	if told != slices.ContainsFunc(list, func(c types.Change) bool { return c.Matters() }) {
		t.Errorf("%v", m.Findings)
	}
}

// TestOverruled changes a weak function that the kernel does not have, beside one that it has.
func TestOverruled(t *testing.T) {
	b := newBench(t, "6.1")
	p, err := b.pair(t, change("kernel/sys.c",
		"int __weak arch_prctl_spec_ctrl_get(struct task_struct *t, unsigned long which)\n{\n\treturn -EINVAL;", "int __weak arch_prctl_spec_ctrl_get(struct task_struct *t, unsigned long which)\n{\n\treturn -ENXIO;",
		"\terror = 0;\n\tswitch (option) {\n\tcase PR_SET_PDEATHSIG:", "\terror = 0;\n\tswitch (option) {\n\tcase 0x474f5353:\n\t\terror = 1000;\n\t\tbreak;\n\tcase PR_SET_PDEATHSIG:")[0])
	if err != nil {
		t.Fatal(err)
	}
	m, err := module.Build(b.kernel, module.Options{Name: "a"}, p)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(m.Findings, func(f elfdiff.Finding) bool {
		return f.Code == module.FindingOverruled && f.Symbol == "arch_prctl_spec_ctrl_get" && f.Severity == elfdiff.Ignored
	}) {
		t.Errorf("%v", m.Findings)
	}
	for _, f := range m.Functions {
		if !strings.HasSuffix(f.Name, "_sys_prctl") {
			t.Errorf("%s is replaced", f.Name)
		}
	}
}

// wantRefused builds what is affected, until a person accepts it.
func wantRefused(t *testing.T, b *bench, pairs []module.Pair) {
	t.Helper()
	words := []elfdiff.Acceptance{{Code: elfdiff.CodeTypeSignature}, {Code: elfdiff.CodeTypeLayout}}
	_, err := module.Build(b.kernel, module.Options{Name: "a", Accept: words, Probes: true}, pairs...)
	var affected *module.AffectedError
	if !errors.As(err, &affected) || !errors.Is(err, elfdiff.ErrRefused) || affected.Name == "" {
		t.Errorf("not refused: %v", err)
	}
	m, err := module.Build(b.kernel, module.Options{Name: "a", Accept: append(words, elfdiff.Acceptance{Code: elfdiff.CodeNotGiven, Reason: "looked at"}), Probes: true}, pairs...)
	if errors.Is(err, splice.ErrRefused) {
		return // for another reason
	}
	if err != nil || !slices.ContainsFunc(m.Findings, func(f elfdiff.Finding) bool { return f.Code == elfdiff.CodeNotGiven && f.Accepted }) {
		t.Errorf("accepted: %v", err)
		return
	}
	for _, f := range m.Accepted {
		if f.Code == elfdiff.CodeNotGiven && !bytes.Contains(m.Bytes(), []byte("\x00accepted=not-given:"+f.Symbol+"=looked at\x00")) {
			t.Errorf("the module does not say why: %v", f)
		}
	}
}

// TestTakers asks BTF for functions that take a type.
func TestTakers(t *testing.T) {
	b := newBench(t, "6.1")
	path, err := b.stock.Vmlinux(vmtest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	k, err := kernel.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	known, err := k.Types()
	if err != nil {
		t.Fatal(err)
	}
	if list := known.Takers("seq_file"); !slices.Contains(list, "cmdline_proc_show") || slices.Contains(list, "get_cmdline") {
		t.Errorf("%d functions take struct seq_file: %.300v", len(list), list)
	}
}
