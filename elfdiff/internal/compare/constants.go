package compare

import (
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// constants compares two constants without identity, following their
// references to others of that sort.
//
// References to places inside functions are kept as claims of the function
// that is being compared when the constant itself holds them, as jump tables
// do. Constants further away have to hold the same places.
func (c *Comparer) constants(a, b *object.Atom) bool {
	key := [2]object.AtomID{a.ID, b.ID}
	if v, ok := c.literals[key]; ok {
		return v
	}
	before := len(c.Pending)
	next, ok := c.content(a, b)
	if ok && len(c.Pending) > before { // a verdict for this function only
		for _, k := range next {
			if !c.graph(k) {
				return false
			}
		}
		return true
	}
	return c.graph(key)
}

// pairNode is one pair of constants in a graph of them.
type pairNode struct {
	key     [2]object.AtomID
	differs bool
	parents []int
}

// graph decides a pair and all that it leads to. A pair differs when its own
// content does, or when a pair that it leads to differs; that leaves pairs on
// a cycle equal. The verdicts are kept, so that each pair is looked at once.
func (c *Comparer) graph(root [2]object.AtomID) bool {
	if v, ok := c.literals[root]; ok {
		return v
	}
	pending := len(c.Pending)
	nodes := []pairNode{{key: root}}
	index := map[[2]object.AtomID]int{root: 0}
	for i := 0; i < len(nodes); i++ {
		a, b := &c.Pre.Atoms[nodes[i].key[0]], &c.Post.Atoms[nodes[i].key[1]]
		if c.budget--; c.budget < 0 {
			nodes[i].differs = true
			continue
		}
		next, ok := c.content(a, b)
		nodes[i].differs = !ok || c.movedInside(pending)
		c.Pending = c.Pending[:pending]
		for _, k := range next {
			if v, known := c.literals[k]; known {
				nodes[i].differs = nodes[i].differs || !v
				continue
			}
			n, seen := index[k]
			if !seen {
				n = len(nodes)
				index[k] = n
				nodes = append(nodes, pairNode{key: k})
			}
			nodes[n].parents = append(nodes[n].parents, i)
		}
	}
	return c.conclude(nodes)
}

// movedInside reports whether a claim made since is about different places.
func (c *Comparer) movedInside(since int) bool {
	for _, p := range c.Pending[since:] {
		if !c.Corresponds(&p) {
			return true
		}
	}
	return false
}

// conclude spreads differences to the parents, and keeps the verdicts. It
// returns that on the first node.
func (c *Comparer) conclude(nodes []pairNode) bool {
	var work []int
	for i := range nodes {
		if nodes[i].differs {
			work = append(work, i)
		}
	}
	for len(work) > 0 {
		n := &nodes[work[len(work)-1]]
		work = work[:len(work)-1]
		for _, p := range n.parents {
			if !nodes[p].differs {
				nodes[p].differs = true
				work = append(work, p)
			}
		}
	}
	for i := range nodes {
		c.literals[nodes[i].key] = !nodes[i].differs
	}
	return !nodes[0].differs
}

// content compares two constants but for the constants they refer to, which it
// returns as pairs.
func (c *Comparer) content(a, b *object.Atom) (next [][2]object.AtomID, same bool) {
	x, y := c.Placeless(a, b)
	if a.NoBits != b.NoBits || len(a.Refs) != len(b.Refs) || !c.sameButPadding(x, y) {
		return nil, false
	}
	for i := range a.Refs {
		x, y := &a.Refs[i], &b.Refs[i]
		if x.Offset != y.Offset {
			return nil, false
		}
		if k, ok := c.chained(x, y); ok {
			next = append(next, k)
		} else if c.Refs(x, y) != "" {
			return nil, false
		}
	}
	if list := c.SetAside(a, b); len(list) > 0 {
		c.Aside[b.ID] = list
	}
	return next, true
}

// chained returns the pair that two references lead to when it has to be
// compared as constants are.
func (c *Comparer) chained(x, y *object.Ref) ([2]object.AtomID, bool) {
	if x.Target == object.NoAtom || y.Target == object.NoAtom || x.TargetOff != y.TargetOff || amd64.TypeClass(x.Type) != amd64.TypeClass(y.Type) {
		return [2]object.AtomID{}, false
	}
	a, b := &c.Pre.Atoms[x.Target], &c.Post.Atoms[y.Target]
	if a.Kind == object.String || b.Kind == object.String {
		return [2]object.AtomID{}, false
	}
	return [2]object.AtomID{a.ID, b.ID}, a.IsLiteral() && b.IsLiteral() || a.Kind == object.LSDA && b.Kind == object.LSDA
}
