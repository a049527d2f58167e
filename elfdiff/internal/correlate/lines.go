package correlate

import (
	"maps"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/symname"
)

// numbered is a table of a program, and what names in it begin with.
type numbered struct{ section, stem, file string }

// numberLines has the entries of a program's tables count as numbered where their names
// end in numbers and are others in post: macros make such names of __LINE__ or
// __COUNTER__, so that equal ones need not be one thing. They are told apart by what
// they hold and lead to.
func (c *Correlation) numberLines() {
	var names [2]map[numbered][]string
	for side := range c.Objects {
		names[side] = map[numbered][]string{}
		c.eachLine(side, func(_ object.AtomID, t *traits, key numbered) {
			names[side][key] = append(names[side][key], t.name)
		})
	}
	same := func(a, b []string) bool { slices.Sort(a); slices.Sort(b); return slices.Equal(a, b) }
	if maps.EqualFunc(names[0], names[1], same) {
		return
	}
	for side := range c.Objects {
		c.eachLine(side, func(id object.AtomID, t *traits, key numbered) {
			if !same(names[0][key], names[1][key]) {
				t.number, t.line, t.Stem = true, true, key.stem
				t.says = c.content(side, id)
				c.numberLed(side, id)
			}
		})
	}
}

// numberLed tells apart by their content the constants that only an entry leads to.
func (c *Correlation) numberLed(side int, entry object.AtomID) {
	o := c.Objects[side]
	for i := range o.Atoms[entry].Refs {
		id := o.Atoms[entry].Refs[i].Target
		if id == object.NoAtom || o.Atoms[id].Kind != object.Const || len(o.Users(id)) != 1 {
			continue
		}
		if t := &c.Traits[side][id]; t.number && t.Class == classObject && t.says == "" {
			t.says = c.content(side, id)
		}
	}
}

// eachLine goes over the entries whose names end in numbers: local objects in a section
// that linkers make a table of (see [symname.IsIdentifier]).
func (c *Correlation) eachLine(side int, do func(object.AtomID, *traits, numbered)) {
	o := c.Objects[side]
	for i := range c.Traits[side] {
		t := &c.Traits[side][i]
		if t.Class != classObject || t.global || t.place > 0 || t.name == "" {
			continue
		}
		if section := o.SectionName(o.Atoms[i].Section); symname.IsIdentifier(section) && kerneltab.Of(section) == nil {
			if stem := strings.TrimRight(t.name, "0123456789"); stem != t.name && stem != "" {
				do(object.AtomID(i), t, numbered{section, stem, t.File})
			}
		}
	}
}
