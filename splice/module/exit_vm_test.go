package module_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// leaves has the exit function of a module run something, by a function of its own.
func leaves(code string) []source {
	return changeIn("dummy", "drivers/net/dummy.c", "static void __exit dummy_cleanup_module(void)\n{\n",
		"static noinline void __exit gosplice_leave(void)\n{\n\t"+code+"\n}\n\nstatic void __exit dummy_cleanup_module(void)\n{\n\tgosplice_leave();\n")
}

// says is what an exit function says.
func says(word string) string { return `pr_notice("gosplice: ` + word + ` leaves\n");` }

// leaver is a guest in which the module comes and goes.
type leaver struct {
	*testing.T
	*bench
	m    *vm.Machine
	seen int // records of the log that were looked at
}

// TestExits has updates replace the exit function of a module.
func TestExits(t *testing.T) {
	vmtest.Long(t)
	t.Parallel()
	for _, series := range []string{"6.1", "6.12"} {
		t.Run(series, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, series)
			m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, CPUs: cpus[series], Log: vm.Policy{
				Taint: "OEK", Allow: []string{`livepatch: failed to enable patch 'fix_two'`, `livepatch: pre-patch callback failed for object 'dummy'`},
			}})
			for _, c := range []struct {
				name string
				test func(*leaver)
			}{{"one", (*leaver).one}, {"two", (*leaver).two}, {"replaced", (*leaver).replaced}, {"held", (*leaver).held}, {"busy", (*leaver).busy}} {
				t.Run(c.name, func(t *testing.T) { c.test(&leaver{T: t, bench: b, m: m}) })
			}
		})
	}
}

func (l *leaver) make(name string, opt module.Options, sources ...source) *module.Module {
	l.Helper()
	opt.Name = "fix_" + name
	return l.build(l.T, opt, sources...)
}

func (l *leaver) come() {
	l.Helper()
	if err := l.m.Modprobe(l.Context(), "dummy", "numdummies=0"); err != nil {
		l.Fatal(err)
	}
}

// leave removes the module, and wants the log to say that some version of its exit function
// ran, "" for its own.
func (l *leaver) leave(word string) {
	l.Helper()
	l.said()
	if err := l.m.Unload(l.Context(), "dummy"); err != nil {
		l.Fatal(err)
	}
	want := ""
	if word != "" {
		want = "gosplice: " + word + " leaves"
	}
	if got := l.said("gosplice: "); strings.Join(got, "; ") != want {
		l.Errorf("the exit function said %q, want %q", got, want)
	}
}

// said returns what the log has of a text since it was looked at before.
func (l *leaver) said(texts ...string) (out []string) {
	l.Helper()
	log, err := l.m.Log(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	for _, r := range log[min(l.seen, len(log)):] {
		for _, text := range texts {
			if i := strings.Index(r.Text, text); i >= 0 {
				out = append(out, r.Text[i:])
			}
		}
	}
	l.seen = len(log)
	return out
}

func (l *leaver) undo(mod *module.Module) {
	l.Helper()
	if err := unload(l.Context(), l.m, mod); err != nil {
		l.Fatal(err)
	}
}

// one has the module there before the update, come behind it, and stay longer.
func (l *leaver) one() {
	one := l.make("one", module.Options{}, leaves(says("one"))...)
	if f := one.Functions; len(f) != 1 || f[0].Method != module.MethodExit || f[0].Module != "dummy" {
		l.Errorf("%+v", f)
	}
	l.come()
	apply(l.T, l.m, one)
	l.leave("one")
	for range 2 {
		l.come()
		l.leave("one")
	}
	l.come()
	l.undo(one)
	l.leave("")
	apply(l.T, l.m, one)
	l.undo(one)
	l.come()
	l.leave("")
}

// two has two updates change it, in both orders of their ends.
func (l *leaver) two() {
	one, two := l.make("one", module.Options{}, leaves(says("one"))...), l.make("two", module.Options{}, leaves(says("two"))...)
	l.come()
	apply(l.T, l.m, one)
	apply(l.T, l.m, two)
	l.leave("two")
	l.come()
	l.undo(two)
	l.leave("one")
	l.come()
	apply(l.T, l.m, two)
	l.undo(one)
	l.leave("two")
	l.come()
	l.undo(two)
	l.leave("")
}

// replaced has cumulative updates take the place of one: with an exit function, and without.
func (l *leaver) replaced() {
	one := l.make("one", module.Options{}, leaves(says("one"))...)
	with := l.make("with", module.Options{Replace: true}, append(leaves(says("with")), greeting...)...)
	without := l.make("without", module.Options{Replace: true}, greeting...)
	for _, next := range []*module.Module{with, without} {
		word := strings.TrimPrefix(next.Name, "fix_")
		if next == without {
			word = ""
		}
		l.come()
		apply(l.T, l.m, one)
		apply(l.T, l.m, next)
		if err := errors.Join(l.m.Unload(l.Context(), one.Name), shows(l.Context(), l.m, "/proc/cmdline", "patched", true)); err != nil {
			l.Fatal(err)
		}
		l.leave(word)
		l.come()
		l.leave(word)
		l.come()
		l.undo(next)
		l.leave("")
	}
	apply(l.T, l.m, with) // and one that has it gives it back to nobody
	apply(l.T, l.m, without)
	l.come()
	l.leave("")
	if err := l.m.Unload(l.Context(), with.Name); err != nil {
		l.Fatal(err)
	}
	l.undo(without)
}

// held has a transition that does not end: the module stays meanwhile.
func (l *leaver) held() {
	stuck := elfdiff.Acceptance{Code: elfdiff.CodeThreadLoop}
	mod := l.make("stuck", module.Options{Accept: []elfdiff.Acceptance{stuck}}, append(leaves(says("stuck")), change("mm/compaction.c",
		"	pgdat->kcompactd_max_order = 0;\n	pgdat->kcompactd_highest_zoneidx = pgdat->nr_zones - 1;\n\n	while", "	pgdat->kcompactd_max_order = 0;\n	pgdat->kcompactd_highest_zoneidx = pgdat->nr_zones - 1;\n	pr_info(\"compacts\\n\");\n\n	while")...)...)
	l.come()
	if err := l.m.Load(l.Context(), mod.Bytes(), ""); err != nil {
		l.Fatal(err)
	}
	if err := l.m.Unload(l.Context(), "dummy"); !errors.Is(err, syscall.EWOULDBLOCK) {
		l.Errorf("in the transition, %v", err)
	}
	l.undo(mod)
	l.leave("")
}

// busy disables the update while the module runs the new code, and loads another.
func (l *leaver) busy() {
	slow := l.make("slow", module.Options{}, leaves(says("slow")+` schedule_timeout_uninterruptible(5 * HZ); pr_notice("gosplice: it has left\n");`)...)
	two := l.make("two", module.Options{}, leaves(says("two"))...)
	l.come()
	apply(l.T, l.m, slow)
	l.said()
	gone := make(chan error, 1)
	go func() { gone <- l.m.Unload(context.WithoutCancel(l.Context()), "dummy") }()
	for deadline := time.Now().Add(patience); len(l.said("gosplice: slow leaves")) == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.Fatal("the exit function does not run")
		}
	}
	if err := l.m.Load(l.Context(), two.Bytes(), ""); !errors.Is(err, syscall.EBUSY) || !strings.Contains(err.Error(), "dummy is being removed; it is not patched") {
		l.Errorf("another update: %v", err)
	}
	if err := l.m.WriteFile(l.Context(), livepatch+slow.Name+"/enabled", []byte("0")); err != nil {
		l.Fatal(err)
	}
	for _, err := l.m.ReadFile(l.Context(), livepatch+slow.Name+"/enabled"); err == nil; _, err = l.m.ReadFile(l.Context(), livepatch+slow.Name+"/enabled") {
		time.Sleep(50 * time.Millisecond)
	}
	if got := l.said("fix_slow: ", "gosplice: "); len(got) != 1 || got[0] != "fix_slow: dummy is being removed by the new code; this module has to stay loaded" {
		l.Errorf("the log says %q", got)
	}
	if err := l.m.Unload(l.Context(), slow.Name); !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EBUSY) {
		l.Errorf("with code that runs, the update is removed: %v", err)
	}
	if err := <-gone; err != nil {
		l.Error(err)
	}
	if got := l.said("gosplice: "); len(got) != 1 || got[0] != "gosplice: it has left" {
		l.Errorf("the exit function said %q", got)
	}
	l.come()
	l.leave("")
}
