package elfdiff

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/compare"
	"github.com/gosplice/gosplice/elfdiff/internal/correlate"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/amd64"
)

// maxGuesses bounds how often pairs that turned out to be guesses are taken apart.
const maxGuesses = 4

// correlated pairs the atoms, and compares the pairs. Where a variable was paired with
// one of several by how functions use it, and nothing that was compared then bears it
// out, it is left alone: its state must not become that of another.
func (j *judge) correlated() {
	apart := [2]map[object.AtomID]bool{{}, {}}
	for range maxGuesses {
		c := correlate.Correlate(j.Pre, j.Post, apart)
		j.twins, j.c = c.Twins, compare.NewComparer(j.Pre, j.Post, c.Twins)
		j.list, j.index = nil, slices.Repeat([]int32{-1}, len(j.Post.Atoms))
		j.pairs()
		if j.ctx.Err() != nil {
			return
		}
		g := guesser{judge: j, cor: c}
		if !g.find() {
			return
		}
		for _, id := range g.list {
			apart[0][id], apart[1][c.Post[id]] = true, true
		}
	}
}

// guesser finds pairs of variables that are guesses.
type guesser struct {
	*judge
	cor      *correlate.Correlation
	groups   map[correlate.RungKey]*numberedGroup // made when needed
	families [2]map[string]bool                   // likewise
	list     []object.AtomID
}

// numberedGroup is the variables of one stem.
type numberedGroup struct {
	n    [2]int
	left [2][]object.AtomID // those that have no twin
	// doubt are pairs beside others that no equal function bears out.
	doubt []object.AtomID
	// single are those of left that only one side has the functions of.
	single []*object.Atom
	asked  bool
}

// find fills the list, and reports whether there is one.
func (g *guesser) find() bool {
	for i, rule := range g.cor.Rule {
		id := object.AtomID(i)
		if rule != verdict.RuleUse && rule != verdict.RuleStem || !g.cor.IsState(0, id) || g.proven(id) {
			continue
		}
		if p, q, known := g.cor.BothScopes(id, g.twins.Post[id]); known && p.Function != q.Function {
			g.list = append(g.list, id)
		} else if rule == verdict.RuleUse {
			g.group(0, id).doubt = append(g.group(0, id).doubt, id)
		}
	}
	for _, group := range g.groups {
		g.decide(group)
	}
	slices.Sort(g.list)
	return len(g.list) > 0
}

// proven reports whether a function that uses a variable is the same with it.
func (g *guesser) proven(pre object.AtomID) bool {
	return slices.ContainsFunc(g.cor.UsedBy(0, pre), func(u object.AtomID) bool {
		twin := g.twins.Post[u]
		return g.Pre.Atoms[u].Kind == object.Func && twin != object.NoAtom && g.verdictOn(twin).Status == verdict.Same
	})
}

func (g *guesser) verdictOn(post object.AtomID) *verdict.Change { return &g.judge.list[g.index[post]] }

// group returns the variables of the stem of one.
func (g *guesser) group(side int, id object.AtomID) *numberedGroup {
	if g.groups == nil {
		g.groups = map[correlate.RungKey]*numberedGroup{}
		for side := range g.cor.Objects {
			of := [2][]object.AtomID{g.twins.Post, g.twins.Pre}[side]
			for i := range g.cor.Traits[side] {
				if id := object.AtomID(i); g.cor.IsState(side, id) {
					x := g.group(side, id)
					if x.n[side]++; of[id] == object.NoAtom {
						x.left[side] = append(x.left[side], id)
					}
				}
			}
		}
	}
	t := &g.cor.Traits[side][id]
	key := correlate.RungKey{Class: t.Class, Name: t.Stem, File: t.File}
	if g.groups[key] == nil {
		g.groups[key] = &numberedGroup{}
	}
	return g.groups[key]
}

// maxDoubts bounds how many variables of one stem are looked at.
const maxDoubts = 64

// decide decides about the doubtful pairs of one stem. Of several in one function all
// but one have to be used as before. One alone is another where functions are gone, or
// new, whose variable it may be: what is inlined brings its variables along.
func (g *guesser) decide(x *numberedGroup) {
	var several, differ []object.AtomID
	for _, id := range x.doubt {
		switch {
		case g.cor.Several[id]:
			several = append(several, id)
		case x.n[0] != x.n[1] && !g.told(id) && g.mayBeInlined(x, id):
			g.list = append(g.list, id)
		}
	}
	for _, id := range several[:min(len(several), maxDoubts)] {
		if !slices.Equal(instructionsFor(g.cor, 0, id), instructionsFor(g.cor, 1, g.twins.Post[id])) {
			differ = append(differ, id)
		}
	}
	if len(differ) > 1 || len(several) > maxDoubts {
		g.list = append(g.list, several...)
	}
}

// told reports whether debug information tells in which function both are.
func (g *guesser) told(pre object.AtomID) bool {
	_, _, known := g.cor.BothScopes(pre, g.twins.Post[pre])
	return known
}

// mayBeInlined reports whether a variable that has no twin, and begins as one of a pair
// does, is of static functions that only one side has.
func (g *guesser) mayBeInlined(x *numberedGroup, pre object.AtomID) bool {
	if len(x.left[0])+len(x.left[1]) > maxDoubts {
		return true
	}
	if !x.asked {
		x.asked = true
		for side := range x.left {
			for _, id := range x.left[side] {
				if g.onlyIn(side, id) {
					x.single = append(x.single, &g.cor.Objects[side].Atoms[id])
				}
			}
		}
	}
	a, b := &g.Pre.Atoms[pre], &g.Post.Atoms[g.twins.Post[pre]]
	return slices.ContainsFunc(x.single, func(s *object.Atom) bool { return alikeAtStart(s, a) || alikeAtStart(s, b) })
}

// alikeAtStart reports whether two variables begin with the same content.
func alikeAtStart(a, b *object.Atom) bool { return a.Size == b.Size && bytes.Equal(a.Bytes, b.Bytes) }

// onlyIn reports whether only one side has the functions that use a variable, which
// are static.
func (g *guesser) onlyIn(side int, id object.AtomID) bool {
	any := false
	for _, u := range g.cor.UsedBy(side, id) {
		f := &g.cor.Objects[side].Atoms[g.cor.Objects[side].Atoms[u].Root()]
		if f.Kind != object.Func {
			continue
		}
		if any = true; !g.cor.Objects[side].IsLocal(f) || g.hasFamily(1-side, g.cor.Family(side, f.ID)) {
			return false
		}
	}
	return any
}

func (g *guesser) hasFamily(side int, f string) bool {
	if g.families[side] == nil {
		g.families[side] = map[string]bool{}
		for id := range g.cor.Objects[side].Functions() {
			g.families[side][g.cor.Family(side, id)] = true
		}
	}
	return g.families[side][f]
}

// instructionsFor lists what the code does with a variable, in order of the text: the
// operations around each place that names it, without registers.
func instructionsFor(c *correlate.Correlation, side int, id object.AtomID) []string {
	var list []string
	for _, u := range c.UsedBy(side, id) {
		if a := &c.Objects[side].Atoms[u]; a.Kind == object.Func {
			list = appendUses(list, a, id)
		}
	}
	slices.Sort(list)
	return list
}

// appendUses appends the operations that name a variable, each with the one before it
// and the two behind it, up to a branch: between them is what becomes of the value.
func appendUses(list []string, a *object.Atom, id object.AtomID) []string {
	k := insn.Cursor{Atom: a}
	before := ""
	open := 0 // how many of the last in the list are not complete
	left := []int{}
	for {
		if ok, err := k.Load(); !ok || err != nil {
			return list
		}
		op := operation(&k)
		for i := range left[:open] {
			list[len(list)-1-i] += op
			left[i]--
		}
		for open > 0 && left[open-1] <= 0 {
			open--
		}
		if slices.ContainsFunc(k.Refs, func(r object.Ref) bool { return r.Target == id }) {
			list = append(list, before+op)
			left = slices.Insert(left[:open], 0, 2)
			open++
		}
		if before = op; op == "" {
			open = 0
		}
		k.Advance()
	}
}

// operation is an instruction without its operands but immediates; "" for those that
// end a stretch of code.
func operation(k *insn.Cursor) string {
	if k.Inst.Class != amd64.Other || k.Inst.IsBranch() {
		return ""
	}
	imm := ""
	if len(k.Refs) == 0 {
		imm = string(k.Bytes()[k.Inst.ImmOff : k.Inst.ImmOff+k.Inst.ImmLen])
	}
	reg := byte(0) // of groups, in which it says what is done
	if k.Inst.ModRMOff > 0 && k.Inst.ImmLen > 0 {
		reg = k.Bytes()[k.Inst.ModRMOff] >> 3 & 7
	}
	return fmt.Sprintf("%x/%d %x;", k.Inst.Opcode, reg, imm)
}
