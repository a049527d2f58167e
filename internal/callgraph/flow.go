package callgraph

import (
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/internal/amd64"
)

// Flow inside of a function goes from branch to branch: the instructions between
// them just continue.

// at returns the first branch at an address or behind it, in one function's code.
func (g *Graph) at(fn int, addr uint64) (int32, bool) {
	list := g.branches[g.first[fn]:g.first[fn+1]]
	i, _ := slices.BinarySearchFunc(list, addr, func(b branch, a uint64) int { return cmp.Compare(b.addr, a) })
	return g.first[fn] + int32(i), i < len(list)
}

// step is what can follow a branch.
type step struct {
	next [2]int32 // branches
	n    int
	exit bool // the function can be left for its caller
	ends bool // the task ends
}

func (s *step) to(i int32, ok bool) {
	if ok {
		s.next[s.n] = i
		s.n++
	}
}

// steps returns what can follow a branch. After a call of what never returns, nothing
// does.
func (g *Graph) steps(i int32) step {
	b := &g.branches[i]
	var s step
	switch b.class {
	case amd64.Ret, amd64.JumpInd:
		s.exit = true
		return s
	case amd64.Trap:
		return s
	case amd64.Call:
		if t, ok := g.callee(b); ok && g.noreturn[t] {
			s.ends = g.ends[t]
			return s
		}
	case amd64.CallInd:
	default:
		g.jump(&s, b)
	}
	if b.class != amd64.Jump {
		s.to(g.at(int(b.fn), b.addr+uint64(b.len)))
	}
	return s
}

// jump adds where a direct jump leads.
func (g *Graph) jump(s *step, b *branch) {
	if t, ok := g.callee(b); ok && !isCold(g.funcs[t].Name) {
		s.exit, s.ends = !g.noreturn[t], g.ends[t]
		return
	}
	t, ok := g.At(b.to)
	if !ok || g.certain[t] {
		s.exit = true // nobody knows
		return
	}
	s.to(g.at(t, b.to))
}

// marks are the branches that a walk has seen; they need not be cleared.
type marks struct {
	seen  []uint32
	epoch uint32
}

// exits reports whether a function can be left for its caller.
func (g *Graph) exits(fn int, m *marks) bool {
	m.epoch++
	start, ok := g.at(fn, g.funcs[fn].Addr)
	if !ok {
		return true // no branch at all: whatever it is, it is no loop
	}
	list := []int32{start}
	m.seen[start] = m.epoch
	for len(list) > 0 {
		s := g.steps(list[len(list)-1])
		list = list[:len(list)-1]
		if s.exit {
			return true
		}
		for _, n := range s.next[:s.n] {
			if m.seen[n] != m.epoch {
				m.seen[n] = m.epoch
				list = append(list, n)
			}
		}
	}
	return false
}

// maxRounds bounds how far it is followed that callees never return: kernels need
// less than ten.
const maxRounds = 64

// findReturns finds what never returns: first what has no way out although all calls
// return, then what has none since some do not, and so on.
func (g *Graph) findReturns() {
	m := &marks{seen: make([]uint32, len(g.branches))}
	list := make([]int32, len(g.funcs))
	for i := range list {
		list[i] = int32(i)
	}
	for n := 0; n < maxRounds && len(list) > 0; n++ {
		var again []int32
		for _, f := range list {
			if g.noreturn[f] || g.owner[f] != f || g.certain[f] || g.exits(int(f), m) {
				continue
			}
			g.noreturn[f] = true
			again = append(again, g.Callers(int(f))...)
		}
		slices.Sort(again)
		list = slices.Compact(again)
	}
}

// Returns reports whether a function can come to a return: false when there is no way
// to one by its own branches and those of what it calls directly.
func (g *Graph) Returns(fn int) bool { return !g.noreturn[fn] }

// A Loop is a cycle in a function, or several that share code.
type Loop struct {
	Endless bool  // no way leads out of it to a return, or to the end of the task
	Calls   []int // functions that are called in it, each once
}

// Loops returns the cycles of a function: its strongly connected components.
func (g *Graph) Loops(fn int) []Loop {
	start, ok := g.at(fn, g.funcs[fn].Addr)
	if !ok {
		return nil
	}
	t := &tarjan{g: g, num: map[int32]int32{}, low: map[int32]int32{}, leaves: map[int32]bool{}, on: map[int32]bool{}}
	t.walk(start)
	return t.loops
}

// tarjan finds strongly connected components, without recursion: code may be hostile.
type tarjan struct {
	g        *Graph
	num, low map[int32]int32
	leaves   map[int32]bool // a way out can be reached
	on       map[int32]bool // the stack
	stack    []int32
	loops    []Loop
}

type visit struct {
	at   int32
	next step
	i    int
}

func (t *tarjan) enter(i int32) visit {
	n := int32(len(t.num))
	t.num[i], t.low[i] = n, n
	t.stack = append(t.stack, i)
	t.on[i] = true
	v := visit{at: i, next: t.g.steps(i)}
	t.leaves[i] = v.next.exit || v.next.ends
	return v
}

func (t *tarjan) walk(start int32) {
	path := []visit{t.enter(start)}
	for len(path) > 0 {
		v := &path[len(path)-1]
		if v.i < v.next.n {
			n := v.next.next[v.i]
			if _, seen := t.num[n]; !seen {
				path = append(path, t.enter(n))
				continue
			}
			v.i++
			if t.on[n] {
				t.low[v.at] = min(t.low[v.at], t.low[n])
			}
			t.leaves[v.at] = t.leaves[v.at] || t.leaves[n]
			continue
		}
		if t.low[v.at] == t.num[v.at] {
			t.component(v.at)
		}
		path = path[:len(path)-1]
	}
}

// component takes one off the stack. What one of its branches can reach, all can.
func (t *tarjan) component(root int32) {
	from := len(t.stack) - 1
	for t.stack[from] != root {
		from--
	}
	part := t.stack[from:]
	t.stack = t.stack[:from]
	leaves, self := false, false
	for _, i := range part {
		leaves = leaves || t.leaves[i]
		t.on[i] = false
		s := t.g.steps(i)
		self = self || slices.Contains(s.next[:s.n], i)
	}
	for _, i := range part {
		t.leaves[i] = leaves
	}
	if len(part) > 1 || self {
		t.loops = append(t.loops, Loop{!leaves, t.g.calledIn(part)})
	}
}

func (g *Graph) calledIn(list []int32) []int {
	var out []int
	for _, i := range list {
		if b := &g.branches[i]; b.class == amd64.Call {
			if t, ok := g.callee(b); ok {
				out = append(out, t)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
