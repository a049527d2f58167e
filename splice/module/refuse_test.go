package module_test

import (
	"bytes"
	"errors"
	"math/rand"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
)

var greeting = change("fs/proc/cmdline.c", "seq_putc(m, '\\n');", `seq_puts(m, " patched=yes\n");`)

// testProof has a module meet a kernel that is not what it was made for: one
// whose function has a probe in it, and one of another build.
func testProof(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	mod := b.build(t, module.Options{Name: "fix"}, greeting...)
	refused := func(what string, image []byte, says string) {
		t.Helper()
		err := m.Load(ctx, image, "")
		if !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want EINVAL and %q", what, err, says)
		}
		if err := shows(ctx, m, "/proc/cmdline", "patched", false); err != nil {
			t.Error(err)
		}
	}
	other := bytes.Replace(mod.Bytes(), b.kernel.BuildID(), bytes.Repeat([]byte{7}, len(b.kernel.BuildID())), 1)
	refused("another build", other, "the build-id of the kernel+0x0")

	const events = "/sys/kernel/tracing/"
	for _, w := range [][2]string{{"kprobe_events", "p:gosplice cmdline_proc_show+0x5"}, {"events/kprobes/gosplice/enable", "1"}} {
		if err := m.WriteFile(ctx, events+w[0], []byte(w[1])); err != nil {
			t.Fatal(err)
		}
	}
	refused("a probe in the function", mod.Bytes(), "cmdline_proc_show+0x5")
	for _, w := range [][2]string{{"events/kprobes/gosplice/enable", "0"}, {"kprobe_events", "-:gosplice"}} {
		if err := m.WriteFile(ctx, events+w[0], []byte(w[1])); err != nil {
			t.Fatal(err)
		}
	}
	apply(t, m, mod) // and now it fits
	if err := unload(ctx, m, mod); err != nil {
		t.Error(err)
	}
}

// shared has a function of one module called by another that depends on it; edits are further ones of the first.
func shared(edits ...string) []source {
	return append(changeIn("garp", "net/802/garp.c", append(edits, "static void garp_join_timer_arm(", "void garp_join_timer_arm(")...),
		changeIn("8021q", "net/8021q/vlan_gvrp.c", "int vlan_gvrp_init_applicant(struct net_device *dev)\n{", `
extern void garp_join_timer_arm(void *app);
int vlan_gvrp_init_applicant(struct net_device *dev)
{
	if (dev->ifindex == 77777)
		garp_join_timer_arm(dev);`)...)
}

// TestShared: a function that changes, and that another module calls since the patch, travels for both.
func TestShared(t *testing.T) {
	b := newBench(t, "6.1")
	var pairs []module.Pair
	for _, s := range shared("	mod_timer(&app->join_timer, jiffies + delay);", "	asm volatile(\"nop\"); mod_timer(&app->join_timer, jiffies + delay);") {
		p, err := b.pair(t, s)
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, p)
	}
	if _, err := module.Build(b.kernel, module.Options{Name: "a"}, pairs...); err != nil {
		t.Error(err)
	}
}

// TestRefusals builds what can't be built.
func TestRefusals(t *testing.T) {
	b := newBench(t, "6.1")
	for _, c := range []struct {
		name string
		opt  module.Options
		src  []source
		code splice.Code
	}{
		{"name", module.Options{Name: "a-b"}, greeting, module.CodeName},
		{"name of built-in code", module.Options{Name: "workqueue"}, greeting, module.CodeName},
		{"name of what has core parameters", module.Options{Name: "kernel"}, greeting, module.CodeName},
		{"licence", module.Options{Name: "a", License: "Proprietary"}, greeting, module.CodeLicense},
		{"lines", module.Options{Name: "a", Description: "a\nlicense=x"}, greeting, module.CodeNotOneLine},
		{"no change", module.Options{Name: "a"}, nil, splice.CodeNothing},
		{"init", module.Options{Name: "a"}, change("fs/proc/cmdline.c", `proc_create_single("cmdline", 0,`, `proc_create_single("cmdline", 0400,`), splice.CodeNothing},
		{"section", module.Options{Name: "a"}, version("static int gosplice_n __section(\".gosplice\") = 7;", `seq_printf(m, "%d\n", gosplice_n++);`), module.CodeSection},
		{"init of a module", module.Options{Name: "a"}, changeIn("8021q", "net/8021q/vlan.c",
			`pr_info("%s v%s\n", vlan_fullname, vlan_version);`, `pr_info("%s %s\n", vlan_fullname, vlan_version);`), splice.CodeNothing},
		{"name of a module", module.Options{Name: "8021q"}, changeIn("8021q", "net/8021q/vlan.c",
			`pr_info("%s v%s\n", vlan_fullname, vlan_version);`, `pr_info("%s %s\n", vlan_fullname, vlan_version);`), module.CodeName},
		{"export of a module", module.Options{Name: "a"}, change("fs/proc/cmdline.c", "seq_putc(m, '\\n');", `{ extern int llc_sap_find(int); seq_printf(m, "%d\n", llc_sap_find(1)); }`), module.CodeModuleExport},
		{"lent by a module", module.Options{Name: "a"}, append(changeIn("8021q", "net/8021q/vlan_gvrp.c", "int vlan_gvrp_init_applicant(struct net_device *dev)\n{", `
unsigned int gosplice_lent(void) { return vlan_net_id; }
int vlan_gvrp_init_applicant(struct net_device *dev)
{
	gosplice_lent();`),
			change("fs/proc/cmdline.c", "seq_putc(m, '\\n');", `{ extern unsigned int gosplice_lent(void); seq_printf(m, "%u\n", gosplice_lent()); }`)...), module.CodeModuleExport},
		{"shared by a module", module.Options{Name: "a"}, shared("	kfree_rcu(port, rcu);", "	kfree_rcu(port, rcu); dev_hold(dev); dev_put(dev);"), module.CodeUndefined},
		{"undefined", module.Options{Name: "a"}, change("fs/proc/cmdline.c", "seq_putc(m, '\\n');", `{ extern int gosplice_nowhere(int); seq_printf(m, "%d\n", gosplice_nowhere(1)); }`), module.CodeUndefined},
		{"no per-CPU variable", module.Options{Name: "a"}, version("extern unsigned long volatile jiffies;",
			`{ unsigned long n; asm volatile("mov %%gs:%1, %0" : "=r" (n) : "m" (jiffies)); seq_printf(m, "%lu\n", n); }`), module.CodePerCPU},
		{"per-CPU variable by its address", module.Options{Name: "a"}, version("extern unsigned long this_cpu_off;", `seq_printf(m, "%lx\n", this_cpu_off);`), module.CodePerCPU},
		{"too many per-CPU variables", module.Options{Name: "a"}, version("#include <linux/percpu.h>\nstatic DEFINE_PER_CPU(char [8200], gosplice_n);", `seq_printf(m, "%d\n", *this_cpu_ptr(&gosplice_n[m->count & 1]));`), module.CodePerCPURoom},
		{"constant written to", module.Options{Name: "a"}, version("extern char linux_banner_[] asm(\"linux_proc_banner\");", `linux_banner_[0] = m->count;`), module.CodeReadOnly},
		{"written to after the start", module.Options{Name: "a"}, change("fs/seq_file.c", "	file->private_data = p;\n", "	file->private_data = p; if (!file->f_op) seq_file_cache = NULL;\n"), module.CodeReadOnly},
		{"twice", module.Options{Name: "a"}, append(greeting[:1:1], greeting...), module.CodeTwice},
	} {
		t.Run(c.name, func(t *testing.T) {
			var pairs []module.Pair
			for _, s := range c.src {
				p, err := b.pair(t, s)
				if err != nil {
					t.Fatal(err)
				}
				pairs = append(pairs, p)
			}
			m, err := module.Build(b.kernel, c.opt, pairs...)
			var r *splice.Refusal
			if m != nil || !errors.As(err, &r) || r.Code != c.code || r.Hint == "" || !errors.Is(err, splice.ErrRefused) {
				t.Errorf("%v; want %s", err, c.code)
			} else if c.name == "shared by a module" && (r.Symbol != "garp_join_timer_arm" || !strings.Contains(r.Hint, "nop")) {
				t.Errorf("%v: %q", err, r.Hint)
			}
		})
	}
}

// TestMixedUp gives what does not belong together.
func TestMixedUp(t *testing.T) {
	b := newBench(t, "6.1")
	p, err1 := b.pair(t, greeting[0])
	q, err2 := b.pair(t, change("fs/proc/version.c", "utsname()->sysname,", "utsname()->release,")[0])
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for what, mixed := range map[string]module.Pair{
		"nothing": {}, "no match": {Diff: p.Diff}, "no comparison": {Match: p.Match}, "another object": {Diff: p.Diff, Match: q.Match},
	} {
		if _, err := module.Build(b.kernel, module.Options{Name: "a"}, mixed); !errors.Is(err, splice.CodeNotMatched) {
			t.Errorf("%s: %v, want %s", what, err, splice.CodeNotMatched)
		}
	}
}

// TestSymvers gives CRCs that are missing, or of another build.
func TestSymvers(t *testing.T) {
	b := newBench(t, "6.1")
	path, err := b.stock.Vmlinux(vmtest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.pair(t, greeting[0])
	if err != nil {
		t.Fatal(err)
	}
	name, err := b.stock.Symvers(vmtest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	line := func(sym string) string {
		for l := range strings.Lines(string(good)) {
			if strings.Contains(l, "\t"+sym+"\t") {
				return l
			}
		}
		return ""
	}
	for _, c := range []struct {
		name, old, new string
		code           splice.Code
	}{
		{"good", "", "", ""},
		{"missing", line("seq_puts"), "", module.CodeNoCRC},
		{"differs", line("seq_puts"), strings.Replace(line("seq_puts"), line("seq_puts")[:10], "0x01020304", 1), module.CodeCRCDiffers},
	} {
		k, err := module.OpenKernel(path)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		if err := k.UseSymvers(strings.NewReader(strings.Replace(string(good), c.old, c.new, 1))); err != nil {
			t.Fatal(err)
		}
		_, err = module.Build(k, module.Options{Name: "a"}, p)
		var r *splice.Refusal
		if c.code == "" && err != nil || c.code != "" && (!errors.As(err, &r) || r.Code != c.code || r.Symbol != "seq_puts") {
			t.Errorf("%s: %v, want %q", c.name, err, c.code)
		}
	}
}

// TestDamaged builds modules of damaged objects: an error or a module, nothing
// else.
func TestDamaged(t *testing.T) {
	b := newBench(t, "6.1")
	path, err := b.tree.Compile(t.Context(), greeting[0].file, greeting[0].edits...)
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	prePath, err := b.tree.Compile(t.Context(), greeting[0].file)
	if err != nil {
		t.Fatal(err)
	}
	pre, err := elfdiff.Open(prePath)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewSource(1))
	built := 0
	for range 60 {
		bad := bytes.Clone(good)
		for range 1 + r.Intn(8) {
			at := r.Intn(len(bad))
			if r.Intn(2) == 0 { // where the tables and headers are
				at = len(bad) - 1 - r.Intn(6000)
			}
			bad[at] = byte(r.Int())
		}
		post, err := elfdiff.NewObject(bytes.NewReader(bad))
		if err != nil {
			continue
		}
		p, err := b.compare(t.Context(), pre, post)
		if err != nil {
			continue
		}
		if _, err := module.Build(b.kernel, module.Options{Name: "a"}, p); err == nil {
			built++
		}
	}
	t.Logf("%d of 60 damaged objects still make a module", built)
}
