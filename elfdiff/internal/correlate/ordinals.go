package correlate

import (
	"maps"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/symname"
)

// ordinal is what the names have in common that compilers tell apart by numbers in the order of the source.
type ordinal struct {
	stem, file string
	class      byte
}

// ordinals pairs closures, and what else has a number in the order of the source instead of a name. One that comes
// or goes gives the names of those behind it to others: who holds the address of a closure would come to another one.
// Where the names of a stem tell nothing, code and constants are paired by content, and the last one with the last
// one; others stay single. Variables are paired like numbered ones.
func (c *Correlation) ordinals() {
	c.digests = map[digested]uint64{}
	defer func() { c.digests = nil }()
	var groups [2]map[ordinal][]object.AtomID
	for side := range groups {
		groups[side] = c.ordinalsOf(side)
	}
	for key, pre := range groups[0] {
		post := groups[1][key]
		if len(post) == 0 || len(pre) == 1 && len(post) == 1 && c.nameOf(0, pre[0]) == c.nameOf(1, post[0]) {
			continue
		}
		c.decideOrder(key, pre, post)
	}
}

func (c *Correlation) nameOf(side int, id object.AtomID) string { return c.Traits[side][id].name }

// ordinalsOf groups what may have such a number.
func (c *Correlation) ordinalsOf(side int) map[ordinal][]object.AtomID {
	groups := map[ordinal][]object.AtomID{}
	for i := range c.Traits[side] {
		t := &c.Traits[side][i]
		if !c.ordered(t) {
			continue
		}
		key := ordinal{symname.Unordered(t.name), t.File, t.Class}
		groups[key] = append(groups[key], object.AtomID(i))
	}
	return groups
}

// ordered reports whether the name of something may have such a number, or be without one as the first.
func (c *Correlation) ordered(t *traits) bool {
	return c.digests != nil && t.Class != 0 && t.place == 0 && symname.MayBeOrdered(t.name) && !isTypeInfo(t.name)
}

// isTypeInfo reports whether a constant says no more than the name of a type: it goes by that.
func isTypeInfo(name string) bool {
	return strings.HasPrefix(name, "_ZTI") || strings.HasPrefix(name, "_ZTS")
}

// decideOrder pairs what has one stem, unless its names tell what is what.
func (c *Correlation) decideOrder(key ordinal, pre, post []object.AtomID) {
	byName, other := [2]map[string]object.AtomID{{}, {}}, false
	for side, list := range [2][]object.AtomID{pre, post} {
		for _, id := range list {
			byName[side][c.nameOf(side, id)] = id
		}
	}
	for name := range byName[0] {
		_, both := byName[1][name]
		other = other || !both
	}
	other = other || len(byName[0]) != len(byName[1])
	if key.class == classFunc || c.areConst(0, pre) && c.areConst(1, post) {
		c.byDigest(byName, other)
	} else if other {
		for side, list := range [2][]object.AtomID{pre, post} {
			for _, id := range list {
				t := &c.Traits[side][id]
				t.number, t.global, t.Stem = true, false, key.stem
			}
		}
	}
}

func (c *Correlation) areConst(side int, list []object.AtomID) bool {
	return !slices.ContainsFunc(list, func(id object.AtomID) bool { return c.Objects[side].Atoms[id].Kind != object.Const })
}

// byDigest pairs code or constants of one stem by what they hold, if they have other names, or content says that the
// names went to others.
func (c *Correlation) byDigest(byName [2]map[string]object.AtomID, other bool) {
	var digests [2]map[string][]string // names, by content
	for side := range byName {
		digests[side] = map[string][]string{}
		for _, name := range slices.Sorted(maps.Keys(byName[side])) {
			d := c.content(side, byName[side][name])
			digests[side][d] = append(digests[side][d], name)
		}
	}
	if !other && !permuted(digests) {
		return
	}
	pair := func(pre, post string) {
		c.pair(byName[0][pre], byName[1][post], verdict.RuleContent)
		delete(byName[0], pre)
		delete(byName[1], post)
	}
	for d, pre := range digests[0] {
		post := digests[1][d]
		for _, name := range slices.Clone(pre) {
			if i, j := slices.Index(pre, name), slices.Index(post, name); j >= 0 {
				pair(name, name)
				pre, post = slices.Delete(pre, i, i+1), slices.Delete(post, j, j+1)
			}
		}
		for i := range min(len(pre), len(post)) {
			pair(pre[i], post[i])
		}
	}
	if len(byName[0]) == 1 && len(byName[1]) == 1 {
		for pre := range byName[0] {
			for post := range byName[1] {
				c.pair(byName[0][pre], byName[1][post], verdict.RuleOrder)
			}
		}
		return
	}
	for side := range byName {
		for _, id := range byName[side] {
			c.unpaired[side][id] = true
			if side == 0 && len(byName[1]) > 0 {
				c.Doubted[id] = true
			}
		}
	}
}

// permuted reports whether post has under another name what pre has, and not under that name any more.
func permuted(digests [2]map[string][]string) bool {
	for d, pre := range digests[0] {
		post := digests[1][d]
		if len(post) > 0 && !slices.ContainsFunc(pre, func(name string) bool { return slices.Contains(post, name) }) {
			return true
		}
	}
	return false
}
