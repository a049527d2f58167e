package module_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// apply loads a module and waits until it is active.
func apply(t *testing.T, m *vm.Machine, mod *module.Module) {
	t.Helper()
	if err := m.Load(t.Context(), mod.Bytes(), ""); err != nil {
		t.Fatal(err)
	}
	if err := settle(t.Context(), m, mod.Name); err != nil {
		t.Fatal(err)
	}
}

// TestState shows what survives a patch, what several patches do to one another,
// what a kernel is like that a patch is not for, and what stays behind.
func TestState(t *testing.T) {
	vmtest.Long(t)
	t.Parallel()
	b := newBench(t, "6.1")
	// One processor: with two, the kernel's own patching of a probe was seen to hang in the emulator.
	m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, CPUs: 1, Log: vm.Policy{Taint: "OEK"}})
	for _, c := range []struct {
		name string
		test func(*testing.T, *bench, *vm.Machine)
	}{{"initial values", testInitials}, {"static local", testStaticLocal}, {"system call", testSyscall}, {"cumulative", testCumulative}, {"callbacks", testCallbacks}, {"in place", testInPlace}, {"proof", testProof}} {
		t.Run(c.name, func(t *testing.T) { c.test(t, b, m) })
	}
}

// testStaticLocal patches a function with static variables, and one whose state
// is the identity of this boot.
func testStaticLocal(t *testing.T, b *bench, m *vm.Machine) {
	const path = "/proc/sys/kernel/random/boot_id"
	before, err := m.ReadFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	mod := b.build(t, module.Options{Name: "fix_boot_id"}, change("drivers/char/random.c", `"%pU", uuid);`, `"%pUB", uuid);`)...)
	apply(t, m, mod)
	if err := shows(t.Context(), m, path, strings.ToUpper(string(before)), true); err != nil {
		t.Error(err)
	}
	if err := unload(t.Context(), m, mod); err != nil {
		t.Fatal(err)
	}
	if err := shows(t.Context(), m, path, string(before), true); err != nil {
		t.Error(err)
	}
}

// testInPlace overwrites a constant that the whole kernel uses.
func testInPlace(t *testing.T, b *bench, m *vm.Machine) {
	const path = "/proc/sys/kernel/random/boot_id"
	before, err := m.ReadFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.pair(t, change("lib/hexdump.c", `hex_asc[] = "0123456789abcdef"`, `hex_asc[] = "0123456789ABCDEF"`)[0])
	if err != nil {
		t.Fatal(err)
	}
	if o := p.Diff.Outcome(); o != elfdiff.OutcomeJudge {
		t.Errorf("%s without a word", o)
	}
	if p.Diff, err = elfdiff.Compare(p.Diff.Pre, p.Diff.Post, elfdiff.Options{Tables: true, InPlace: true}); err != nil {
		t.Fatal(err)
	}
	mod, err := module.Build(b.kernel, module.Options{Name: "fix_in_place"}, p)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, m, mod)
	if err := shows(t.Context(), m, path, strings.ToUpper(string(before)), true); err != nil {
		t.Error(err)
	}
	if err := unload(t.Context(), m, mod); err != nil {
		t.Fatal(err)
	}
	if err := shows(t.Context(), m, path, string(before), true); err != nil {
		t.Error(err)
	}
}

// testSyscall patches the body of a system call.
func testSyscall(t *testing.T, b *bench, m *vm.Machine) {
	exe, err := vmtest.BuildProgram(t.Context(), "github.com/gosplice/gosplice/splice/module/testdata/uname")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Put(t.Context(), "/bin/uname", exe, 0o755); err != nil {
		t.Fatal(err)
	}
	machine := func(want string) {
		t.Helper()
		r, err := m.Run(t.Context(), vm.Command{Path: "/bin/uname"})
		if err != nil || strings.TrimSpace(string(r.Stdout)) != want {
			t.Errorf("uname: %+v, %v; want %s", r, err, want)
		}
	}
	mod := b.build(t, module.Options{Name: "fix_uname"}, change("kernel/sys.c",
		"SYSCALL_DEFINE1(newuname, struct new_utsname __user *, name)\n{\n	struct new_utsname tmp;\n\n	down_read(&uts_sem);\n	memcpy(&tmp, utsname(), sizeof(tmp));",
		"SYSCALL_DEFINE1(newuname, struct new_utsname __user *, name)\n{\n	struct new_utsname tmp;\n\n	down_read(&uts_sem);\n	memcpy(&tmp, utsname(), sizeof(tmp));\n	strscpy(tmp.machine, \"patched\", sizeof(tmp.machine));")...)
	machine("x86_64")
	apply(t, m, mod)
	machine("patched")
	if err := unload(t.Context(), m, mod); err != nil {
		t.Fatal(err)
	}
	machine("x86_64")
}

// testCumulative has an update take the place of an earlier one, whose module
// can be removed then.
func testCumulative(t *testing.T, b *bench, m *vm.Machine) {
	first := b.build(t, module.Options{Name: "fix_one"}, append(change("fs/proc/cmdline.c", "seq_putc(m, '\\n');", `seq_puts(m, " one=1\n");`),
		version("", `seq_puts(m, "one\n");`)...)...)
	earlier, err := module.Read(bytes.NewReader(first.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	gone := elfdiff.Acceptance{Code: finding.CodeLost, Symbol: first.Name} // the one that is not in the second
	second := b.build(t, module.Options{Name: "fix_two", Earlier: earlier, Accept: []elfdiff.Acceptance{gone}}, version("", `seq_puts(m, "two\n");`)...)
	apply(t, m, first)
	apply(t, m, second)
	err = errors.Join(
		shows(t.Context(), m, "/proc/cmdline", "one=1", false),
		shows(t.Context(), m, "/proc/version", "one", false),
		shows(t.Context(), m, "/proc/version", "two", true),
		m.Unload(t.Context(), first.Name),
		unload(t.Context(), m, second),
		shows(t.Context(), m, "/proc/version", "two", false))
	if err != nil {
		t.Error(err)
	}
}

// testCallbacks has livepatch call functions of the patch around the transition.
func testCallbacks(t *testing.T, b *bench, m *vm.Machine) {
	mod := b.build(t, module.Options{Name: "fix_callbacks"}, append(version(`
struct klp_object;
static int stage;
static int before(struct klp_object *o) { stage = 10; return 0; }
static void after(struct klp_object *o) { stage++; }
static void bye(struct klp_object *o) { pr_info("gosplice: callback at stage %d\n", stage); }
static int (*p1)(struct klp_object *) __used __section(".kpatch.callbacks.pre_patch") = before;
static void (*p2)(struct klp_object *) __used __section(".kpatch.callbacks.post_patch") = after;
static void (*p3)(struct klp_object *) __used __section(".kpatch.callbacks.post_unpatch") = bye;
`, `	seq_printf(m, "stage %d\n", stage);`), pagebuf("lib/bitmap.c")...)...)
	apply(t, m, mod)
	if err := shows(t.Context(), m, "/proc/version", "stage 11", true); err != nil {
		t.Error(err)
	}
	// a function that is not traced takes callbacks too: these come after its
	if err := shows(t.Context(), m, "/sys/devices/system/cpu/online", "probed", true); err != nil {
		t.Error(err)
	}
	if err := unload(t.Context(), m, mod); err != nil {
		t.Fatal(err)
	}
	log, err := m.Log(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range log {
		if strings.Contains(r.Text, "gosplice: callback at stage 11") {
			return
		}
	}
	t.Error("post_unpatch was not called")
}

// TestSame builds a module twice.
func TestSame(t *testing.T) {
	b := newBench(t, "6.1")
	src := version("static int a, c; int gosplice_b;", `seq_printf(m, "%d %d %d\n", a++, gosplice_b++, c++);`)
	one := b.build(t, module.Options{Name: "same"}, src...)
	two := b.build(t, module.Options{Name: "same"}, src...)
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("the same input gave two modules")
	}
}
