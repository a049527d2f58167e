package foresee_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/running"
	"github.com/gosplice/gosplice/splice/module/running/foresee"
)

const tracing = "/sys/kernel/tracing/"

// What is loaded into the guest.
const (
	fix    = "/fix.ko"    // replaces cmdline_proc_show
	plain  = "/plain.ko"  // replaces it too, and is made by others
	asleep = "/asleep.ko" // replaces a function that programs sleep in
	thread = "/thread.ko" // replaces the main loop of a thread of the kernel
	gone   = "/gone.ko"   // replaces a function that there is not
	many   = "/many.ko"   // replaces one of several of its name
	jump   = "/jump.ko"   // takes a function over by a jump
	holder = "/holder.ko" // a kprobe that redirects cmdline_proc_show
)

// situations are what a load meets. Each is made, foretold, tried, and taken away again.
var situations = []struct {
	name   string
	file   string
	make   func(t *testing.T, b *bench) (undo func())
	effect foresee.Effect
	code   finding.Code // of a finding with that effect, or of a note
	who    string       // in its message
	quick  bool         // it is tried also where nobody asked for hours
}{
	{"nothing", fix, nil, foresee.Note, "", "", false},
	{"nothing, by others", plain, nil, foresee.Note, "", "", true},
	{"a program sleeps in it", asleep, sleeps, foresee.Waits, foresee.CodeInUse, "waiter", false},
	{"a thread of the kernel stays in it", thread, nil, foresee.Stalls, foresee.CodeInUse, "kcompactd0", false},
	{"a kprobe in the middle", fix, probe("p:mine cmdline_proc_show+MIDDLE"), foresee.Refused, splice.CodeChanged, "kprobe", true},
	{"a kprobe in the middle, by others", plain, probe("p:mine cmdline_proc_show+MIDDLE"), foresee.Note, foresee.CodeProbed, "kprobe", false},
	{"a kprobe", fix, probe("p:mine cmdline_proc_show"), foresee.Note, foresee.CodeProbed, "kprobe", false},
	{"a kretprobe", fix, probe("r:mine cmdline_proc_show"), foresee.Note, foresee.CodeProbed, "kretprobe", false},
	{"the function tracer", fix, tracer("function"), foresee.Note, foresee.CodeTraced, "tracer function", false},
	{"the tracer of returns", plain, tracer("function_graph"), foresee.Note, foresee.CodeTraced, "tracer function_graph", false},
	{"BPF", fix, watched("entry"), foresee.Note, foresee.CodeBPF, "watcher", false},
	{"BPF at the end, by others", plain, watched("exit"), foresee.Note, foresee.CodeBPF, "bpf_trampoline", false},
	{"another livepatch", fix, loaded(plain, "plain"), foresee.Note, foresee.CodeReplaced, "plain", true},
	{"another livepatch, by others", plain, loaded(fix, "fix"), foresee.Note, foresee.CodeReplaced, "fix", false},
	{"it is loaded", fix, loaded(fix, "fix"), foresee.Refused, splice.CodeApplied, "", false},
	{"another transition", fix, loaded(thread, "thread"), foresee.Refused, running.CodeInTransition, "thread", false},
	{"the tracer is off", fix, set("/proc/sys/kernel/ftrace_enabled", "0", "1"), foresee.Refused, foresee.CodeTracingOff, "", false},
	{"no such function", gone, nil, foresee.Refused, foresee.CodeNotThere, "", false},
	{"several functions", many, nil, foresee.Refused, foresee.CodeNotThere, "", false},
	{"somebody redirects it", plain, holds, foresee.Refused, foresee.CodeHeld, "cmdline_proc_show", false},
	{"a jump", jump, nil, foresee.Note, "", "", false},
	{"a program sleeps where a jump goes", jump, reads, foresee.Refused, foresee.CodeInUse, "sleeper", false},
	{"signatures", plain, set("/sys/module/module/parameters/sig_enforce", "Y", ""), foresee.Refused, running.CodeSignature, "", false}, // till the end
}

// sleeps has a program sleep in pipe_read.
func sleeps(t *testing.T, b *bench) func() {
	return b.start(t, "/bin/waiter", "2", "0")
}

// reads has a program sleep in tracing_read_pipe.
func reads(t *testing.T, b *bench) func() {
	return b.start(t, "/bin/sleeper", tracing+"trace_pipe")
}

// watched has a BPF program on cmdline_proc_show. It is gone once that is undone: where one leaves while the function
// tracer is switched off, Linux 6.1 keeps a mark of it (FTRACE_FL_DIRECT_EN), and stops the tracer for good once
// nobody uses it any more.
func watched(where string) func(*testing.T, *bench) func() {
	return func(t *testing.T, b *bench) func() {
		stop := b.start(t, "/bin/fentry", where, "cmdline_proc_show")
		b.awaitTrampoline(t, true)
		return func() {
			stop()
			b.awaitTrampoline(t, false)
		}
	}
}

// awaitTrampoline waits until a BPF program is on a function, or on none.
func (b *bench) awaitTrampoline(t *testing.T, there bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		list, err := b.vm.ReadFile(t.Context(), tracing+"enabled_functions")
		if err == nil && strings.Contains(string(list), "bpf_trampoline") == there {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("a program on a function is to be %v: %s, %v", there, list, err)
		}
	}
}

func probe(event string) func(*testing.T, *bench) func() {
	return func(t *testing.T, b *bench) func() {
		middle := map[bool]string{true: "5", false: "9"}[b.objtool == ""] // behind the call of the tracer, with IBT behind an ENDBR64 too
		b.write(t, tracing+"kprobe_events", strings.ReplaceAll(event, "MIDDLE", middle))
		b.write(t, tracing+"events/kprobes/mine/enable", "1")
		return func() {
			b.write(t, tracing+"events/kprobes/mine/enable", "0")
			b.write(t, tracing+"kprobe_events", "-:mine")
		}
	}
}

func tracer(name string) func(*testing.T, *bench) func() {
	return func(t *testing.T, b *bench) func() {
		b.write(t, tracing+"set_ftrace_filter", "cmdline_proc_show")
		b.write(t, tracing+"set_graph_function", "cmdline_proc_show")
		b.write(t, tracing+"current_tracer", name)
		return func() { b.write(t, tracing+"current_tracer", "nop") }
	}
}

// loaded has a livepatch loaded, or in transition.
func loaded(path, name string) func(*testing.T, *bench) func() {
	return func(t *testing.T, b *bench) func() {
		var s said
		status := b.livectl(t, &s, "load", "-stay", "-limit", "3s", path)
		return func() {
			if status != 0 && status != 3 {
				return // what else there is had it refused
			}
			if status := b.livectl(t, &s, "revert", name); status != 0 {
				t.Errorf("revert %s: %d, %s", name, status, s.Error)
			}
		}
	}
}

func holds(t *testing.T, b *bench) func() {
	image, err := b.vm.ReadFile(t.Context(), holder)
	if err != nil {
		t.Fatal(err)
	}
	// The kernel wants it tried again while a BPF program on the function is at work (EAGAIN,
	// bpf_tramp_ftrace_ops_func of kernel/bpf/trampoline.c).
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := b.vm.Load(t.Context(), image, "")
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), syscall.EAGAIN.Error()) || time.Now().After(end) {
			t.Fatal(err)
		}
	}
	return func() {
		if err := b.vm.Unload(t.Context(), "holder"); err != nil {
			t.Error(err)
		}
	}
}

func set(path, value, back string) func(*testing.T, *bench) func() {
	return func(t *testing.T, b *bench) func() {
		b.write(t, path, value)
		return func() {
			if back != "" {
				b.write(t, path, back)
			}
		}
	}
}

// redirecting is the body of a module whose kprobe redirects a function: only such may have a
// post_handler (kernel/kprobes.c).
const redirecting = `
static void after(struct kprobe *p, struct pt_regs *regs, unsigned long flags) { }
static struct kprobe probe = { .symbol_name = "cmdline_proc_show", .post_handler = after };
int init_module(void) { return register_kprobe(&probe); }
void cleanup_module(void) { unregister_kprobe(&probe); }
`

// fill puts what is loaded into the guest: what is named, or all.
func (b *bench) fill(t *testing.T, names ...string) {
	t.Helper()
	for _, c := range []struct {
		path string
		make func() []byte
	}{
		{fix, func() []byte {
			return b.ours(t, "fix", "fs/proc/cmdline.c", nil, "seq_putc(m, '\\n');", `seq_puts(m, " fixed\n");`)
		}},
		{asleep, func() []byte {
			return b.ours(t, "asleep", "fs/pipe.c", nil, "	/* Null read succeeds. */\n", "	if (iov_iter_count(to) == 77777)\n		return -EIO;\n	/* Null read succeeds. */\n")
		}},
		{thread, func() []byte {
			const front = "	pgdat->kcompactd_max_order = 0;\n	pgdat->kcompactd_highest_zoneidx = pgdat->nr_zones - 1;\n\n"
			return b.ours(t, "thread", "mm/compaction.c", []elfdiff.Acceptance{{Code: elfdiff.CodeThreadLoop}}, front+"	while", front+"	pr_info(\"compacts\\n\");\n	while")
		}},
		{plain, func() []byte { return b.plain(t, "plain", replacing("", "cmdline_proc_show")) }},
		{gone, func() []byte { return b.plain(t, "gone", replacing("", "no_such_function")) }},
		{many, func() []byte { return b.plain(t, "many", replacing("", "type_show")) }},
		{jump, func() []byte {
			const front = "tracing_read_pipe(struct file *filp, char __user *ubuf,\n		  size_t cnt, loff_t *ppos)\n{\n	struct trace_iterator *iter = filp->private_data;\n	ssize_t sret;\n"
			return b.ours(t, "jump", "kernel/trace/trace.c", nil, front, front+"\n	if (cnt == 7777)\n		return -ENOTTY;\n")
		}},
		{holder, func() []byte { return b.plain(t, "holder", redirecting) }},
	} {
		if len(names) == 0 || slices.Contains(names, c.path) {
			b.put(t, c.path, c.make())
		}
	}
}

// TestSituations foretells what comes of loading livepatches in many situations, and sees that it
// is so.
func TestSituations(t *testing.T) {
	vmtest.Long(t)
	list := situations
	var files []string // all
	series := []string{"6.1", "6.12"}
	if !testenv.Asked(testenv.Long) { // a few, in one guest
		series, list, files = series[1:], nil, []string{fix, plain}
		for _, s := range situations {
			if s.quick {
				list = append(list, s)
			}
		}
	}
	for _, series := range series {
		t.Run(series, func(t *testing.T) {
			b := newBench(t, series, vm.Policy{Taint: "OEKF", Allow: []string{`^livepatch: `, `is not what this update was made for`}})
			b.fill(t, files...)
			for _, s := range list {
				t.Run(s.name, func(t *testing.T) {
					if s.make != nil {
						defer s.make(t, b)()
						time.Sleep(100 * time.Millisecond)
					}
					f := b.check(t, s.file)
					if f.Outcome != s.effect {
						t.Errorf("foretold %s, want %s: %+v", f.Outcome, s.effect, f.Findings)
					}
					if !slices.ContainsFunc(f.Findings, func(x foresee.Finding) bool {
						return x.Effect == s.effect && x.Code == s.code && strings.Contains(x.Message+strings.Join(x.Who, " "), s.who) && x.Hint != ""
					}) && s.code != "" {
						t.Errorf("no %s of %q: %+v", s.code, s.who, f.Findings)
					}
					method := map[bool]string{false: module.MethodFtrace, true: module.MethodJump}[s.file == jump]
					if len(f.Functions) != 1 || f.Functions[0].Method != method {
						t.Errorf("%+v", f.Functions)
					}
					for _, x := range f.Findings {
						if x.Effect == foresee.Unknown {
							t.Errorf("unknown: %+v", x)
						}
					}
					if is, why := b.load(t, s.file, f.Outcome); is != f.Outcome {
						t.Errorf("foretold %s, and %s: %s", f.Outcome, is, why)
					}
				})
				if s.name == "another transition" {
					t.Run("stuck", func(t *testing.T) { testStuck(t, b) })
				}
				if s.name == "another livepatch" { // before signatures are asked for
					t.Run("a thread runs all the time", func(t *testing.T) { testBusy(t, b) })
				}
			}
		})
	}
}

// testStuck has a transition that does not end, and sees who is in the way of it, what the tool
// does at its limit, and that all of it can be taken back.
func testStuck(t *testing.T, b *bench) {
	blocked := func(what string, tr *running.Transition, back bool) {
		t.Helper()
		if tr == nil || !tr.On || tr.Back != back || tr.Total < 20 || tr.Done >= tr.Total || tr.Unknown != "" {
			t.Fatalf("%s: %+v", what, tr)
		}
		i := slices.IndexFunc(tr.Blockers, func(x running.Blocker) bool { return x.Name == "kcompactd0" })
		if i < 0 {
			t.Fatalf("%s: kcompactd0 is not in the way: %+v", what, tr.Blockers)
		}
		if x := tr.Blockers[i]; !x.Kernel || x.Function != "kcompactd" || len(x.Stack) < 2 || !strings.HasPrefix(x.Stack[0], "kcompactd+0x") || x.Help == "" || x.Since.IsZero() {
			t.Errorf("%s: %+v", what, x)
		}
	}
	var s said
	if status := b.livectl(t, &s, "load", "-limit", "4s", thread); status != 3 || !strings.Contains(s.Error, "taken back, and unloaded") {
		t.Errorf("backed out: %d, %s", status, s.Error)
	}
	blocked("at the limit", s.Transition, false)
	if s = (said{}); b.livectl(t, &s, "status") != 0 || len(s.List) != 0 {
		t.Errorf("backed out: %+v", s)
	}
	if status := b.livectl(t, &s, "load", "-limit", "4s", "-stay", thread); status != 3 || !strings.Contains(s.Error, "stays in transition, as asked") {
		t.Errorf("stayed: %d, %s", status, s.Error)
	}
	if s = (said{}); b.livectl(t, &s, "status") != 0 || len(s.List) != 1 || s.List[0].State != splice.Transition || len(s.List[0].Redirects) != 1 {
		t.Errorf("stayed: %+v", s)
	}
	blocked("status", s.Transition, false)
	if s = (said{}); b.livectl(t, &s, "wait", "-limit", "2s", "thread") != 3 {
		t.Errorf("wait: %+v", s)
	}
	blocked("wait", s.Transition, false)
	if b.livectl(t, &s, "unload", "thread") != 2 || !strings.Contains(s.Error, "enabled") {
		t.Errorf("unload: %+v", s)
	}
	if b.livectl(t, &s, "disable", fix) != 2 {
		t.Errorf("there is no such livepatch: %+v", s)
	}
	if s = (said{}); b.livectl(t, &s, "disable", "thread") != 0 || len(s.List) != 1 || s.List[0].State != splice.Kept {
		t.Errorf("disable: %+v", s)
	}
	if s = (said{}); b.livectl(t, &s, "unload", "thread") != 0 || len(s.List) != 1 || s.List[0].State != "" {
		t.Errorf("unload: %+v", s)
	}
}
