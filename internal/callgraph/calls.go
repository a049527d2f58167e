package callgraph

import (
	"slices"

	"github.com/gosplice/gosplice/internal/amd64"
)

// findOwners gives each cold part the function that jumps to it first.
func (g *Graph) findOwners() {
	g.owner, g.parts = make([]int32, len(g.funcs)), map[int32][]int32{}
	for i := range g.owner {
		g.owner[i] = int32(i)
	}
	for i := range g.branches {
		b := &g.branches[i]
		if b.class == amd64.Call || b.to == 0 || isCold(g.funcs[b.fn].Name) {
			continue
		}
		if t, ok := g.At(b.to); ok && g.owner[t] == int32(t) && isCold(g.funcs[t].Name) {
			g.owner[t] = b.fn
			g.parts[b.fn] = append(g.parts[b.fn], int32(t))
		}
	}
}

// callee returns the function that a branch leads to: the beginning of another one.
func (g *Graph) callee(b *branch) (int, bool) {
	if b.to == 0 {
		return 0, false
	}
	t, ok := g.starts(b.to)
	if !ok || b.class != amd64.Call && g.owner[t] == g.owner[b.fn] {
		return 0, false
	}
	return t, true
}

// findCallers lists who calls whom, by callee: counted first, so that nothing is
// sorted.
func (g *Graph) findCallers() {
	g.calledAt = make([]int32, len(g.funcs)+1)
	g.eachCall(func(callee int, _ int32) { g.calledAt[callee+1]++ })
	for i := range g.funcs {
		g.calledAt[i+1] += g.calledAt[i]
	}
	g.callers = make([]int32, g.calledAt[len(g.funcs)])
	next := slices.Clone(g.calledAt)
	g.eachCall(func(callee int, caller int32) {
		g.callers[next[callee]] = caller
		next[callee]++
	})
}

func (g *Graph) eachCall(fn func(callee int, caller int32)) {
	for i := range g.branches {
		if t, ok := g.callee(&g.branches[i]); ok {
			fn(t, g.owner[g.branches[i].fn])
		}
	}
}

// Callers returns the functions that call one, or jump to its beginning: once for each
// place where they do.
func (g *Graph) Callers(fn int) []int32 { return g.callers[g.calledAt[fn]:g.calledAt[fn+1]] }

// Reaching returns the set of functions that lead to one of some by calls and jumps,
// with these. What a function for which stop is true calls does not count.
func (g *Graph) Reaching(to []int, stop func(fn int) bool) []bool {
	in, list := make([]bool, len(g.funcs)), slices.Clone(to)
	for _, t := range list {
		in[t] = true
	}
	for len(list) > 0 {
		t := list[len(list)-1]
		list = list[:len(list)-1]
		for _, e := range g.Callers(t) {
			if c := int(e); !in[c] && !stop(c) {
				in[c] = true
				list = append(list, c)
			}
		}
	}
	return in
}

// A Reached is the set of functions that some lead to.
type Reached struct {
	by []int32 // who led to each first: itself for roots, -1 where none did
}

// Reach returns what some functions lead to by calls and jumps, by the shortest ways.
// What a function for which stop is true calls is not looked at.
func (g *Graph) Reach(from []int, stop func(fn int) bool) *Reached {
	r := &Reached{make([]int32, len(g.funcs))}
	for i := range r.by {
		r.by[i] = -1
	}
	var list []int32
	for _, f := range from {
		if r.by[f] < 0 {
			r.by[f] = int32(f)
			list = append(list, int32(f))
		}
	}
	for ; len(list) > 0; list = list[1:] {
		f := list[0]
		if stop(int(f)) {
			continue
		}
		for _, t := range g.Callees(int(f)) {
			if r.by[t] < 0 {
				r.by[t] = f
				list = append(list, int32(t))
			}
		}
	}
	return r
}

// Has reports whether a function is among them.
func (r *Reached) Has(fn int) bool { return r.by[fn] >= 0 }

// Way returns how a function is reached: from a root to the function itself.
func (r *Reached) Way(fn int) []int {
	if !r.Has(fn) {
		return nil
	}
	way := []int{fn}
	for int(r.by[fn]) != fn {
		fn = int(r.by[fn])
		way = append(way, fn)
	}
	slices.Reverse(way)
	return way
}

// Only returns the functions among those reached that nothing else calls: all their
// callers are among them too, but for those of the roots.
func (g *Graph) Only(r *Reached, roots []int) []bool {
	in, fixed := make([]bool, len(g.funcs)), map[int]bool{}
	for _, f := range roots {
		fixed[f] = true
	}
	var out []int // functions that are not, whose callees are to be looked at
	for i := range in {
		in[i] = r.Has(i)
		if !in[i] {
			out = append(out, i)
		}
	}
	for len(out) > 0 {
		f := out[len(out)-1]
		out = out[:len(out)-1]
		for _, t := range g.Callees(f) {
			if in[t] && !fixed[t] {
				in[t] = false
				out = append(out, t)
			}
		}
	}
	return in
}

// Callees returns what a function calls or jumps to directly, once for each place.
func (g *Graph) Callees(fn int) []int {
	var out []int
	for _, p := range append([]int32{int32(fn)}, g.parts[int32(fn)]...) {
		for i := g.first[p]; i < g.first[p+1]; i++ {
			if t, ok := g.callee(&g.branches[i]); ok {
				out = append(out, t)
			}
		}
	}
	return out
}
