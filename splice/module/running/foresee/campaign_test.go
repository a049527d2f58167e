package foresee_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/running"
	"github.com/gosplice/gosplice/splice/module/running/foresee"
)

// A disturbance is what may meet a load, in any combination with others.
type disturbance struct {
	name string
	make func(r *rand.Rand) func(t *testing.T, b *bench) (undo func())
	// without are others that it does not go with.
	without []string
}

var disturbances = []disturbance{
	{"sleepers", func(r *rand.Rand) func(*testing.T, *bench) func() {
		return waiters(1+r.IntN(20), []int{0, 0, 1, 3, 20, 200, 900, 3000}[r.IntN(8)])
	}, nil},
	{"function", constant(tracer("function")), []string{"graph"}},
	{"graph", constant(tracer("function_graph")), []string{"function"}},
	{"kprobe", constant(probe("p:mine cmdline_proc_show")), []string{"middle", "kretprobe"}},
	{"kretprobe", constant(probe("r:mine cmdline_proc_show")), []string{"middle", "kprobe"}},
	{"middle", constant(probe("p:mine cmdline_proc_show+MIDDLE")), []string{"kprobe", "kretprobe"}},
	{"entry program", constant(watched("entry")), []string{"exit program"}},
	{"exit program", constant(watched("exit")), []string{"entry program"}},
	{"ours", constant(loaded(fix, "fix")), []string{"holder"}},
	{"others", constant(loaded(plain, "plain")), []string{"holder"}},
	{"asleep", constant(loaded(asleep, "asleep")), []string{"sleepers"}},
	{"transition", constant(loaded(thread, "thread")), []string{"ours", "others", "asleep"}},
	{"busy", constant(spins), nil},
	{"off", constant(set("/proc/sys/kernel/ftrace_enabled", "0", "1")), []string{"function", "graph", "ours", "others", "asleep", "transition", "entry program", "exit program", "kprobe", "kretprobe", "holder"}},
	{"holder", constant(holds), []string{"ours", "others", "kprobe", "kretprobe", "middle", "off"}},
}

func constant(f func(*testing.T, *bench) func()) func(*rand.Rand) func(*testing.T, *bench) func() {
	return func(*rand.Rand) func(*testing.T, *bench) func() { return f }
}

// spinning is the body of a module with a thread of the kernel that runs all the time.
const spinning = `
static struct task_struct *spinner;
static int spin(void *unused) { while (!kthread_should_stop()) { udelay(50); cond_resched(); } return 0; }
int init_module(void) { spinner = kthread_run(spin, NULL, "spinner"); return PTR_ERR_OR_ZERO(spinner); }
void cleanup_module(void) { kthread_stop(spinner); }
`

func spins(t *testing.T, b *bench) func() {
	image, err := b.vm.ReadFile(t.Context(), "/spinner.ko")
	if err == nil {
		err = b.vm.Load(t.Context(), image, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := b.vm.Unload(t.Context(), "spinner"); err != nil {
			t.Error(err)
		}
	}
}

func waiters(n, every int) func(*testing.T, *bench) func() {
	return func(t *testing.T, b *bench) func() {
		return b.start(t, "/bin/waiter", fmt.Sprint(n), fmt.Sprint(every))
	}
}

// draw draws some that go together.
func draw(r *rand.Rand) (list []disturbance) {
	for range r.IntN(4) {
		d := disturbances[r.IntN(len(disturbances))]
		if !slices.ContainsFunc(list, func(x disturbance) bool {
			return x.name == d.name || slices.Contains(x.without, d.name) || slices.Contains(d.without, x.name)
		}) {
			list = append(list, d)
		}
	}
	// An update has functions of the names that it replaces, so that probes by name come before it.
	slices.SortFunc(list, func(a, b disturbance) int { return cmp.Compare(indexOf(a.name), indexOf(b.name)) })
	return list
}

func indexOf(name string) int {
	return slices.IndexFunc(disturbances, func(d disturbance) bool { return d.name == name })
}

// usualTrials is how many loads TestCampaign tries of each kernel, and the most that one guest sees.
const usualTrials = 100

// TestCampaign foretells what comes of loading livepatches in random situations, and counts how
// often that is so. "cycles=N" says how many are tried of each kernel. Every hundred have a guest
// of their own: "-parallel" says how many guests there are at once, "-run TestCampaign/6.1/200"
// tries one hundred again.
func TestCampaign(t *testing.T) {
	hours(t)
	n := testenv.Number(t, testenv.Cycles, usualTrials)
	for _, series := range []string{"6.1", "6.12"} {
		t.Run(series, func(t *testing.T) {
			for first := 0; first < n; first += usualTrials {
				t.Run(fmt.Sprint(first), func(t *testing.T) {
					t.Parallel()
					campaign(t, series, first, min(first+usualTrials, n))
				})
			}
		})
	}
}

// campaign tries the situations of some seeds in one guest.
func campaign(t *testing.T, series string, first, end int) {
	b := newBench(t, series, vm.Policy{Taint: "OEK", Allow: []string{`^livepatch: `, `is not what this update was made for`}})
	b.fill(t)
	b.put(t, "/spinner.ko", b.plain(t, "spinner", spinning))
	b.put(t, "/instead.ko", b.plain(t, "instead", replacing(".replace = true", "cmdline_proc_show")))
	b.put(t, "/jumpclock.ko", b.made(t, module.Options{Name: "jumpclock"}, clockAs("<")))
	count := map[string]int{}
	for seed := first; seed < end; seed++ {
		b.trial(t, uint64(seed), count)
	}
	t.Logf("%v", count)
}

// trial tries one situation.
func (b *bench) trial(t *testing.T, seed uint64, count map[string]int) {
	r := rand.New(rand.NewPCG(seed, 7))
	file := []string{fix, plain, asleep, asleep, thread, jump, "/jumpclock.ko", "/instead.ko"}[r.IntN(8)]
	var names []string
	var later string
	defer func() { // once nothing disturbs any more
		if later != "" {
			b.revert(t, later, "90s")
		}
	}()
	for _, d := range draw(r) {
		names = append(names, d.name)
		defer d.make(r)(t, b)()
	}
	time.Sleep(50 * time.Millisecond)
	f := b.check(t, file)
	is, said := b.try(t, file, f.Outcome)
	if is == foresee.Note || is == foresee.Waits {
		limit := "90s"
		if slices.Contains(names, "busy") { // which livepatch is not asked in
			limit, later = "1s", name(file)
		}
		if b.revert(t, name(file), limit) {
			later = ""
		}
	}
	count[fmt.Sprintf("%s, and %s", f.Outcome, is)]++
	t.Logf("%d: %s with %v: foretold %s, and %s", seed, file, names, f.Outcome, is)
	if !fulfilled(f.Outcome, is) {
		t.Errorf("%d: foretold %s, and %s: %s; %+v", seed, f.Outcome, is, said, f.Findings)
	}
}

// fulfilled reports whether what happened is what was foretold: a wait may end early, since tasks
// may leave by themselves.
func fulfilled(foretold, is foresee.Effect) bool {
	return foretold == is || foretold == foresee.Unknown || foretold == foresee.Waits && is == foresee.Note
}

// load loads a livepatch, says what came of it, and takes it away again.
func (b *bench) load(t *testing.T, path string, foretold foresee.Effect) (is foresee.Effect, why string) {
	t.Helper()
	is, why = b.try(t, path, foretold)
	if is == foresee.Note || is == foresee.Waits {
		b.revert(t, name(path), "90s")
	}
	return is, why
}

// try loads a livepatch, and says what came of it. One that does not get on is taken away again.
func (b *bench) try(t *testing.T, path string, foretold foresee.Effect) (is foresee.Effect, why string) {
	t.Helper()
	limit := map[foresee.Effect]string{foresee.Stalls: "18s"}[foretold] // livepatch's signals come after 15 s
	if limit == "" {
		limit = "60s"
	}
	var s said
	start := time.Now()
	status := b.livectl(t, &s, "load", "-limit", limit, path)
	took := time.Since(start)
	is = foresee.Note
	switch {
	case status == 2, status == 1:
		is = foresee.Refused
	case status == 3:
		is = foresee.Stalls
	case took > 12*time.Second:
		is = foresee.Waits
	}
	return is, fmt.Sprintf("%v, %s", took, s.Error)
}

// revert takes a livepatch away. That a thread runs all the time, or that there was no time to ask, is an error only
// where there was time enough for it.
func (b *bench) revert(t *testing.T, name, limit string) bool {
	t.Helper()
	var s said
	status := b.livectl(t, &s, "revert", "-limit", limit, name)
	gaveUp := strings.Contains(s.Error, string(running.CodeBusyThread)) || strings.Contains(s.Error, context.DeadlineExceeded.Error())
	if status != 0 && !(limit == "1s" && gaveUp) {
		t.Errorf("revert: %d, %s", status, s.Error)
	}
	return status == 0
}

// name is that of the livepatch in a file of the guest.
func name(path string) string { return strings.TrimSuffix(strings.TrimPrefix(path, "/"), ".ko") }
