package module_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// initialsPair compares with elfdiff.Options.Initials.
func (b *bench) initialsPair(t *testing.T, s source) module.Pair {
	t.Helper()
	p, err := b.pair(t, s)
	if err != nil {
		t.Fatal(err)
	}
	if o := p.Diff.Outcome(); o != elfdiff.OutcomeJudge {
		t.Errorf("%s without a word", o)
	}
	if p.Diff, err = elfdiff.Compare(p.Diff.Pre, p.Diff.Post, elfdiff.Options{Tables: true, Types: true, Initials: true}); err != nil {
		t.Fatal(err)
	}
	return p
}

// pipeRow is a row of the table of fs/pipe.c.
func pipeRow(name, data, mode string) string {
	return "\"" + name + "\",\n\t\t.data\t\t= &" + data + ",\n\t\t.maxlen\t\t= sizeof(" + strings.ReplaceAll(name, "-", "_") + "),\n\t\t.mode\t\t= " + mode
}

// testInitials sets members of variables that still hold their initial value: numbers
// of several sizes, an address in the kernel, what is read-only since the start. What
// the guest has changed before, or changes while the update is active, is left alone.
func testInitials(t *testing.T, b *bench, m *vm.Machine) {
	p := b.initialsPair(t, source{file: "fs/pipe.c", edits: []kbuild.Edit{
		{Old: "pipe_max_size = 1048576;", New: "pipe_max_size = 2097152;"},
		{Old: "pipe_user_pages_soft = PIPE_DEF_BUFFERS * INR_OPEN_CUR;", New: "pipe_user_pages_soft = 4711;"},
		{Old: pipeRow("pipe-user-pages-hard", "pipe_user_pages_hard", "0644"), New: strings.Replace(pipeRow("pipe-user-pages-hard", "pipe_user_pages_soft", "0600"), "sizeof(pipe_user_pages_soft)", "sizeof(pipe_user_pages_hard)", 1)},
	}})
	mod, err := module.Build(b.kernel, module.Options{Name: "fix_pipe"}, p)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"pipe_max_size", "fs_pipe_sysctls[1].data", "fs_pipe_sysctls[1].mode", "pipe_user_pages_soft"}
	if len(mod.Initials) != len(want) {
		t.Errorf("%+v", mod.Initials)
	}
	g := guest{t.Context(), m, t}
	const size, soft, hard = "/proc/sys/fs/pipe-max-size", "/proc/sys/fs/pipe-user-pages-soft", "/proc/sys/fs/pipe-user-pages-hard"
	g.holds(size, "1048576")
	g.holds(hard, "0")
	g.holds(soft, "16384")

	apply(t, m, mod) // nobody has changed anything
	g.holds(size, "2097152")
	g.holds(soft, "4711")
	g.holds(hard, "4711") // which shows the other variable now
	if err := unload(t.Context(), m, mod); err != nil {
		t.Fatal(err)
	}
	g.holds(size, "1048576")
	g.holds(soft, "16384")
	g.holds(hard, "0")
	for _, name := range want {
		g.logged("fix_pipe: "+name+" had its old initial value, and has the new one now", true)
		g.logged("fix_pipe: "+name+" has its old initial value again", true)
	}
	g.logged("is left alone", false)

	g.write(soft, "12345") // before
	apply(t, m, mod)
	g.logged("fix_pipe: pipe_user_pages_soft holds another value than its old initial one, and is left alone", true)
	g.holds(soft, "12345")
	g.holds(size, "2097152")
	g.write(size, "4194304") // while it is active
	if err := unload(t.Context(), m, mod); err != nil {
		t.Fatal(err)
	}
	g.logged("fix_pipe: pipe_max_size was changed since it was set, and is left alone", true)
	g.holds(size, "4194304")
	g.holds(soft, "12345")
	g.holds(hard, "0")
}

// testInitialsPinned sets what leads to the module: a name, and a function in a table
// that is read-only since the start. The module can be disabled, and stays loaded.
func testInitialsPinned(t *testing.T, b *bench, m *vm.Machine) {
	name := b.initialsPair(t, change("fs/pipe.c", `.name		= "pipefs",`, `.name		= "gosplicefs",`)[0])
	table := b.initialsPair(t, change("kernel/bpf/sysfs_btf.c", "static struct bin_attribute bin_attr", `static ssize_t gosplice_read(struct file *f, struct kobject *k, struct bin_attribute *a, char *buf, loff_t off, size_t len)
{
	if (off >= 9)
		return 0;
	memcpy(buf, "gosplice\n" + off, min_t(size_t, len, 9 - off));
	return min_t(size_t, len, 9 - off);
}

static struct bin_attribute bin_attr`, ".read = btf_vmlinux_read,", ".read = gosplice_read,")[0])
	mod, err := module.Build(b.kernel, module.Options{Name: "fix_names"}, name, table)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, n := range mod.Initials {
		if names = append(names, n.Name); !n.Pins || n.Size != 8 {
			t.Errorf("%+v", n)
		}
	}
	if !mod.Pinned || len(mod.Pins) < 2 {
		t.Errorf("pinned %v: %v", mod.Pinned, mod.Pins)
	}
	if want := []string{"pipe_fs_type.name", "bin_attr_btf_vmlinux.read"}; !slices.Equal(names, want) {
		t.Errorf("%v, want %v", names, want)
	}
	g := guest{t.Context(), m, t}
	const filesystems, btf = "/proc/filesystems", "/sys/kernel/btf/vmlinux"
	g.shows(filesystems, "pipefs", true)
	g.shows(btf, "gosplice", false)
	apply(t, m, mod)
	g.shows(filesystems, "gosplicefs", true)
	g.shows(btf, "gosplice", true)
	g.write(livepatch+mod.Name+"/enabled", "0")
	g.shows(filesystems, "gosplicefs", false)
	g.shows(filesystems, "pipefs", true)
	g.shows(btf, "gosplice", false)
	if err := m.Unload(t.Context(), mod.Name); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("unloaded, although somebody may have read what leads to it: %v", err)
	}
}

// guest asks a machine.
type guest struct {
	ctx context.Context
	m   *vm.Machine
	t   *testing.T
}

func (g guest) holds(path, want string) {
	g.t.Helper()
	b, err := g.m.ReadFile(g.ctx, path)
	if got := strings.TrimSpace(string(b)); err != nil || got != want {
		g.t.Errorf("%s: %q, %v; want %q", path, got, err, want)
	}
}

func (g guest) shows(path, want string, there bool) {
	g.t.Helper()
	if err := shows(g.ctx, g.m, path, want, there); err != nil {
		g.t.Error(err)
	}
}

func (g guest) write(path, text string) {
	g.t.Helper()
	if err := g.m.WriteFile(g.ctx, path, []byte(text)); err != nil {
		g.t.Fatal(err)
	}
}

// logged asks for a line of the kernel's log.
func (g guest) logged(text string, want bool) {
	g.t.Helper()
	log, err := g.m.Log(g.ctx)
	if err != nil {
		g.t.Fatal(err)
	}
	if slices.ContainsFunc(log, func(r vm.Record) bool { return strings.Contains(r.Text, text) }) != want {
		g.t.Errorf("the log has %q: want %v", text, want)
	}
}
