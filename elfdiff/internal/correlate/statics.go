package correlate

import (
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/internal/debug"
	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/symname"
)

// A scope is where the source has a static variable, as debug information says.
type scope struct{ Function, typ string }

// numberMates has names count as numbered that only look as if they were not: clang
// calls the first static variable last of a function f f.last, and others f.last.1, in
// their order, so that one which is new in front takes the name.
func (c *Correlation) numberMates() {
	stems := map[string]bool{}
	for side := range c.Traits {
		for i := range c.Traits[side] {
			if t := &c.Traits[side][i]; t.number && t.Class != classFunc && t.Class != 0 && strings.Contains(t.Stem, ".") {
				stems[t.Stem] = true
			}
		}
	}
	if len(stems) == 0 {
		return
	}
	for side := range c.Traits {
		for i := range c.Traits[side] {
			if t := &c.Traits[side][i]; t.Class != classFunc && stems[t.name] && !t.global {
				t.number = true
			}
		}
	}
}

// Family is the function that a function was made of, as one name: parts that were
// split off, and copies for some arguments, are of one family.
func (c *Correlation) Family(side int, f object.AtomID) string {
	a := &c.Objects[side].Atoms[f]
	if a.Kind != object.Func {
		return ""
	}
	base, _ := symname.Variant(a.Name)
	return base
}

// IsState reports whether an atom is a numbered variable whose state is more than
// that of a message.
func (c *Correlation) IsState(side int, id object.AtomID) bool {
	a, t := &c.Objects[side].Atoms[id], &c.Traits[side][id]
	if !t.number || a.Kind != object.Data && a.Kind != object.TLS {
		return false
	}
	_, fresh := object.FreshStem(t.Stem)
	return !fresh && !kerneltab.Of(c.Objects[side].SectionName(a.Section)).Has(kerneltab.Once)
}

// BothScopes returns the scopes of a variable of pre and of one of post, where debug
// information tells both.
func (c *Correlation) BothScopes(pre, post object.AtomID) (p, q scope, known bool) {
	if !c.IsState(0, pre) || !c.IsState(1, post) {
		return p, q, false
	}
	p, ok0 := c.scopeOf(0, pre)
	q, ok1 := c.scopeOf(1, post)
	return p, q, ok0 && ok1
}

// scopeOf returns the scope of a variable; ok is false where it is not told.
func (c *Correlation) scopeOf(side int, id object.AtomID) (sc scope, ok bool) {
	if c.scopes[side] == nil {
		c.scopes[side] = map[object.AtomID]scope{}
	}
	if sc, ok = c.scopes[side][id]; !ok {
		sc = scopeOf(c.Objects[side], id)
		c.scopes[side][id] = sc
	}
	return sc, sc.Function != "" && sc.typ != ""
}

func scopeOf(o *object.Object, id object.AtomID) (sc scope) {
	s, err := dtypes.Of(o)
	if err != nil {
		return sc
	}
	v := dtypes.VariablesOf(o)
	entry, ok := v.At(debug.Addr(&o.Atoms[id], 0))
	if !ok {
		return sc
	}
	return scope{v.Owners[entry], s.Text(v.TypeOf(entry))}
}

// byScope pairs numbered variables that are the only ones of their name and type in
// one function, by debug information.
func (c *Correlation) byScope() {
	type scoped struct {
		RungKey
		scope
	}
	found := map[scoped]candidate{}
	for side := range c.Objects {
		for _, id := range c.alone(side) {
			if !c.IsState(side, id) {
				continue
			}
			sc, ok := c.scopeOf(side, id)
			if !ok {
				continue
			}
			t := &c.Traits[side][id]
			key := scoped{RungKey{Class: t.Class, Name: t.Stem, File: t.File}, sc}
			k := found[key]
			k.n[side]++
			k.id[side] = id
			found[key] = k
		}
	}
	for _, k := range found {
		if k.n == [2]int32{1, 1} {
			c.pair(k.id[0], k.id[1], verdict.RuleScope)
		}
	}
}

// byFamily pairs numbered variables that are the only ones of their stem that the
// functions of one family use, where a part was split off on one side.
func (c *Correlation) byFamily() {
	type used struct {
		RungKey
		family string
	}
	found := map[used]candidate{}
	for side := range c.Objects {
		for _, id := range c.alone(side) {
			t := &c.Traits[side][id]
			if !c.IsState(side, id) {
				continue
			}
			for _, f := range c.familiesOf(side, id) {
				key := used{RungKey{Class: t.Class, Name: t.Stem, File: t.File}, f}
				k := found[key]
				k.n[side]++
				k.id[side] = id
				found[key] = k
			}
		}
	}
	var pairs [][2]object.AtomID
	var often [2]map[object.AtomID]int
	often[0], often[1] = map[object.AtomID]int{}, map[object.AtomID]int{}
	met := map[[2]object.AtomID]bool{}
	for _, k := range found {
		if k.n == [2]int32{1, 1} && !met[k.id] {
			met[k.id] = true
			pairs = append(pairs, k.id)
			often[0][k.id[0]]++
			often[1][k.id[1]]++
		}
	}
	for _, p := range pairs {
		if a, b, known := c.BothScopes(p[0], p[1]); often[0][p[0]] == 1 && often[1][p[1]] == 1 && (!known || a == b) {
			c.pair(p[0], p[1], verdict.RuleUse)
		}
	}
}

// familiesOf lists the families of the functions that use a variable.
func (c *Correlation) familiesOf(side int, id object.AtomID) []string {
	var list []string
	for _, u := range c.UsedBy(side, id) {
		if f := c.Family(side, c.Objects[side].Atoms[u].Root()); f != "" {
			list = append(list, f)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
