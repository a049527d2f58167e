package fixes

import (
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice/module/internal/sides"
)

// TestJudge sums up functions: each row has what runs of an update's objects, of which some
// belong to one fix and some to two.
func TestJudge(t *testing.T) {
	for _, c := range []struct {
		own, shared, added []Runs
		data               bool
		want               State
		why                string
	}{
		{own: []Runs{Post}, want: Fixed, why: "1 function with"},
		{own: []Runs{Post, Post}, shared: []Runs{Post}, added: []Runs{Post}, want: Fixed, why: "3 functions"},
		{own: []Runs{Pre}, want: NotFixed, why: "1 of 1 function"},
		{own: []Runs{Pre, Other, Post}, want: NotFixed, why: "1 of 3"},
		{own: []Runs{Post, Other}, want: Undecided, why: "of 1 of 2 functions"},
		{own: []Runs{Either}, want: Undecided, why: "can't be told"},
		{own: []Runs{Absent}, want: Undecided, why: "can't be told"},
		{shared: []Runs{Pre, Pre}, want: NotFixed, why: "2 of 2 functions without"},
		{shared: []Runs{Pre, Post}, want: Undecided, why: "in objects that other fixes change too"},
		{own: []Runs{Post}, shared: []Runs{Pre}, want: Undecided, why: "other fixes"},
		{own: []Runs{Pre}, shared: []Runs{Post}, want: NotFixed, why: "1 of 2"},
		{own: []Runs{Post}, added: []Runs{Other}, want: Undecided, why: "1 new"},
		{own: []Runs{Pre}, added: []Runs{Other}, want: NotFixed, why: "1 of 1"},
		{added: []Runs{Post}, want: Undecided, why: "nothing of it"},
		{want: Undecided, why: "nothing of it"},
		{own: []Runs{Post}, data: true, want: Undecided, why: "data"},
		{own: []Runs{Pre}, data: true, want: NotFixed, why: "1 of 1"},
	} {
		s := &Source{Fixes: []string{"A", "B"}}
		var found [][]Function
		add := func(fixes []string, list []Runs, fresh bool) {
			o := side{Object: sides.Object{Fixes: fixes}}
			if c.data {
				o.Other = []string{"limits"}
			}
			var fs []Function
			for _, r := range list {
				fs = append(fs, Function{Runs: r, New: fresh})
			}
			s.objects, found = append(s.objects, o), append(found, fs)
		}
		add([]string{"A"}, c.own, false)
		add(nil, c.shared, false)
		add([]string{"A"}, c.added, true)
		add([]string{"B"}, []Runs{Other}, false)
		if v := judge(s, found, "A"); v.state != c.want || !strings.Contains(v.why, c.why) {
			t.Errorf("%+v: %s, %q", c, v.state, v.why)
		}
	}
}

// TestAdded has a new function in one of the modules that functions are redirected to.
func TestAdded(t *testing.T) {
	m := &matching{side: &side{post: &object.Object{Atoms: []object.Atom{{Owner: object.NoAtom}}}}, away: map[string]*reloc.Result{}}
	for _, module := range []string{"a", "b", "c"} {
		r := &reloc.Result{Functions: []reloc.FuncResult{{Name: "helper"}}}
		if module == "b" {
			r.Functions[0].Verdict = reloc.Matched
		}
		m.away[module] = r
	}
	for range 20 { // whatever the order of maps is
		list := []Function{{Name: "helper", New: true, Runs: Other}}
		m.added(list)
		if f := list[0]; f.Runs != Post || f.In != "b" || f.Why != "" {
			t.Fatalf("%+v", f)
		}
	}
}

// TestByCallers has functions that take effect by their callers: those that all run with the change,
// and call it where they are.
func TestByCallers(t *testing.T) {
	there := func(names ...string) *reloc.Result {
		r := &reloc.Result{}
		for _, n := range names {
			r.Functions = append(r.Functions, reloc.FuncResult{Name: n, Verdict: reloc.Matched})
		}
		return r
	}
	for _, c := range []struct {
		name   string
		caller Function // of body
		other  Function // of body too
		away   map[string]*reloc.Result
		want   [2]Runs // of body, and of inner, which body calls
	}{
		{"live", Function{Runs: Post, In: "a"}, Function{Runs: Post, In: "a"}, map[string]*reloc.Result{"a": there("body", "inner")}, [2]Runs{Post, Post}},
		{"live in two", Function{Runs: Post, In: "a"}, Function{Runs: Post, In: "b"}, map[string]*reloc.Result{"a": there("body", "inner"), "b": there("body", "inner")}, [2]Runs{Post, Post}},
		{"one caller without", Function{Runs: Post, In: "a"}, Function{Runs: Pre, In: "vmlinux"}, map[string]*reloc.Result{"a": there("body", "inner")}, [2]Runs{Pre, Pre}},
		{"another caller", Function{Runs: Post, In: "a"}, Function{Runs: Other, In: "b"}, map[string]*reloc.Result{"a": there("body", "inner"), "b": there()}, [2]Runs{Pre, Pre}},
		{"not there", Function{Runs: Post, In: "a"}, Function{Runs: Post, In: "b"}, map[string]*reloc.Result{"a": there("body", "inner"), "b": there()}, [2]Runs{Pre, Pre}},
		{"not loaded", Function{Runs: Pre, In: "vmlinux"}, Function{Runs: Pre, In: "vmlinux"}, nil, [2]Runs{Pre, Pre}},
		{"built with it", Function{Runs: Post, In: "vmlinux"}, Function{Runs: Post, In: "vmlinux"}, nil, [2]Runs{Pre, Pre}},
	} {
		c.caller.Name, c.other.Name = "caller", "other"
		list := []Function{{Name: "inner", Runs: Pre, In: "vmlinux"}, {Name: "body", Runs: Pre, In: "vmlinux"}, c.caller, c.other}
		o := &side{post: &object.Object{Atoms: []object.Atom{{Owner: object.NoAtom}}}}
		o.Pairs = []sides.Pair{{Pre: "inner", Post: "inner", By: []string{"body"}}, {Pre: "body", Post: "body", By: []string{"caller", "other"}}, {Pre: "caller", Post: "caller"}, {Pre: "other", Post: "other"}}
		m := &matching{side: o, away: c.away}
		m.byCallers(list)
		if got := [2]Runs{list[1].Runs, list[0].Runs}; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestSources has several sources say something of one fix.
func TestSources(t *testing.T) {
	for _, c := range []struct {
		says []State
		want State
	}{
		{[]State{Fixed, Undecided}, Fixed},
		{[]State{Undecided, Fixed, Undecided}, Fixed},
		{[]State{Undecided, NotFixed}, NotFixed},
		{[]State{Fixed, Fixed}, Fixed},
		{[]State{Fixed, NotFixed}, Undecided},
		{[]State{NotFixed, Fixed, Fixed, NotFixed}, Undecided},
		{[]State{Undecided, Undecided}, Undecided},
	} {
		var f Fix
		for _, s := range c.says {
			f.take(&Source{}, verdict{state: s, why: string(s)})
		}
		if f.State != c.want {
			t.Errorf("%v: %s (%s), want %s", c.says, f.State, f.Why, c.want)
		}
	}
}
