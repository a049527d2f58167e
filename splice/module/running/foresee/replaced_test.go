package foresee_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

const clock = tracing + "trace_clock"

// clockAs has a file of tracefs show which clock is in use by another bracket, by a function that
// is not traced.
func clockAs(bracket string) change {
	return change{file: "kernel/trace/trace.c", edits: []string{
		`			i == tr->clock_id ? "[" : "", trace_clocks[i].name,`, `			i == tr->clock_id ? "` + bracket + `" : "", trace_clocks[i].name,`,
	}}
}

func cmdlineAs(text string) change {
	return change{file: "fs/proc/cmdline.c", edits: []string{"seq_putc(m, '\\n');", `seq_puts(m, " ` + text + `\n");`}}
}

// A livepatch is a name, and how it is made.
type livepatch struct {
	name string
	make func(t *testing.T, b *bench, name string) []byte
}

// replacements are livepatches that take each other's place, and what shows that one of them is
// in effect. Those that do not do so by themselves have the one before disabled.
var replacements = []struct {
	name  string
	list  []livepatch
	marks []string
}{
	{"ours", []livepatch{{"one", cumulative(cmdlineAs("fixed one"))}, {"two", cumulative(cmdlineAs("fixed two"))}}, []string{"/proc/cmdline", "fixed"}},
	{"with jumps", []livepatch{
		{"one", cumulative(cmdlineAs("fixed one"), clockAs("<"))}, {"two", cumulative(cmdlineAs("fixed two"), clockAs("{"))},
	}, []string{"/proc/cmdline", "fixed", clock, "-["}},
	{"ours and others'", []livepatch{
		{"one", cumulative(cmdlineAs("fixed one"))}, {"two", others("")}, {"three", others(".replace = true")}, {"four", stacked(cmdlineAs("fixed four"))}, {"five", others(".replace = true")},
	}, []string{"/proc/cmdline", "fixed"}},
}

func cumulative(changes ...change) func(*testing.T, *bench, string) []byte {
	return func(t *testing.T, b *bench, name string) []byte {
		return b.made(t, module.Options{Name: name, Replace: true}, changes...)
	}
}

func stacked(changes ...change) func(*testing.T, *bench, string) []byte {
	return func(t *testing.T, b *bench, name string) []byte {
		return b.made(t, module.Options{Name: name}, changes...)
	}
}

// others makes one as others do.
func others(more string) func(*testing.T, *bench, string) []byte {
	return func(t *testing.T, b *bench, name string) []byte {
		return b.plain(t, name, strings.Replace(replacing(more, "cmdline_proc_show"), `"plain`, `"fixed by others`, 1))
	}
}

// TestReplaced has livepatches take each other's place while programs call the functions, and
// processes begin and end: no call runs unfixed code, and nothing stays behind. "cycles=N" says how
// often, 10 times else.
func TestReplaced(t *testing.T) {
	hours(t)
	b := newBench(t, "6.1", vm.Policy{Taint: "OEK"})
	for _, r := range replacements {
		t.Run(r.name, func(t *testing.T) { b.replaced(t, testenv.Number(t, testenv.Cycles, 10), r.list, r.marks) })
	}
}

// replaced has livepatches take each other's place n times.
func (b *bench) replaced(t *testing.T, n int, list []livepatch, marks []string) {
	t.Helper()
	var files []string
	for _, p := range list {
		files = append(files, b.put(t, "/"+p.name+".ko", p.make(t, b, p.name)))
	}
	b.cycle(t, "replace", min(n, 2*len(files)), files...) // caches are warm
	stop := b.call(t, marks...)
	before, start := b.usage(t), time.Now()
	for done := 0; done < n; done += chunk {
		b.cycle(t, "replace", min(chunk, n-done), files...)
		t.Logf("%d replacements in %v", min(done+chunk, n), time.Since(start))
	}
	b.grown(t, n, before)
	c := stop()
	t.Logf("%d replacements: %d calls, %d processes, %d unfixed", n, c.Calls, c.Processes, c.Unfixed)
	if c.Unfixed > 0 || c.Calls == 0 || c.Processes == 0 {
		t.Errorf("a call ran unfixed code, or nothing did: %+v", c)
	}
	var s said
	if status := b.livectl(t, &s, "revert"); status != 0 {
		t.Errorf("revert: %d, %s", status, s.Error)
	}
}
