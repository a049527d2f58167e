package typediff

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// typeGraph is how types lead to each other on one side: by members, by
// pointers, and by elements of arrays.
type typeGraph struct {
	s     *dtypes.Side
	index map[uint64]int32 // of the node for an entry
	nodes []typeNode
}

type typeNode struct {
	entry uint64
	to    []typeEdge
	from  []int32 // nodes that lead here
	read  bool
}

type typeEdge struct {
	node    int32
	pointer bool
	member  uint64 // entry of the member; 0 when it is none
}

func (g *typeGraph) node(entry uint64) int32 {
	n, ok := g.index[entry]
	if !ok {
		n = int32(len(g.nodes))
		g.index[entry] = n
		g.nodes = append(g.nodes, typeNode{entry: entry})
	}
	return n
}

// read adds all that a node leads to.
func (g *typeGraph) read(root int32) {
	work := []int32{root}
	var e, x dwarf.Entry
	for len(work) > 0 {
		n := work[len(work)-1]
		work = work[:len(work)-1]
		if g.nodes[n].read {
			continue
		}
		g.nodes[n].read = true
		if !g.s.Data.Entry(&e, g.nodes[n].entry) {
			continue
		}
		add := func(typ, member uint64, pointer bool) {
			if typ == 0 {
				return
			}
			to := g.node(typ)
			g.nodes[n].to = append(g.nodes[n].to, typeEdge{to, pointer, member})
			g.nodes[to].from = append(g.nodes[to].from, n)
			work = append(work, to)
		}
		switch e.Tag {
		case dwarf.TagTypedef, dwarf.TagConst, dwarf.TagVolatile, dwarf.TagRestrict, dwarf.TagAtomic, dwarf.TagArray:
			add(dtypes.TypeOf(&e), 0, false)
		case dwarf.TagPointer, dwarf.TagReference, dwarf.TagRvalueReference:
			add(dtypes.TypeOf(&e), 0, true)
		case dwarf.TagStructure, dwarf.TagClass, dwarf.TagUnion:
			for r := dwarf.ChildrenOf(&e); dtypes.NextOf(&r, &x, dwarf.TagMember); {
				add(dtypes.TypeOf(&x), x.Offset, false)
			}
		}
	}
}

// far is the distance of what does not lead to a type.
const far = 1 << 20

// distances returns for each node how many pointers lead from it to the nearest
// of some others.
func (g *typeGraph) distances(to []int32) []int32 {
	dist := make([]int32, len(g.nodes))
	for i := range dist {
		dist[i] = far
	}
	for _, n := range to {
		dist[n] = 0
	}
	// nodes at one distance before those at the next, since an edge is 0 or 1
	for now, next := slices.Clone(to), []int32(nil); len(now) > 0; now, next = next, nil {
		for len(now) > 0 {
			n := now[len(now)-1]
			now = now[:len(now)-1]
			for _, p := range g.nodes[n].from {
				step := g.weight(p)
				if d := dist[n] + step; d < dist[p] {
					dist[p] = d
					if step == 0 {
						now = append(now, p)
					} else {
						next = append(next, p)
					}
				}
			}
		}
	}
	return dist
}

// weight is the number of pointers that one step from a node follows: a type
// that is a pointer leads to one other only.
func (g *typeGraph) weight(from int32) int32 {
	if to := g.nodes[from].to; len(to) == 1 && to[0].pointer {
		return 1
	}
	return 0
}

// maxPath bounds the steps of an expression.
const maxPath = 64

// path writes the expression that leads from a variable to a type, and returns
// where the type is in what the last pointer points to, in bytes.
func (g *typeGraph) path(root string, n int32, to []int32, dist []int32) (text string, base uint64) {
	var b strings.Builder
	b.WriteString(root)
	sep := "."
	var x dwarf.Entry
	for step := 0; !slices.Contains(to, n) && step < maxPath && b.Len() < dtypes.MaxText; step++ {
		left := dist[n] - g.weight(n)
		i := slices.IndexFunc(g.nodes[n].to, func(e typeEdge) bool { return dist[e.node] == left })
		if i < 0 {
			break
		}
		e := g.nodes[n].to[i]
		if e.pointer {
			sep, base = "->", 0
		}
		if e.member != 0 && g.s.Data.Entry(&x, e.member) {
			base += dtypes.BitPlace(&x).At / 8
			if x.Has(dwarf.AttrName) {
				b.WriteString(sep)
				b.Write(x.Text(dwarf.AttrName))
				sep = "."
			}
		}
		n = e.node
	}
	return b.String(), base
}

// reach finds the uses of one side.
type reach struct {
	g     typeGraph
	roots []typeRoots // of the changed functions and data objects
}

// typeRoots are the variables of one changed function, or the changed variable.
type typeRoots struct {
	ch    *verdict.Change
	roots []typeRoot
}

type typeRoot struct {
	name string
	node int32
}

// uses finds for each changed type the changed functions and data objects whose
// variables lead to it.
func (f *typeFinder) uses() {
	need := false
	for i := range f.list {
		need = need || len(f.list[i].entries[0]) > 0
	}
	if !need {
		return
	}
	var sides [2]*reach
	for i, s := range f.c.Side {
		sides[i] = f.reach(i, s)
	}
	for i := range f.list {
		t := &f.list[i]
		if len(t.entries[0]) == 0 {
			continue
		}
		if f.visits > maxVisits {
			t.Uses = f.anybody()
			continue
		}
		f.visits += len(sides[0].g.nodes) + len(sides[1].g.nodes)
		best := map[*verdict.Change]types.Use{}
		for k, r := range sides {
			r.find(f.nodes(&r.g, t.entries[k]), best)
		}
		for _, u := range best {
			t.Uses = append(t.Uses, u)
		}
		slices.SortFunc(t.Uses, func(a, b types.Use) int {
			return cmp.Or(cmp.Compare(a.Hops, b.Hops), cmp.Compare(a.Post, b.Post), cmp.Compare(a.Pre, b.Pre))
		})
	}
}

// maxVisits bounds the work that is done to find uses: changed types times types.
const maxVisits = 1 << 28

// anybody is what is said about a type whose uses were not looked for: the first
// changed function may be one.
func (f *typeFinder) anybody() []types.Use {
	for i := range f.d.Functions {
		if ch := &f.d.Functions[i]; ch.Status != verdict.Same {
			return []types.Use{{Symbol: ch.Name, Pre: ch.Pre, Post: ch.Post}}
		}
	}
	return nil
}

// nodes returns the nodes of a type: an entry may be a typedef of one without a
// tag.
func (f *typeFinder) nodes(g *typeGraph, entries []uint64) (list []int32) {
	var t dtypes.Resolved
	for _, e := range entries[:min(len(entries), maxCopies)] {
		if !g.s.Resolve(&t, e) {
			continue
		}
		if n, ok := g.index[t.Offset]; ok {
			list = append(list, n)
		}
	}
	return list
}

// find looks for the nearest root of each changed function.
func (r *reach) find(to []int32, best map[*verdict.Change]types.Use) {
	if len(to) == 0 {
		return
	}
	dist := r.g.distances(to)
	for i := range r.roots {
		t := &r.roots[i]
		for _, root := range t.roots {
			d := int(dist[root.node])
			if d >= far {
				continue
			}
			if u, ok := best[t.ch]; ok && u.Hops <= d {
				continue
			}
			u := types.Use{Symbol: t.ch.Name, Pre: t.ch.Pre, Post: t.ch.Post, Hops: d}
			u.Via, u.Base = r.g.path(root.name, root.node, to, dist)
			best[t.ch] = u
		}
	}
}

// reach reads what all changed functions and data objects lead to.
func (f *typeFinder) reach(side int, s *dtypes.Side) *reach {
	r := &reach{g: typeGraph{s: s, index: map[uint64]int32{}}}
	v := dtypes.VariablesOf(s.Object)
	for _, list := range [][]verdict.Change{f.d.Functions, f.d.Data} {
		for i := range list {
			ch := &list[i]
			a := s.Object.Atom([2]object.AtomID{ch.Pre, ch.Post}[side])
			if ch.Status == verdict.Same || a == nil {
				continue
			}
			t := typeRoots{ch: ch}
			v.Roots(a, func(name string, typ uint64) {
				n := r.g.node(typ)
				r.g.read(n)
				t.roots = append(t.roots, typeRoot{name, n})
			})
			r.roots = append(r.roots, t)
		}
	}
	return r
}
