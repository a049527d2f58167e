package module_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// TestJumps takes over functions that are not traced.
func TestJumps(t *testing.T) {
	vmtest.Long(t)
	t.Parallel()
	for _, series := range []string{"6.1", "6.12"} {
		t.Run(series, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, series)
			m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, CPUs: cpus[series], Log: vm.Policy{Taint: "OEK", Allow: []string{
				`^livepatch: pre-patch callback failed for object 'vmlinux'`, `^livepatch: failed to enable patch 'fix_(busy|returns)'`,
			}}})
			exe, err := vmtest.BuildProgram(t.Context(), "github.com/gosplice/gosplice/splice/module/testdata/sleeper")
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Put(t.Context(), "/bin/sleeper", exe, 0o755); err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				name string
				test func(*testing.T, *bench, *vm.Machine)
			}{
				{"effect", testJumpEffect}, {"callbacks", testJumpCallbacks}, {"cumulative", testJumpCumulative}, {"busy", testJumpBusy},
				{"foreign", testJumpForeign}, {"in use", testJumpInUse}, {"returns", testJumpReturns},
			} {
				t.Run(c.name, func(t *testing.T) { c.test(t, b, m) })
			}
		})
	}
}

const (
	tracing = "/sys/kernel/tracing/"
	clock   = tracing + "trace_clock"
	pipe    = tracing + "trace_pipe"
)

// clocks changes what a file of tracefs shows, by a function that is not traced.
var clocks = change("kernel/trace/trace.c", `			i == tr->clock_id ? "[" : "", trace_clocks[i].name,`, `			i == tr->clock_id ? "<" : "", trace_clocks[i].name,`)

// clocksAndPipe changes a function too in which readers sleep.
func clocksAndPipe() []source {
	s := clocks[0]
	const front = `tracing_read_pipe(struct file *filp, char __user *ubuf,
		  size_t cnt, loff_t *ppos)
{
	struct trace_iterator *iter = filp->private_data;
	ssize_t sret;
`
	more := change(s.file, front, front+"\n	if (cnt == 7777)\n		return -ENOTTY;\n")
	s.edits = append(s.edits[:len(s.edits):len(s.edits)], more[0].edits...)
	return []source{s}
}

// methods counts the functions of a module by how they are taken over.
func methods(m *module.Module) map[string]int {
	n := map[string]int{}
	for _, f := range m.Functions {
		n[f.Method]++
	}
	return n
}

// testJumpEffect patches functions of both kinds, and shows the effect, and its end,
// again and again.
func testJumpEffect(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	cycles := testenv.Number(t, testenv.Cycles, 3)
	mod := b.build(t, module.Options{Name: "fix_jump"}, append(clocks[:1:1], greeting...)...)
	if n := methods(mod); n[module.MethodFtrace] != 1 || n[module.MethodJump] != 1 {
		t.Fatalf("%+v", mod.Functions)
	}
	active := func(ctx context.Context, yes bool) error {
		return errors.Join(shows(ctx, m, clock, "<", yes), shows(ctx, m, "/proc/cmdline", "patched", yes))
	}
	var slab, areas int
	for i := range cycles {
		if err := active(ctx, false); err != nil {
			t.Fatal(err)
		}
		apply(t, m, mod)
		if err := errors.Join(active(ctx, true), unload(ctx, m, mod), active(ctx, false)); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			slab, areas = usage(t, m)
		}
	}
	s, a := usage(t, m)
	t.Logf("%d cycles: slab %d -> %d KiB, %d -> %d areas", cycles, slab, s, areas, a)
	if a > areas+1 || s > slab+512+cycles {
		t.Error("something stays behind")
	}
}

// testJumpCallbacks has the callbacks of a patch run around the jumps.
func testJumpCallbacks(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	src := clocks[0]
	more := change(src.file, "static int tracing_clock_show(struct seq_file *m, void *v)\n{", `struct klp_object;
static int stage;
static int before(struct klp_object *o) { stage = 10; return 0; }
static void bye(struct klp_object *o) { pr_info("gosplice: clocks at stage %d\n", stage); }
static int (*p1)(struct klp_object *) __used __section(".kpatch.callbacks.pre_patch") = before;
static void (*p3)(struct klp_object *) __used __section(".kpatch.callbacks.post_unpatch") = bye;
static int tracing_clock_show(struct seq_file *m, void *v)
{
	stage++;`)
	src.edits = append(src.edits[:1:1], more[0].edits...)
	mod := b.build(t, module.Options{Name: "fix_jump_callbacks"}, src)
	apply(t, m, mod)
	err := errors.Join(shows(ctx, m, clock, "<", true), unload(ctx, m, mod), shows(ctx, m, clock, "<", false), logs(ctx, m, "gosplice: clocks at stage 11"))
	if err != nil {
		t.Error(err)
	}
}

// testJumpCumulative has an update take over the jumps of an earlier one, whose
// module can be removed then: one that is in both, and one that the later leaves out.
// One that knows nothing of jumps is refused by the kernel.
func testJumpCumulative(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	options := change(clocks[0].file, `seq_printf(m, "no%s\n", trace_options[i]);`, `seq_printf(m, "non%s\n", trace_options[i]);`)
	both := clocks[0]
	both.edits = append(both.edits[:1:1], options[0].edits...)
	later := clocks[0]
	later.edits = []kbuild.Edit{{Old: clocks[0].edits[0].Old, New: strings.Replace(clocks[0].edits[0].New, "<", "{", 1)}}
	first := b.build(t, module.Options{Name: "fix_first"}, both)
	second := b.build(t, module.Options{Name: "fix_second", Replace: true}, later)
	without := b.build(t, module.Options{Name: "fix_without", Replace: true}, greeting...)
	const list = tracing + "trace_options"
	if err := shows(ctx, m, list, "nonsym-offset", false); err != nil {
		t.Fatal(err)
	}
	apply(t, m, first)
	if err := m.Load(ctx, without.Bytes(), ""); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("an update without jumps: %v, want EINVAL", err)
	}
	if err := errors.Join(shows(ctx, m, clock, "<", true), shows(ctx, m, list, "nonsym-offset", true)); err != nil {
		t.Fatal(err)
	}
	apply(t, m, second)
	err := errors.Join(shows(ctx, m, clock, "{", true), shows(ctx, m, list, "nonsym-offset", false), m.Unload(ctx, first.Name),
		shows(ctx, m, clock, "{", true), unload(ctx, m, second), shows(ctx, m, clock, "{", false), shows(ctx, m, clock, "<", false))
	if err != nil {
		t.Fatal(err)
	}
	apply(t, m, first) // what is there is the kernel's own again
	if err := errors.Join(shows(ctx, m, clock, "<", true), unload(ctx, m, first), shows(ctx, m, clock, "<", false)); err != nil {
		t.Error(err)
	}
}

// logs checks that the kernel has logged something by now.
func logs(ctx context.Context, m *vm.Machine, want string) error {
	log, err := m.Log(ctx)
	if err != nil {
		return err
	}
	for _, r := range log {
		if strings.Contains(r.Text, want) {
			return nil
		}
	}
	return fmt.Errorf("the log does not say %q", want)
}

// sleeper has a program sleep in a read of a file, and returns its number and what
// ends it.
func sleeper(t *testing.T, m *vm.Machine, path string) (pid int, end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan bool)
	go func() {
		defer close(done)
		_, _ = m.Run(ctx, vm.Command{Path: "/bin/sleeper", Args: []string{path}})
	}()
	for deadline := time.Now().Add(time.Minute); pid == 0; time.Sleep(50 * time.Millisecond) {
		if pid = find(t, m); pid == 0 && time.Now().After(deadline) {
			t.Fatal("the sleeper does not sleep")
		}
	}
	return pid, func() {
		cancel()
		<-done
		for { // the guest kills it in its own time
			if _, err := m.ReadFile(t.Context(), fmt.Sprintf("/proc/%d/stat", pid)); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// find returns the number of the sleeper that sleeps in its system call.
func find(t *testing.T, m *vm.Machine) int {
	t.Helper()
	all, err := m.ReadDir(t.Context(), "/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		stat, _ := m.ReadFile(t.Context(), "/proc/"+name+"/stat")
		call, _ := m.ReadFile(t.Context(), "/proc/"+name+"/syscall")
		if strings.Contains(string(stat), "(sleeper) S") && (strings.HasPrefix(string(call), "0 ") || strings.HasPrefix(string(call), "257 ")) { // read, openat
			return pid
		}
	}
	return 0
}

// testJumpBusy has a task sleep in the old function: nothing is patched, and the log
// names the function and the task.
func testJumpBusy(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	mod := b.build(t, module.Options{Name: "fix_busy"}, append(clocksAndPipe(), greeting...)...)
	pid, end := sleeper(t, m, pipe)
	err := m.Load(ctx, mod.Bytes(), "")
	want := fmt.Sprintf("fix_busy: tracing_read_pipe is in use by sleeper (%d); nothing was patched", pid)
	if !errors.Is(err, syscall.EBUSY) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want EBUSY and %q", err, want)
	}
	if err := errors.Join(shows(ctx, m, clock, "<", false), shows(ctx, m, "/proc/cmdline", "patched", false)); err != nil {
		t.Error(err)
	}
	end()
	// The thread that loaded it before has looked at the sleeper's stack: words of it that are left in
	// a frame of its own are in nobody's way.
	err = m.Load(ctx, mod.Bytes(), "")
	err = errors.Join(err, settle(ctx, m, mod.Name), shows(ctx, m, clock, "<", true), unload(ctx, m, mod), shows(ctx, m, clock, "<", false))
	if err != nil {
		t.Error(err)
	}
}

// testJumpReturns traces returns, which hides from who reads words where a task will go on: the
// kernel's unwinder tells it.
func testJumpReturns(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	const graph = "current_tracer"
	mod := b.build(t, module.Options{Name: "fix_returns"}, change("kernel/trace/trace.c", `seq_printf(m, "no%s\n", trace_options[i]);`, `seq_printf(m, "non%s\n", trace_options[i]);`)...)
	err := errors.Join(m.WriteFile(ctx, tracing+"set_ftrace_filter", []byte("vfs_read")), m.WriteFile(ctx, tracing+graph, []byte("function_graph")))
	if err != nil {
		t.Fatal(err)
	}
	_, end := sleeper(t, m, "/dev/console")
	err = errors.Join(m.Load(ctx, mod.Bytes(), ""), settle(ctx, m, mod.Name), unload(ctx, m, mod))
	if err != nil {
		t.Error(err)
	}
	end()
	if err := m.WriteFile(ctx, tracing+graph, []byte("nop")); err != nil {
		t.Fatal(err)
	}
}

// testJumpForeign has somebody else write over a jump: it stays, and so does the
// module, until somebody else has put it back.
func testJumpForeign(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	mod := b.build(t, module.Options{Name: "fix_overwritten"}, clocks...)
	other := b.build(t, module.Options{Name: "fix_foreign"}, change("fs/proc/version.c",
		"static int version_proc_show(", `#include <linux/kprobes.h>
static int nothing(struct kprobe *p, struct pt_regs *r) { return 0; }
static struct kprobe stranger = { .symbol_name = "tracing_clock_show", .pre_handler = nothing };
static bool there;
static int version_proc_show(`,
		"		utsname()->version);\n", `		utsname()->version);
	if (there)
		unregister_kprobe(&stranger);
	there = !there && !register_kprobe(&stranger);
	seq_printf(m, "probe %d\n", there);
`)...)
	apply(t, m, mod)
	apply(t, m, other)
	err := errors.Join(shows(ctx, m, "/proc/version", "probe 1", true), shows(ctx, m, clock, "<", true),
		m.WriteFile(ctx, livepatch+mod.Name+"/enabled", []byte("0")))
	if err != nil {
		t.Fatal(err)
	}
	const want = "fix_overwritten: somebody else has changed tracing_clock_show; it stays as it is, and so does this module"
	for deadline := time.Now().Add(time.Minute); logs(ctx, m, want) != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is logged")
		}
	}
	if err := shows(ctx, m, clock, "<", true); err != nil {
		t.Error(err)
	}
	if err := m.Unload(ctx, mod.Name); err == nil {
		t.Fatal("the module is gone, and a jump leads to it")
	}
	err = errors.Join(shows(ctx, m, "/proc/version", "probe 0", true), shows(ctx, m, clock, "<", true), unload(ctx, m, other))
	if err != nil {
		t.Error(err)
	}
}

// testJumpInUse has a task sleep in the new function when the update is disabled:
// the functions are as before, and the module stays.
func testJumpInUse(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	pipes := clocksAndPipe()
	pipes[0].edits = pipes[0].edits[1:] // the clocks are taken
	mod := b.build(t, module.Options{Name: "fix_in_use"}, pipes...)
	apply(t, m, mod)
	pid, end := sleeper(t, m, pipe)
	if err := m.WriteFile(ctx, livepatch+mod.Name+"/enabled", []byte("0")); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("fix_in_use: its new code is in use by sleeper (%d); this module has to stay loaded", pid)
	for deadline := time.Now().Add(time.Minute); logs(ctx, m, want) != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is logged")
		}
	}
	end()
	if err := m.Unload(ctx, mod.Name); err == nil {
		t.Error("the module is gone")
	}
}
