package foresee_test

import (
	"slices"
	"strings"
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
}{
	{"nothing", fix, nil, foresee.Note, "", ""},
	{"nothing, by others", plain, nil, foresee.Note, "", ""},
	{"a program sleeps in it", asleep, sleeps, foresee.Waits, foresee.CodeInUse, "waiter"},
	{"a thread of the kernel stays in it", thread, nil, foresee.Stalls, foresee.CodeInUse, "kcompactd0"},
	{"a kprobe in the middle", fix, probe("p:mine cmdline_proc_show+MIDDLE"), foresee.Refused, splice.CodeChanged, "kprobe"},
	{"a kprobe in the middle, by others", plain, probe("p:mine cmdline_proc_show+MIDDLE"), foresee.Note, foresee.CodeProbed, "kprobe"},
	{"a kprobe", fix, probe("p:mine cmdline_proc_show"), foresee.Note, foresee.CodeProbed, "kprobe"},
	{"a kretprobe", fix, probe("r:mine cmdline_proc_show"), foresee.Note, foresee.CodeProbed, "kretprobe"},
	{"the function tracer", fix, tracer("function"), foresee.Note, foresee.CodeTraced, "tracer function"},
	{"the tracer of returns", plain, tracer("function_graph"), foresee.Note, foresee.CodeTraced, "tracer function_graph"},
	{"another livepatch", fix, loaded(plain, "plain"), foresee.Note, foresee.CodeReplaced, "plain"},
	{"another livepatch, by others", plain, loaded(fix, "fix"), foresee.Note, foresee.CodeReplaced, "fix"},
	{"it is loaded", fix, loaded(fix, "fix"), foresee.Refused, splice.CodeApplied, ""},
	{"another transition", fix, loaded(thread, "thread"), foresee.Refused, running.CodeInTransition, "thread"},
	{"the tracer is off", fix, set("/proc/sys/kernel/ftrace_enabled", "0", "1"), foresee.Refused, foresee.CodeTracingOff, ""},
	{"no such function", gone, nil, foresee.Refused, foresee.CodeNotThere, ""},
	{"several functions", many, nil, foresee.Refused, foresee.CodeNotThere, ""},
	{"somebody redirects it", plain, holds, foresee.Refused, foresee.CodeHeld, "cmdline_proc_show"},
	{"signatures", plain, set("/sys/module/module/parameters/sig_enforce", "Y", ""), foresee.Refused, running.CodeSignature, ""}, // till the end
}

// sleeps has a program sleep in pipe_read.
func sleeps(t *testing.T, b *bench) func() {
	return b.start(t, "/bin/waiter", "2", "0")
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
		b.livectl(t, &s, "load", "-stay", "-limit", "3s", path)
		return func() {
			if status := b.livectl(t, &s, "revert", name); status != 0 {
				t.Errorf("revert %s: %d, %s", name, status, s.Error)
			}
		}
	}
}

func holds(t *testing.T, b *bench) func() {
	image, err := b.vm.ReadFile(t.Context(), holder)
	if err == nil {
		err = b.vm.Load(t.Context(), image, "")
	}
	if err != nil {
		t.Fatal(err)
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

// fill puts what is loaded into the guest.
func (b *bench) fill(t *testing.T) {
	t.Helper()
	b.put(t, fix, b.ours(t, "fix", "fs/proc/cmdline.c", nil, "seq_putc(m, '\\n');", `seq_puts(m, " fixed\n");`))
	b.put(t, asleep, b.ours(t, "asleep", "fs/pipe.c", nil, "	/* Null read succeeds. */\n", "	if (iov_iter_count(to) == 77777)\n		return -EIO;\n	/* Null read succeeds. */\n"))
	b.put(t, thread, b.ours(t, "thread", "mm/compaction.c", []elfdiff.Acceptance{{Code: elfdiff.CodeThreadLoop}},
		"	pgdat->kcompactd_max_order = 0;\n	pgdat->kcompactd_highest_zoneidx = pgdat->nr_zones - 1;\n\n	while", "	pgdat->kcompactd_max_order = 0;\n	pgdat->kcompactd_highest_zoneidx = pgdat->nr_zones - 1;\n	pr_info(\"compacts\\n\");\n\n	while"))
	b.put(t, plain, b.plain(t, "plain", replacing("", "cmdline_proc_show")))
	b.put(t, gone, b.plain(t, "gone", replacing("", "no_such_function")))
	b.put(t, many, b.plain(t, "many", replacing("", "type_show")))
	b.put(t, holder, b.plain(t, "holder", redirecting))
}

// TestSituations foretells what comes of loading livepatches in many situations, and sees that it
// is so.
func TestSituations(t *testing.T) {
	vmtest.Long(t)
	list := situations
	series := []string{"6.1", "6.12"}
	if !testenv.Asked(testenv.Long) { // one of each kind, in one guest
		series, list = series[1:], nil
		for _, i := range []int{0, 4, 11, 17} {
			list = append(list, situations[i])
		}
	}
	for _, series := range series {
		t.Run(series, func(t *testing.T) {
			b := newBench(t, series, vm.Policy{Taint: "OEKF", Allow: []string{`^livepatch: `, `is not what this update was made for`}})
			b.fill(t)
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
					if len(f.Functions) != 1 || f.Functions[0].Method != module.MethodFtrace {
						t.Errorf("%+v", f.Functions)
					}
					for _, x := range f.Findings {
						if x.Effect == foresee.Unknown {
							t.Errorf("unknown: %+v", x)
						}
					}
					b.meets(t, s.file, f.Outcome)
				})
			}
		})
	}
}

// meets loads a livepatch, and sees that what was foretold happens. It takes it away again.
func (b *bench) meets(t *testing.T, path string, foretold foresee.Effect) {
	t.Helper()
	var s said
	start := time.Now()
	limit := map[foresee.Effect]string{foresee.Stalls: "20s"}[foretold]
	if limit == "" {
		limit = "60s"
	}
	status := b.livectl(t, &s, "load", "-limit", limit, path)
	took := time.Since(start)
	is := foresee.Note
	switch {
	case status == 2, status == 1:
		is = foresee.Refused
	case status == 3:
		is = foresee.Stalls
	case took > 10*time.Second:
		is = foresee.Waits
	}
	if is != foretold {
		t.Errorf("foretold %s, and %s after %v: %s", foretold, is, took, s.Error)
	}
	if status == 0 {
		name := strings.TrimSuffix(strings.TrimPrefix(path, "/"), ".ko")
		if status := b.livectl(t, &s, "revert", name); status != 0 {
			t.Errorf("revert: %d, %s", status, s.Error)
		}
	}
}
