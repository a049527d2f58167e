package fixes

import (
	"strings"
	"testing"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/running/fixes"
	"github.com/gosplice/gosplice/splice/process"
)

// TestJudge sums up functions, then processes.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		processes string // what runs of the functions of each: o old, n new, x other
		state     fixes.State
		why, each string
	}{
		{"n", fixes.Fixed, "1 process", "1 function with"},
		{"nn nn", fixes.Fixed, "2 processes", "2 functions with"},
		{"o", fixes.NotFixed, "1 of 1 process ", "1 of 1 function without"},
		{"nn oo nn", fixes.NotFixed, "1 of 3 processes", "2 of 2 functions without"},
		{"xo", fixes.NotFixed, "1 of 1 process", "1 of 2 functions without"},
		{"nn xx", fixes.Undecided, "of 1 of 2 processes", "of 2 of 2 functions"},
		{"x", fixes.Undecided, "of 1 of 1 process ", "of 1 of 1 function "},
		{"", fixes.Undecided, "no process", ""},
	} {
		r := &Report{Fixes: []fixes.Fix{{Name: "CVE-1"}}}
		var last verdict
		all := []Source{}
		for pid, list := range strings.Fields(c.processes) {
			s := Source{Name: "fix.json", Update: &splice.Update{Name: "fix", Fixes: []string{"CVE-1"}, Objects: []splice.Object{{Redirects: make([]splice.Redirect, len(list))}}}}
			all = append(all[:0], s)
			x := &process.Inspection{}
			for _, f := range list {
				x.Functions = append(x.Functions, process.Function{Runs: map[rune]process.Runs{'o': process.Old, 'n': process.New, 'x': process.Other}[f]})
			}
			v := judge(&s, x)
			if c.state == v.state || last.why == "" {
				last = v
			}
			r.Processes = append(r.Processes, Process{PID: pid})
			r.Processes[pid].take("CVE-1", &s, v)
		}
		r.sum(&r.Fixes[0], all)
		if f := r.Fixes[0]; f.State != c.state || !strings.Contains(f.Why+" ", c.why) || !strings.Contains(last.why+" ", c.each) {
			t.Errorf("%q: %s, %q, %q", c.processes, f.State, f.Why, last.why)
		}
		var b strings.Builder
		if err := r.Text(&b); err != nil || !strings.HasPrefix(b.String(), string(c.state)) {
			t.Errorf("%v\n%s", err, b.String())
		}
	}
}

// TestSources has several sources say something of one fix.
func TestSources(t *testing.T) {
	for _, c := range []struct {
		says []fixes.State
		want fixes.State
	}{
		{[]fixes.State{fixes.Fixed, fixes.Undecided}, fixes.Fixed},
		{[]fixes.State{fixes.Undecided, fixes.NotFixed}, fixes.NotFixed},
		{[]fixes.State{fixes.Fixed, fixes.NotFixed, fixes.Fixed}, fixes.Undecided},
	} {
		var p Process
		for _, s := range c.says {
			p.take("CVE-1", &Source{}, verdict{state: s, why: string(s)})
		}
		if got := p.Fixes[0].State; got != c.want || len(p.Fixes) != 1 {
			t.Errorf("%v: %s", c.says, got)
		}
	}
}

// TestNames gives an update that names no fixes one of its own name.
func TestNames(t *testing.T) {
	s := Source{Update: &splice.Update{Name: "fix"}}
	if got := s.names(); len(got) != 1 || got[0] != "fix" {
		t.Errorf("%q", got)
	}
}
