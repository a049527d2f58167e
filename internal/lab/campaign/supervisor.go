package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// supervisor runs one worker, and starts it again behind an input that ended it.
type supervisor struct {
	opt    *options
	worker int
	total  *totals
}

func (s *supervisor) run() error {
	for next := s.opt.from + uint64(s.worker); next < s.opt.from+s.opt.n; {
		reached, err := s.once(next)
		if err != nil {
			return err
		}
		next = reached
	}
	return nil
}

// once runs the worker from an input on, and returns the one to go on with.
func (s *supervisor) once(next uint64) (uint64, error) {
	cmd, err := self(s.opt, fmt.Sprint("-worker=", s.worker), fmt.Sprint("-from=", next))
	if err != nil {
		return 0, err
	}
	cmd.Args = append(cmd.Args, fmt.Sprint("-n=", s.opt.from+s.opt.n-next)) // the last one counts
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	log, err := os.OpenFile(fmt.Sprintf("%s/worker%d.log", s.opt.save, s.worker), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	late := false
	timer := time.AfterFunc(s.opt.limit, func() { late = true; cmd.Process.Kill() })
	step := uint64(s.opt.workers)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		timer.Reset(s.opt.limit)
		s.total.add(lines.Text())
		next += step
	}
	timer.Stop()
	if err := cmd.Wait(); err == nil {
		return s.opt.from + s.opt.n, nil
	}
	what := "CRASH"
	if late {
		what = "HANG"
	}
	kind, in := inputOf(s.opt, next)
	s.total.add(fmt.Sprint(kind.name, "\t", what, " ", saved(s.opt, kind, next, in)))
	return next + step, nil
}

// totals counts the outcomes by kind.
type totals struct {
	sync.Mutex
	counts map[string]map[string]int
	failed []string
	done   int
	start  time.Time
}

func newTotals() *totals { return &totals{counts: map[string]map[string]int{}, start: time.Now()} }

// progressStep is after how many inputs a line about the progress is written.
const progressStep = 50_000

// add takes a line of a worker: the kind, a tab, and the outcome. Failures begin
// with a capital letter.
func (t *totals) add(line string) {
	t.Lock()
	defer t.Unlock()
	kind, outcome, _ := strings.Cut(line, "\t")
	if isFailure(outcome) {
		t.failed = append(t.failed, line)
		fmt.Fprintln(os.Stderr, line)
		outcome, _, _ = strings.Cut(outcome, " ")
	}
	if t.counts[kind] == nil {
		t.counts[kind] = map[string]int{}
	}
	t.counts[kind][outcome]++
	if t.done++; t.done%progressStep == 0 {
		fmt.Fprintf(os.Stderr, "%d inputs, %d failures, %v\n", t.done, len(t.failed), time.Since(t.start).Round(time.Second))
	}
}

func isFailure(outcome string) bool {
	return outcome != "" && outcome[0] >= 'A' && outcome[0] <= 'Z'
}

func (t *totals) failures() int { return len(t.failed) }

func (t *totals) print(w io.Writer, opt *options, took time.Duration) {
	fmt.Fprintf(w, "seed %d, inputs %d to %d: %d in %v, %d failures\n", opt.seed, opt.from, opt.from+opt.n-1, t.done, took.Round(time.Second), len(t.failed))
	for _, kind := range slices.Sorted(maps.Keys(t.counts)) {
		n := 0
		var parts []string
		for _, o := range slices.Sorted(maps.Keys(t.counts[kind])) {
			parts = append(parts, fmt.Sprintf("%s %d", o, t.counts[kind][o]))
			n += t.counts[kind][o]
		}
		fmt.Fprintf(w, "%-8s %8d: %s\n", kind, n, strings.Join(parts, ", "))
	}
}
