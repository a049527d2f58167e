package module_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// pauseRow is what an update was seen to do to a kernel with so many tasks. Times are of the
// guest's clock, which counts instructions, one for each nanosecond.
type pauseRow struct {
	method     string
	functions  int
	tasks      int
	transition time.Duration // from the beginning to the end, with what livepatch waits for in between
	away       time.Duration // most that a processor was kept from all else: a look at all tasks, or the stop for jumps
}

// nops makes a change of all functions of a file with an if: an instruction that does nothing.
func nops(file, behind string) []source {
	list := change(file, behind, behind+"\n#define if(...) if (({ asm volatile(\"nop\"); (__VA_ARGS__); }))\n")
	list[0].accept = []elfdiff.Acceptance{{Code: elfdiff.CodeStartState}} // code for the start has some too
	return list
}

// pauseUpdates are updates of one, some and many functions, by ftrace and by jumps.
func pauseUpdates() map[string][]source {
	const own = `#include "internal.h"`
	many := nops("fs/namespace.c", own)
	for _, x := range [][2]string{
		{"fs/inode.c", own}, {"fs/super.c", own}, {"fs/libfs.c", own}, {"fs/xattr.c", own}, {"fs/seq_file.c", "#include <asm/page.h>"},
		{"fs/dcache.c", "#include <asm/word-at-a-time.h>"}, {"fs/attr.c", own}, {"fs/stat.c", `#include "mount.h"`},
	} {
		many = append(many, nops(x[0], x[1])...)
	}
	return map[string][]source{"pause_1": greeting, "pause_40": append(nops("fs/xattr.c", own), nops("fs/stat.c", `#include "mount.h"`)...), "pause_400": many, "pause_jump": clocks}
}

// TestPause measures how long a transition takes, and how long a processor is away, by the number of tasks
// and of functions, and writes a table and a plot. It takes half an hour:
//
//	GOSPLICE_TEST=kernel,long go test -v -timeout 1h -run 'TestPause$' ./splice/module
//
// The folder for both is the one of the environment variable PAUSE_OUT; without it they are shown only.
func TestPause(t *testing.T) {
	testenv.NeedKernels(t)
	if !testenv.Asked(testenv.Long) {
		t.Skip("takes half an hour; set GOSPLICE_TEST=kernel,long")
	}
	b := newBench(t, "6.1")
	m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, CPUs: 1, Memory: 4096, Instructions: true, Patience: time.Hour, Log: vm.Policy{Taint: "OEK"}})
	exe, err := vmtest.BuildProgram(t.Context(), "github.com/gosplice/gosplice/splice/module/testdata/crowd")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Put(t.Context(), "/bin/crowd", exe, 0o755); err != nil {
		t.Fatal(err)
	}
	updates := map[string]*module.Module{}
	for name, sources := range pauseUpdates() {
		accept := []elfdiff.Acceptance{{Code: elfdiff.CodeSleepingStack}, {Code: elfdiff.CodeThreadLoop}, {Code: elfdiff.CodeTailCalled}}
		updates[name] = b.build(t, module.Options{Name: name, Accept: accept}, sources...)
		t.Logf("%s: %v", name, methods(updates[name]))
	}
	for path, text := range map[string]string{
		"/proc/sys/kernel/threads-max": "40000", "/proc/sys/kernel/pid_max": "65536", "/proc/sys/vm/max_map_count": "1000000", clock: "x86-tsc",
	} {
		if err := m.WriteFile(t.Context(), path, []byte(text)); err != nil {
			t.Fatal(path, err)
		}
	}
	var rows []pauseRow
	for _, tasks := range []int{100, 1000, 16000} { // each row is shown when it is there
		end := crowd(t, m, tasks)
		for _, name := range []string{"pause_1", "pause_40", "pause_400", "pause_jump"} {
			r := pause(t, m, updates[name])
			r.tasks = tasks
			t.Logf("%+v", r)
			rows = append(rows, r)
		}
		end()
	}
	writePauses(t, rows)
}

// crowd has threads sleep, and returns when all do.
func crowd(t *testing.T, m *vm.Machine, n int) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = m.Run(ctx, vm.Command{Path: "/bin/crowd", Args: []string{strconv.Itoa(n)}}) })
	for deadline := time.Now().Add(15 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		said, err := m.ReadFile(t.Context(), "/proc/loadavg")
		if err != nil {
			t.Fatal(err)
		}
		f := strings.Fields(string(said))
		_, all, _ := strings.Cut(f[3], "/")
		if k, _ := strconv.Atoi(all); k >= n {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not so many threads: %s", said)
		}
	}
	return func() { cancel(); wg.Wait() }
}

// pause loads an update, and takes it back, while the tracer notes when the kernel looks at all tasks, or stops.
func pause(t *testing.T, m *vm.Machine, mod *module.Module) pauseRow {
	t.Helper()
	ctx := t.Context()
	row := pauseRow{method: module.MethodFtrace, functions: len(mod.Functions)}
	filter := "klp_start_transition\nklp_try_complete_transition\n"
	tracer := "function_graph"
	if methods(mod)[module.MethodJump] > 0 {
		row.method, filter, tracer = module.MethodJump, "multi_cpu_stop\ncomplete\n", "function"
	}
	write := func(name, text string) {
		if err := m.WriteFile(ctx, tracing+name, []byte(text)); err != nil {
			t.Fatal(name, err)
		}
	}
	write("set_ftrace_filter", filter)
	if tracer == "function_graph" {
		write("options/funcgraph-abstime", "1")
		write("max_graph_depth", "1")
	}
	write("current_tracer", tracer)
	apply(t, m, mod)
	text, err := m.ReadFile(ctx, tracing+"trace")
	if err != nil {
		t.Fatal(err)
	}
	write("current_tracer", "nop")
	if err := unload(ctx, m, mod); err != nil {
		t.Fatal(err)
	}
	row.transition, row.away = read(t, tracer, string(text))
	return row
}

// read takes times out of a trace: ticks of the clock are nanoseconds.
func read(t *testing.T, tracer, text string) (transition, away time.Duration) {
	t.Helper()
	var first, last, open time.Duration
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		at, took, name, ok := entry(tracer, line)
		if !ok {
			continue
		}
		if first == 0 {
			first = at
		}
		last = max(last, at+took)
		switch {
		case tracer == "function_graph" && name == "klp_try_complete_transition":
			away = max(away, took)
		case name == "multi_cpu_stop":
			open = at
		case name == "complete" && open != 0:
			away, open = max(away, at-open), 0
		}
	}
	if away == 0 {
		t.Fatalf("the trace has no time:\n%.4000s", text)
	}
	return last - first, away
}

// entry reads a line of a trace.
func entry(tracer, line string) (at, took time.Duration, name string, ok bool) {
	if tracer == "function" { // TASK-PID [CPU] FLAGS TICKS: FUNCTION <-CALLER
		f := strings.Fields(line)
		i := slices.IndexFunc(f, func(s string) bool { return strings.HasSuffix(s, ":") })
		if i < 0 || i+1 >= len(f) {
			return 0, 0, "", false
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(f[i], ":"), 10, 64)
		return time.Duration(n), 0, f[i+1], err == nil
	}
	// SECONDS | CPU) DURATION us | FUNCTION();
	parts := strings.Split(line, "|")
	if len(parts) < 3 {
		return 0, 0, "", false
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(parts[0]), 64)
	if err != nil {
		return 0, 0, "", false
	}
	at = time.Duration(n * 1e9)
	_, d, _ := strings.Cut(parts[1], ")")
	for _, w := range strings.Fields(d) {
		if us, err := strconv.ParseFloat(w, 64); err == nil {
			took = time.Duration(us * 1e3)
		}
	}
	name, _, _ = strings.Cut(strings.TrimSpace(parts[2]), "(")
	return at, took, strings.Trim(name, " ;}/*"), true
}

// beyond says which of the times that are aimed at a row is beyond. How long livepatch looks at all tasks is the
// kernel's own affair: for each function on each stack it goes through all functions that are replaced.
func (r *pauseRow) beyond() string {
	var out []string
	if r.transition > 10*time.Second {
		out = append(out, "transition over 10 s")
	}
	if r.away > 50*time.Millisecond {
		out = append(out, "away for more than 50 ms")
	}
	if r.method == module.MethodJump && r.tasks <= 1000 && r.away > 100*time.Microsecond {
		out = append(out, "stop over 100 µs")
	}
	return strings.Join(out, ", ")
}

// writePauses writes the table and the plot.
func writePauses(t *testing.T, rows []pauseRow) {
	t.Helper()
	var table strings.Builder
	fmt.Fprintf(&table, "| method | functions | tasks | transition | processor away | beyond what is aimed at |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&table, "| %s | %d | %d | %v | %v | %s |\n", r.method, r.functions, r.tasks, r.transition.Round(time.Microsecond), r.away.Round(100*time.Nanosecond), r.beyond())
	}
	t.Logf("one instruction a nanosecond:\n%s", &table)
	dir := os.Getenv("PAUSE_OUT")
	if dir == "" {
		return
	}
	for name, text := range map[string]string{"pause.md": table.String(), "pause.svg": pausePlot(rows)} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Error(err)
		}
	}
}
