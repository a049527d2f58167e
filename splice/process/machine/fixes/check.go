package fixes

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/gosplice/gosplice/internal/words"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/running/fixes"
	"github.com/gosplice/gosplice/splice/process"
	"github.com/gosplice/gosplice/splice/process/machine"
)

// A Source is an update that has fixes: those that it names (splice.Update.Fixes), or one of its own
// name when it names none.
type Source struct {
	Name   string // for people, such as the name of its file
	Update *splice.Update
}

func (s *Source) names() []string {
	if len(s.Update.Fixes) > 0 {
		return s.Update.Fixes
	}
	return []string{s.Update.Name}
}

// Check finds out which of the fixes of all sources the selected processes have. None is stopped. A
// fix that several sources have is fixed in a process when one of them proves it, and none
// proves the opposite.
func Check(ctx context.Context, opt machine.Options, sources ...Source) (*Report, error) {
	r := &Report{Schema: fixes.Schema}
	updates := make([]*splice.Update, len(sources))
	for i := range sources {
		s := &sources[i]
		if s.Update == nil {
			return nil, fmt.Errorf("fixes of %q: no update is given", s.Name)
		}
		updates[i] = s.Update
		for _, name := range s.names() {
			if !slices.ContainsFunc(r.Fixes, func(f fixes.Fix) bool { return f.Name == name }) {
				r.Fixes = append(r.Fixes, fixes.Fix{Name: name})
			}
		}
	}
	var mu sync.Mutex
	seen := make([]map[int]*process.Inspection, len(sources)) // by PID
	for i := range seen {
		seen[i] = map[int]*process.Inspection{}
	}
	found, err := machine.InspectAll(ctx, "check", updates, opt, func(i, pid int, x *process.Inspection) (machine.Outcome, string) {
		mu.Lock()
		defer mu.Unlock()
		seen[i][pid] = x
		return machine.Holds, ""
	})
	if err != nil {
		return nil, fmt.Errorf("fixes of processes: %w", err)
	}
	for i := range sources {
		r.source(&sources[i], found[i], seen[i])
	}
	slices.SortFunc(r.Processes, func(a, b Process) int { return cmp.Compare(a.PID, b.PID) })
	for i := range r.Fixes {
		r.sum(&r.Fixes[i], sources)
	}
	return r, nil
}

// source adds what one source says of all processes.
func (r *Report) source(s *Source, found *machine.Report, seen map[int]*process.Inspection) {
	r.Unseen = max(r.Unseen, found.Unseen)
	for i := range found.Processes {
		p := &found.Processes[i]
		if p.Outcome == machine.Gone || p.Outcome == machine.LeftOut || isElsewhere(p) {
			continue
		}
		v := verdict{state: fixes.Undecided, why: p.Why}
		if x := seen[p.PID]; x != nil && p.Outcome == machine.Holds {
			v = judge(s, x)
		}
		to := r.process(p)
		for _, name := range s.names() {
			to.take(name, s, v)
		}
	}
}

// isElsewhere reports whether a process that was asked for maps nothing of what an update is for:
// the refusal of one that lacks another library names that as its section.
func isElsewhere(p *machine.Process) bool {
	return slices.ContainsFunc(p.Refusals, func(x *splice.Refusal) bool { return x.Code == splice.CodeNoModule && x.Section == "" })
}

// process returns the entry of a process.
func (r *Report) process(p *machine.Process) *Process {
	for i := range r.Processes {
		if q := &r.Processes[i]; q.PID == p.PID && q.Command == p.Command {
			return q
		}
	}
	r.Processes = append(r.Processes, Process{PID: p.PID, Command: p.Command, Unit: p.Unit, Container: p.Container})
	return &r.Processes[len(r.Processes)-1]
}

// A verdict is what one source says of one process.
type verdict struct {
	state     fixes.State
	why       string
	functions []fixes.Function
}

// runs are the words of package fixes for what runs.
var runs = map[process.Runs]fixes.Runs{process.Old: fixes.Pre, process.New: fixes.Post, process.Other: fixes.Other}

// judge sums up what runs of the functions of an update.
func judge(s *Source, x *process.Inspection) verdict {
	var v verdict
	pre, post := 0, 0
	objects := objectsOf(s.Update)
	for i := range x.Functions {
		f := &x.Functions[i]
		out := fixes.Function{Name: f.Name, Object: objects[i], Module: f.Module, Runs: runs[f.Runs], Address: f.Address, Update: s.Name, Why: f.Why}
		switch f.Runs {
		case process.Old:
			pre++
			out.In = f.Module
		case process.New:
			post++
			out.In = s.Update.Name
		}
		v.functions = append(v.functions, out)
	}
	all := len(x.Functions)
	switch {
	case pre > 0:
		v.state, v.why = fixes.NotFixed, fmt.Sprintf("%d of %s without the fix", pre, words.Count(all, "function"))
	case post < all:
		v.state, v.why = fixes.Undecided, fmt.Sprintf("of %d of %s it can't be told", all-post, words.Count(all, "function"))
	default:
		v.state, v.why = fixes.Fixed, fmt.Sprintf("%s with the fix", words.Count(all, "function"))
	}
	return v
}

// objectsOf has the object of each function that an update replaces, in the order of inspections.
func objectsOf(u *splice.Update) (out []string) {
	for i := range u.Objects {
		for range u.Objects[i].Redirects {
			out = append(out, u.Objects[i].Name)
		}
	}
	return out
}

// disputed is why a fix is undecided of which two sources say the opposite.
const disputed = "its sources do not agree: one says fixed, and one not"

// take adds what one more source says of a fix.
func (p *Process) take(name string, s *Source, v verdict) {
	i := slices.IndexFunc(p.Fixes, func(f fixes.Fix) bool { return f.Name == name })
	if i < 0 {
		i = len(p.Fixes)
		p.Fixes = append(p.Fixes, fixes.Fix{Name: name})
	}
	f := &p.Fixes[i]
	f.Updates, f.Functions = append(f.Updates, s.Name), append(f.Functions, v.functions...)
	switch {
	case f.State == "", f.State == fixes.Undecided && v.state != fixes.Undecided && f.Why != disputed:
		f.State, f.Why = v.state, v.why
	case v.state != fixes.Undecided && f.State != v.state && f.State != fixes.Undecided:
		f.State, f.Why = fixes.Undecided, disputed
	}
}

// sum says of a fix what all processes together amount to.
func (r *Report) sum(f *fixes.Fix, sources []Source) {
	for i := range sources {
		if slices.Contains(sources[i].names(), f.Name) {
			f.Updates = append(f.Updates, sources[i].Name)
		}
	}
	states := map[fixes.State]int{}
	all := 0
	for i := range r.Processes {
		for k := range r.Processes[i].Fixes {
			if g := &r.Processes[i].Fixes[k]; g.Name == f.Name {
				states[g.State]++
				all++
			}
		}
	}
	switch {
	case states[fixes.NotFixed] > 0:
		f.State, f.Why = fixes.NotFixed, fmt.Sprintf("%d of %s without the fix", states[fixes.NotFixed], words.Count(all, "process"))
	case all == 0:
		f.State, f.Why = fixes.Undecided, "no process maps what it is for"
	case states[fixes.Undecided] > 0:
		f.State, f.Why = fixes.Undecided, fmt.Sprintf("of %d of %s it can't be told", states[fixes.Undecided], words.Count(all, "process"))
	default:
		f.State, f.Why = fixes.Fixed, fmt.Sprintf("%s with the fix", words.Count(all, "process"))
	}
}
