package reloc

import (
	"context"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// TestTrialOrder checks that what a trial finds out does not depend on the trials
// before it, nor on whether others are made in the middle of it: the functions of
// all objects are compared in one order, and in reverse behind all that was
// compared on the way.
func TestTrialOrder(t *testing.T) {
	dir, path, _ := longRun(t, "compares objects with a vmlinux")
	img := mustOpenKernel(t, path)
	trials := 0
	for _, path := range objectsIn(t, dir) {
		m, err := newSolver(context.Background(), mustOpen(t, path), img, Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := m.run()
		if err != nil {
			t.Fatal(err)
		}
		var funcs []prove.Node
		for i := range r.Functions {
			if f := &r.Functions[i]; f.Verdict == Matched {
				funcs = append(funcs, prove.Node{Atom: f.Atom, Addr: f.Address})
			}
		}
		first := m.tryAll(funcs)
		for _, t := range m.tried.byAtom {
			for ; t != nil; t = t.next {
				if first[t.Node] == nil {
					funcs = append(funcs, t.Node)
					first[t.Node] = t
				}
			}
		}
		slices.Reverse(funcs)
		for n, want := range m.tryAll(funcs) {
			trials++
			if got := first[n]; (got.err == nil) != (want.err == nil) || !slices.Equal(got.Binds, want.Binds) || !slices.Equal(got.Consts, want.Consts) {
				t.Errorf("%s: %s at %#x: %v in order, and %v in reverse", path, m.c.Label(n.Atom), n.Addr, got.Binds, want.Binds)
			}
		}
	}
	t.Logf("%d trials", trials)
}

// tryAll compares functions as if nothing had been compared before.
func (m *solver) tryAll(list []prove.Node) map[prove.Node]*attempt {
	fresh := newAttempts(prove.New(m.c.Pre, m.c.Image, false, m.c.Only), len(list))
	out := make(map[prove.Node]*attempt, len(list))
	for _, n := range list {
		out[n] = fresh.try(n.Atom, n.Addr)
	}
	return out
}
