//go:build linux && amd64

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/splice/process/machine"
)

// A course is what is seen of a service in all cycles.
type course struct {
	*testing.T
	updates           []string
	processes, early  int // the most at once; of those that started meanwhile, those that began with the update
	applied, reverted pauses
	before            map[int]int // mappings of those processes that were there from the start
}

// cycle applies updates and takes them back, in reverse order, while users ask.
func (s *service) cycle(t *testing.T, updates []string, cycles int) {
	l := s.begin(t.Context())
	defer l.end()
	c := &course{T: t, updates: updates, before: map[int]int{}}
	r := report(t, "apply", updates[0], "-all", "-dry-run")
	for i := range r.Processes {
		c.before[r.Processes[i].PID] = 0
	}
	c.before = mappings(pids(c.before))
	done := 0
	for ; done < cycles && !t.Failed(); done++ {
		letGo()
		if s.comes {
			c.follow()
		} else {
			c.apply()
		}
		letGo()
		c.revert()
	}
	letGo()
	c.revert() // what was kept, and can go now
	l.end()
	left := 0
	for pid, n := range mappings(pids(c.before)) {
		left += n - c.before[pid]
	}
	t.Logf("%d processes at once, %d that began with it, %d cycles of %d updates: %d requests, %d lost, %d wrong (%v), longest %.0f ms; apply %v; revert %v; mappings left %d",
		c.processes, c.early, done, len(updates), l.asked.Load(), l.lost.Load(), l.wrong.Load(), l.bad, ms(time.Duration(l.longest.Load())), c.applied, c.reverted, left)
	if l.lost.Load()+l.wrong.Load() > 0 || left > 0 {
		t.Error("requests were lost or answered wrongly, or mappings are left")
	}
}

// apply applies the updates to all processes, and has their memory compared with them.
func (c *course) apply() {
	c.Helper()
	for _, u := range c.updates {
		r := report(c.T, "apply", u, "-all")
		c.applied.add(r)
		c.processes = max(c.processes, r.Count(machine.Applied)+r.Count(machine.Already))
		report(c.T, "verify", u, "-all")
		c.fixes(u, exitDone)
	}
}

// fixes asks which processes have the fix.
func (c *course) fixes(u string, want int) {
	c.Helper()
	var r struct {
		Fixes []struct{ State string }
	}
	_, out, errs := tool().Try(c.Context(), run, "fixes", u, "-all", "-json")
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Fixes) == 0 {
		c.Errorf("fixes: %v: %s%s", err, out, errs)
	}
	for _, f := range r.Fixes {
		if is := f.State == "fixed"; is != (want == exitDone) {
			c.Errorf("fixes %s: %s", u, f.State)
		}
	}
}

// follow follows the updates for some seconds, with processes that start meanwhile.
func (c *course) follow() {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), 4*time.Second)
	defer cancel()
	code, out, errs := tool().Try(ctx, run, slices.Concat([]string{"follow", "-all", "-json"}, c.updates)...)
	if code != exitDone {
		c.Fatalf("hotpatch follow: exit %d: %s", code, errs)
	}
	n := 0
	for line := range strings.Lines(out) {
		var f machine.Followed
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			c.Fatalf("%v: %s", err, line)
		}
		switch f.Process.Outcome {
		case machine.Applied, machine.Already:
			n++
			if f.Early {
				c.early++
			}
			c.applied.add(&machine.Report{Processes: []machine.Process{f.Process}})
		case machine.Gone, machine.OtherCopy:
		default:
			c.Errorf("follow: %s", line)
		}
	}
	c.processes = max(c.processes, n)
}

// revert takes the updates back.
func (c *course) revert() {
	c.Helper()
	for _, u := range slices.Backward(c.updates) {
		r := report(c.T, "revert", u, "-all")
		c.reverted.add(r)
		for i := range r.Processes {
			for _, x := range r.Processes[i].Updates {
				if x.Kept != "" {
					c.Logf("%d %s: memory stays: %s", r.Processes[i].PID, r.Processes[i].Command, x.Kept)
				}
			}
		}
	}
}

func pids(m map[int]int) []int {
	var out []int
	for pid := range m {
		out = append(out, pid)
	}
	return out
}

// letGo lets the load go on for a while.
func letGo() { time.Sleep(700 * time.Millisecond) }

// report runs a command of the tool, which has to end well for all processes that can be seen.
func report(t *testing.T, args ...string) *machine.Report {
	t.Helper()
	code, out, errs := tool().Try(t.Context(), run, append(args, "-json")...)
	var r machine.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("hotpatch %q: exit %d: %v\n%s%s", args, code, err, errs, out)
	}
	seen := r
	seen.Unseen, seen.Settled = 0, true // where processes come all the time, it need not
	if !seen.Fine() {
		t.Errorf("hotpatch %q: exit %d: %s, settled: %v", args, code, errs, r.Settled)
		seen.Lines(t.Output())
	}
	return &r
}

// mappings counts the lines of maps of each process that still lives.
func mappings(pids []int) map[int]int {
	out := map[int]int{}
	for _, pid := range pids {
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid)); err == nil && len(text) > 0 {
			out[pid] = executable(string(text))
		}
	}
	return out
}

// executable counts the mappings that are no file's and may be executed, as updates are, and those that nobody may access.
func executable(maps string) int {
	n := 0
	for line := range strings.Lines(maps) {
		if f := strings.Fields(line); len(f) == 5 && strings.Contains(f[1], "x") {
			n++
		}
	}
	return n
}

// pauses are how long processes stood still.
type pauses []time.Duration

func (p *pauses) add(r *machine.Report) {
	for i := range r.Processes {
		for _, u := range r.Processes[i].Updates {
			*p = append(*p, u.Pause)
		}
	}
}

func (p pauses) String() string {
	if len(p) == 0 {
		return "none"
	}
	s := slices.Sorted(slices.Values(p))
	return fmt.Sprintf("%.1f ms, %.1f", ms(s[len(s)/2]), ms(s[len(s)-1]))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
