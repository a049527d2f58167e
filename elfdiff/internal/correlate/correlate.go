package correlate

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/internal/tables"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// Twins pairs the atoms of pre and post. Both directions are kept.
type Twins struct {
	Post []object.AtomID // by pre's id
	Pre  []object.AtomID // by post's id
	Rule []verdict.Rule  // by pre's id
	// Doubted are functions and constants of pre that post has several for, of which any may be its twin.
	Doubted map[object.AtomID]bool
}

// Correlation is the state of pairing.
type Correlation struct {
	Twins
	Objects [2]*object.Object
	Traits  [2][]traits
	// seed makes digests that hostile input can't make collide. Only equality
	// of digests is used, never their order.
	seed maphash.Seed
	// single holds on each side what can be paired and was not when alone was
	// last asked.
	single [2][]object.AtomID
	// tables are what tables say is used, made when needed.
	tables [2]*tableUses
	// scopes are what debug information says of static variables, likewise.
	scopes [2]map[object.AtomID]scope
	// apart are objects whose pairs turned out to be guesses.
	apart [2]map[object.AtomID]bool
	// unpaired are functions and constants whose names tell nothing, see ordinals.
	unpaired [2]map[object.AtomID]bool
	// digests are known while nothing changes what they are of.
	digests map[digested]uint64
	// several are objects of pre that were paired beside others of their stem.
	Several map[object.AtomID]bool
}

// Correlate pairs what is the same thing in pre and post. Literals stay
// single, since they are compared by content.
func Correlate(pre, post *object.Object, apart [2]map[object.AtomID]bool) *Correlation {
	c := &Correlation{
		apart: apart, Several: map[object.AtomID]bool{},
		unpaired: [2]map[object.AtomID]bool{{}, {}},
		Objects:  [2]*object.Object{pre, post},
		Traits:   [2][]traits{traitsOf(pre), traitsOf(post)},
		seed:     maphash.MakeSeed(),
		Twins: Twins{
			Post: single(len(pre.Atoms)),
			Pre:  single(len(post.Atoms)),
			Rule: make([]verdict.Rule, len(pre.Atoms)),

			Doubted: map[object.AtomID]bool{},
		},
	}
	c.numberMates()
	c.numberLines()
	c.ordinals()
	for _, r := range ladder {
		c.climb(r)
	}
	c.byAlias()
	c.byScope()
	c.byUse()
	c.byFamily()
	for _, r := range lateLadder {
		c.climb(r)
	}
	c.byOrder()
	return c
}

func single(n int) []object.AtomID {
	s := make([]object.AtomID, n)
	for i := range s {
		s[i] = object.NoAtom
	}
	return s
}

func (c *Correlation) pair(pre, post object.AtomID, r verdict.Rule) {
	if c.apart[0][pre] || c.apart[1][post] || c.unpaired[0][pre] || c.unpaired[1][post] || c.isOver(0, pre) && !c.isOver(1, post) {
		return
	}
	c.Post[pre], c.Pre[post], c.Rule[pre] = post, pre, r
}

// isOver reports whether an atom is in memory that a kernel frees once it has started. What post keeps, and
// pre does not, does not exist in what runs: it has no twin there, and is new.
func (c *Correlation) isOver(side int, id object.AtomID) bool {
	r := kerneltab.Of(c.Objects[side].SectionName(c.Objects[side].Atoms[id].Section))
	return r.Has(kerneltab.Freed) && r.Class == kerneltab.Start
}

// alone returns the ids on one side (0 pre, 1 post) that can be paired and are
// not. The list is valid until it is asked for again.
func (c *Correlation) alone(side int) []object.AtomID {
	of := [2][]object.AtomID{c.Post, c.Pre}[side]
	ids := c.single[side]
	if ids == nil {
		for i := range c.Traits[side] {
			if c.Traits[side][i].Class != 0 {
				ids = append(ids, object.AtomID(i))
			}
		}
	}
	ids = slices.DeleteFunc(ids, func(id object.AtomID) bool { return of[id] != object.NoAtom })
	c.single[side] = ids
	return ids
}

// candidate is what one key has on both sides.
type candidate struct {
	n  [2]int32
	id [2]object.AtomID // the last one
}

// climb pairs by one rung.
func (c *Correlation) climb(r rung) {
	alone := [2][]object.AtomID{c.alone(0), c.alone(1)}
	if len(alone[0]) == 0 || len(alone[1]) == 0 {
		return
	}
	found := map[RungKey]candidate{}
	for side, ids := range alone {
		for _, id := range ids {
			key, ok := r.key(c, c.Objects[side], id, &c.Traits[side][id])
			if !ok {
				continue
			}
			k, met := found[key]
			if side == 1 && !met {
				continue // nothing of pre goes by that
			}
			k.n[side]++
			k.id[side] = id
			found[key] = k
		}
	}
	for _, k := range found {
		if k.n == [2]int32{1, 1} && (!r.weak || c.consistent(k.id[0], k.id[1])) {
			c.pair(k.id[0], k.id[1], r.rule)
		}
	}
}

// byAlias pairs what has any global name in common: which of its names an atom
// goes by depends on the others.
func (c *Correlation) byAlias() {
	var names map[string]object.AtomID
	for _, id := range c.alone(1) {
		a := &c.Objects[1].Atoms[id]
		for _, name := range c.Objects[1].Globals(a) {
			if names == nil {
				names = map[string]object.AtomID{}
			}
			names[name] = id
		}
	}
	if names == nil {
		return
	}
	for _, id := range c.alone(0) {
		for _, name := range c.Objects[0].Globals(&c.Objects[0].Atoms[id]) {
			twin, ok := names[name]
			if ok && c.Pre[twin] == object.NoAtom && c.Traits[0][id].Class == c.Traits[1][twin].Class {
				c.pair(id, twin, verdict.RuleGlobal)
				break
			}
		}
	}
}

// consistent reports whether two numbered objects that are the only ones of
// their stem may be one: when their state has to survive, some function that
// uses the one has to be the twin of one that uses the other. A counter that
// went away in one function is not the counter that is new in another.
func (c *Correlation) consistent(pre, post object.AtomID) bool {
	a := &c.Objects[0].Atoms[pre]
	if !c.Traits[0][pre].number && !c.Traits[1][post].number || a.Kind != object.Data && a.Kind != object.TLS {
		return true
	}
	users, families := map[object.AtomID]bool{}, map[string]bool{}
	for _, u := range c.UsedBy(1, post) {
		root := c.Objects[1].Atoms[u].Root()
		users[root] = true
		if name := c.Family(1, root); name != "" {
			families[name] = true
		}
	}
	code, users0 := len(families) > 0, c.UsedBy(0, pre)
	for _, u := range users0 {
		root := c.Objects[0].Atoms[u].Root()
		name := c.Family(0, root)
		if twin := c.Post[root]; twin != object.NoAtom && users[twin] || families[name] {
			return true
		}
		code = code || name != ""
	}
	if p, q, ok := c.BothScopes(pre, post); ok {
		return p == q
	}
	return !code && (len(users) > 0) == (len(users0) > 0) // tables alone use both, or nothing
}

// byUse pairs numbered objects by the functions that use them: a static local
// belongs to one function, whatever its number is. First those of which both
// twins use only one of the stem, then those of which they use as many, in the
// order of use.
func (c *Correlation) byUse() {
	for _, one := range []bool{true, false} {
		for _, id := range c.usersOfNumbered() {
			used := [2][]object.AtomID{c.uses(0, id), c.uses(1, c.Post[id])}
			if len(used[0]) > 0 && len(used[1]) > 0 {
				c.pairUses(used, one)
			}
		}
	}
}

// usersOfNumbered lists the functions of pre that have a twin and refer to single
// numbered objects, in order.
func (c *Correlation) usersOfNumbered() []object.AtomID {
	var list []object.AtomID
	for _, id := range c.alone(0) {
		if !c.Traits[0][id].number {
			continue
		}
		for _, u := range c.UsedBy(0, id) {
			if c.Objects[0].Atoms[u].Kind == object.Func && c.Post[u] != object.NoAtom {
				list = append(list, u)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// uses lists the single numbered atoms that a function refers to, in the order
// of the first reference.
func (c *Correlation) uses(side int, f object.AtomID) []object.AtomID {
	of := [2][]object.AtomID{c.Post, c.Pre}[side]
	var out []object.AtomID
	var seen map[object.AtomID]bool
	add := func(target object.AtomID) {
		if target == object.NoAtom || of[target] != object.NoAtom {
			return
		}
		if t := &c.Traits[side][target]; t.Class != 0 && t.number && !seen[target] {
			if seen == nil {
				seen = map[object.AtomID]bool{}
			}
			seen[target] = true
			out = append(out, target)
		}
	}
	for i := range c.Objects[side].Atoms[f].Refs {
		add(c.Objects[side].Atoms[f].Refs[i].Target)
	}
	for _, target := range c.tabled(side).of[f] {
		add(target)
	}
	return out
}

// tableUses is what functions use through the tables that describe them: the
// key of a static branch stands in __jump_table only.
type tableUses struct {
	of map[object.AtomID][]object.AtomID // atoms, by function
	by map[object.AtomID][]object.AtomID // functions, by atom
}

// tabled reads the tables of one side, when the first question is asked.
func (c *Correlation) tabled(side int) *tableUses {
	if c.tables[side] != nil {
		return c.tables[side]
	}
	u := &tableUses{map[object.AtomID][]object.AtomID{}, map[object.AtomID][]object.AtomID{}}
	c.tables[side] = u
	for s := range c.Objects[side].File.SectionsNamed(kerneltab.JumpTable) {
		r := c.Objects[side].SectionRange(s.Index)
		for id := r.Lo; id < r.Hi; id++ {
			list, _ := tables.In(&c.Objects[side].Atoms[id], kerneltab.Named(kerneltab.JumpTable))
			for i := range list {
				u.add(&list[i])
			}
		}
	}
	return u
}

func (u *tableUses) add(e *tables.Entry) {
	f := e.Site().Target
	if f == object.NoAtom {
		return
	}
	for i := range e.Refs {
		if t := e.Refs[i].Target; t != object.NoAtom && t != f {
			u.of[f] = append(u.of[f], t)
			u.by[t] = append(u.by[t], f)
		}
	}
}

// UsedBy lists the atoms that refer to one, and the functions that do so in a
// table.
func (c *Correlation) UsedBy(side int, id object.AtomID) []object.AtomID {
	users := c.Objects[side].Users(id)
	for _, u := range users {
		if a := &c.Objects[side].Atoms[u]; a.Kind == object.Special && c.Objects[side].SectionName(a.Section) == kerneltab.JumpTable {
			return append(slices.Clip(users), c.tabled(side).by[id]...)
		}
	}
	return users
}

func (c *Correlation) pairUses(used [2][]object.AtomID, one bool) {
	byStem := [2]map[RungKey][]object.AtomID{{}, {}}
	for side, list := range used {
		for _, id := range list {
			t := &c.Traits[side][id]
			key := RungKey{Class: t.Class, Name: t.Stem, says: t.says}
			byStem[side][key] = append(byStem[side][key], id)
		}
	}
	for key, pre := range byStem[0] {
		post := byStem[1][key]
		if len(pre) != len(post) || one && len(pre) != 1 || !c.sameNumbering(pre, post) {
			continue
		}
		for i := range pre {
			p, q, known := c.BothScopes(pre[i], post[i])
			if (c.Objects[0].Atoms[pre[i]].Size == c.Objects[1].Atoms[post[i]].Size || one) && (!known || p == q) {
				c.pair(pre[i], post[i], verdict.RuleUse)
				c.Several[pre[i]] = !one
			}
		}
	}
}

// sameNumbering reports whether the numbers of two lists of objects go up and
// down alike. A compiler numbers the objects of one function in the order of
// their declarations: when the order of use and that of the numbers disagree,
// code was moved, and neither says which object is which.
func (c *Correlation) sameNumbering(pre, post []object.AtomID) bool {
	for i := 1; i < len(pre); i++ {
		if c.compareNumbers(0, pre[i-1], pre[i]) != c.compareNumbers(1, post[i-1], post[i]) {
			return false
		}
	}
	return true
}

func (c *Correlation) compareNumbers(side int, a, b object.AtomID) int {
	x, y := c.Traits[side][a].name, c.Traits[side][b].name
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
}

// byOrder pairs what is left of one stem when both sides have as many. For
// code a wrong pair costs nothing but size: references are compared by twin,
// so that whoever uses it counts as changed too. Writable data is never paired
// by order alone, since a wrong pair would confuse two states, unless it is the entries
// of a table that hold the same, and that the same functions use, or none.
func (c *Correlation) byOrder() {
	var left [2]map[RungKey][]object.AtomID
	for side := range c.Objects {
		left[side] = map[RungKey][]object.AtomID{}
		for _, id := range c.alone(side) {
			t := &c.Traits[side][id]
			if c.Objects[side].Atoms[id].Kind == object.Data && !t.line || t.Class == classTLS || t.place > 0 {
				continue
			}
			key := RungKey{Class: t.Class, Name: t.Stem, File: t.File, says: t.says}
			left[side][key] = append(left[side][key], id)
		}
	}
	for key, pre := range left[0] {
		if post := left[1][key]; len(pre) == len(post) {
			for i := range pre {
				if !c.Traits[0][pre[i]].line || c.consistent(pre[i], post[i]) {
					c.pair(pre[i], post[i], verdict.RuleOrder)
				}
			}
		}
	}
}
