package module_test

import (
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

// opsCases change a table of operations that objects which are open lead to: one
// member is a function that is new, and says so by an error of its own.
var opsCases = []struct {
	name, file   string
	old, with    string // the member
	front, shown string // the function, in front of the table; what is held, and shows it
}{
	{"device", "drivers/char/mem.c", "static const struct file_operations full_fops = {\n	.llseek		= full_lseek,", "	.llseek		= gs_lseek,",
		"static loff_t gs_lseek(struct file *f, loff_t o, int w) { return -EOWNERDEAD; }", "/dev/full, held open: seek owner died"},
	{"epoll", "fs/eventpoll.c", "static const struct file_operations eventpoll_fops = {\n#ifdef CONFIG_PROC_FS\n	.show_fdinfo	= ep_show_fdinfo,", "	.show_fdinfo	= gs_show,",
		"static void gs_show(struct seq_file *m, struct file *f) { f->f_pos++; pr_info(\"gosplice shows %d\\n\", f->f_op == READ_ONCE(f->f_op)); }", ""},
	{"socket", "net/unix/af_unix.c", "static const struct proto_ops unix_stream_ops = {\n	.family =	PF_UNIX,\n	.owner =	THIS_MODULE,\n	.release =	unix_release,\n	.bind =		unix_bind,\n	.connect =	unix_stream_connect,\n	.socketpair =	unix_socketpair,\n	.accept =	unix_accept,\n	.getname =	unix_getname,\n	.poll =		unix_poll,\n	.ioctl =	unix_ioctl,", "	.ioctl =	gs_ioctl,",
		"static int gs_ioctl(struct socket *s, unsigned int c, unsigned long a) { return -EOWNERDEAD; }", "unix stream, held open: peer ok, seek illegal seek, read ok, stat ok, poll ok, ioctl owner died"},
}

// TestKept has updates that can be disabled and not removed, one after the other in one
// machine.
func TestKept(t *testing.T) {
	vmtest.Long(t)
	t.Parallel()
	b := newBench(t, "6.1")
	m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, CPUs: 1, Log: vm.Policy{Taint: "OEK"}})
	for _, c := range []struct {
		name string
		test func(*testing.T, *bench, *vm.Machine)
	}{{"operations", testOperations}, {"initial values", testInitialsPinned}, {"callback", testCallback}} {
		t.Run(c.name, func(t *testing.T) { c.test(t, b, m) })
	}
}

// testOperations changes tables of operations while files and sockets that lead to
// them are open: these follow at once, new ones too, all go back when the update is
// disabled, and the module stays where an address in it may be kept.
func testOperations(t *testing.T, b *bench, m *vm.Machine) {
	for _, c := range opsCases {
		t.Run(c.name, func(t *testing.T) {
			table := c.old[:strings.Index(c.old, "\n")]
			rest := c.old[len(table):]
			member := rest[strings.LastIndex(rest, "\n")+1:]
			post := c.front + "\n" + table + strings.TrimSuffix(rest, member) + c.with
			p, err := b.pair(t, change(c.file, c.old, post)[0])
			if err != nil {
				t.Fatal(err)
			}
			if o := p.Diff.Outcome(); o != elfdiff.OutcomeJudge {
				t.Fatalf("%s without a word", o)
			}
			if p.Diff, err = elfdiff.Compare(p.Diff.Pre, p.Diff.Post, elfdiff.Options{Tables: true, InPlace: true}); err != nil {
				t.Fatal(err)
			}
			mod, err := module.Build(b.kernel, module.Options{Name: "ops_" + c.name}, p)
			if err != nil {
				t.Fatal(err)
			}
			if !mod.Pinned || len(mod.Data) != 1 {
				t.Errorf("pinned: %v %v, overwrites %v", mod.Pinned, mod.Pins, mod.Data)
			}
			useOperations(t, m, mod, c.shown)
		})
	}
}

// useOperations has things open before, while and after an update.
func useOperations(t *testing.T, m *vm.Machine, mod *module.Module, shown string) {
	t.Helper()
	ctx := t.Context()
	before, err := m.Hold(ctx)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, m, mod)
	err = before.Touch(ctx)
	if shown == "" && err != nil || shown != "" && (err == nil || !strings.Contains(err.Error(), shown)) {
		t.Errorf("what was open: %v, want %q", err, shown)
	}
	during, err := m.Hold(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.WriteFile(ctx, livepatch+mod.Name+"/enabled", []byte("0")); err != nil {
		t.Fatal(err)
	}
	permanent(t, m, mod.Name)
	err = errors.Join(before.Touch(ctx), during.Use(ctx), before.Touch(ctx), during.Release(ctx), before.Release(ctx), m.Check(ctx, vm.Policy{Taint: "OEK"}))
	if err != nil {
		t.Errorf("what was open, without the update: %v", err)
	}
}

// permanent demands that a module which was disabled can't be removed.
func permanent(t *testing.T, m *vm.Machine, name string) {
	t.Helper()
	for range 600 {
		if _, err := m.ReadFile(t.Context(), livepatch+name+"/enabled"); err != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	for range 3 {
		if err := m.Unload(t.Context(), name); !errors.Is(err, syscall.EBUSY) {
			t.Errorf("unload: %v, want EBUSY", err)
		}
	}
}

// testCallback has a timer of an update go off when that was disabled.
func testCallback(t *testing.T, b *bench, m *vm.Machine) {
	mod := b.build(t, module.Options{Name: "fix_timer"}, version(
		"#include <linux/timer.h>\nstatic void tick(struct timer_list *t) { pr_info(\"gosplice ticks\\n\"); }\nstatic struct timer_list timer;",
		`	if (!timer.function) { timer_setup(&timer, tick, 0); mod_timer(&timer, jiffies + 3 * HZ); }`)...)
	apply(t, m, mod)
	if err := shows(t.Context(), m, "/proc/version", "Linux", true); err != nil {
		t.Fatal(err)
	}
	if err := m.WriteFile(t.Context(), livepatch+mod.Name+"/enabled", []byte("0")); err != nil {
		t.Fatal(err)
	}
	permanent(t, m, mod.Name)
	for range 1200 {
		log, err := m.Log(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range log {
			if strings.Contains(r.Text, "gosplice ticks") {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("the timer did not go off")
}
