package typediff

import (
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// Pair is what the comparison of types has to know of two objects and of what
// changed between them.
type Pair struct {
	Pre, Post *object.Object
	// Functions and Data are the verdicts.
	Functions, Data []verdict.Change
	// PreOf has the atom of pre for each of post.
	PreOf []object.AtomID
	// ByCallers are functions of post that take effect by their callers.
	ByCallers map[object.AtomID]bool
}

// Compare lists what means something else in post.
func (d *Pair) Compare() ([]types.Change, error) {
	c, err := d.Comparer()
	if err != nil {
		return nil, err
	}
	f := &typeFinder{c: c, d: d, list: Changes(c)}
	f.inner()
	f.because()
	f.signatures()
	f.uses()
	f.variables()
	f.touched()
	f.private()
	f.onStacks()
	out := make([]types.Change, len(f.list))
	for i := range f.list {
		out[i] = f.list[i].Change
	}
	return out, nil
}

// Comparer reads which types both sides have.
func (d *Pair) Comparer() (*dtypes.Comparer, error) {
	c := &dtypes.Comparer{Cache: make([]dtypes.Pair, dtypes.CacheSize)}
	for i, o := range []*object.Object{d.Pre, d.Post} {
		s, err := dtypes.Of(o)
		if err != nil {
			return nil, err
		}
		c.Side[i] = s
		c.Names.Text[i] = s.Data.Strings()
		c.Budget += pairsPerEntry * (len(s.Index.Types) + len(s.Index.Functions) + 1)
	}
	return c, nil
}

// pairsPerEntry bounds how many pairs of types are compared for each outermost
// entry: structures have as many as members.
const pairsPerEntry = 1 << 10

// Found is a changed type, with its entries.
type Found struct {
	types.Change
	// entries are those of pre and post: objects that were linked together have
	// one for each file that defines the type.
	entries [2][]uint64
	members []dtypes.LayoutMember // of pre
}

// Changes compares all types that have the same name in pre and post.
func Changes(c *dtypes.Comparer) []Found {
	list := inOrder(c)
	return append(list, constants(c)...)
}

// inOrder compares named types. Debug information has them in nearly the same
// order on both sides, so that most need not be looked for.
func inOrder(c *dtypes.Comparer) []Found {
	pre, post := TypeNames(c.Side[0]), TypeNames(c.Side[1])
	var list []Found
	reported := map[string]int{} // index in list + 1
	var p, q dtypes.Resolved
	var byName map[string][]uint64
	j := 0
	for _, off := range pre {
		if !c.Side[0].Resolve(&p, off) {
			continue
		}
		if j < len(post) && c.Side[1].Resolve(&q, post[j]) && p.Tag == q.Tag && c.SameName(&p, &q) {
			j++
			if c.SameBody(&p.Entry, &q.Entry, 0) {
				continue
			}
		}
		if byName == nil {
			byName = named(c.Side[1], post)
		}
		name := TextOf(&p)
		twins := byName[name]
		if len(twins) == 0 {
			continue
		}
		for i := range post[:min(len(post), maxAhead)] { // go on behind its twin
			if k := (j + i) % len(post); slices.Contains(twins, post[k]) {
				j = k + 1
				break
			}
		}
		if n := reported[name]; n > 0 && len(list[n-1].entries[0]) < maxCopies {
			t := &list[n-1]
			t.entries[0] = append(t.entries[0], p.Offset)
		} else if t, ok := changed(c, &p, twins); ok && n == 0 {
			list = append(list, t)
			reported[name] = len(list)
		}
	}
	return list
}

// maxCopies bounds how many definitions of one changed type are kept.
const maxCopies = 1 << 12

// maxAhead bounds how far the twin of a type is looked for in the order of post.
const maxAhead = 64

// changed compares a type with those that have its name.
func changed(c *dtypes.Comparer, p *dtypes.Resolved, twins []uint64) (t Found, ok bool) {
	var q dtypes.Resolved
	first := uint64(0)
	for _, twin := range twins[:min(len(twins), maxTwins)] {
		if !c.Side[1].Resolve(&q, twin) || p.Tag != q.Tag {
			continue
		}
		if c.SameBody(&p.Entry, &q.Entry, 0) {
			return t, false
		}
		first = cmp.Or(first, twin)
	}
	if first == 0 || !c.Side[1].Resolve(&q, first) {
		return t, false
	}
	t = Found{entries: [2][]uint64{{p.Offset}, twins}}
	t.Name, t.Kind = TextOf(p), types.LayoutChanged
	if p.Tag == dwarf.TagEnumeration {
		t.Kind = types.EnumChanged
	}
	var a, b []dtypes.LayoutMember
	t.Pre.Size, a = c.Side[0].Layout(&p.Entry)
	t.Post.Size, b = c.Side[1].Layout(&q.Entry)
	t.members = a
	c.Change(&t.Change, a, b)
	return t, t.Pre.Size != t.Post.Size || len(t.Members) > 0
}

// TextOf names the type as C does.
func TextOf(t *dtypes.Resolved) string {
	if len(t.Typedef) > 0 {
		return string(t.Typedef)
	}
	return dtypes.TagText(&t.Entry)
}

// maxTwins bounds how many types of one name are compared with each other.
// Objects that were linked together have one for each file that defines it.
const maxTwins = 16

// TypeNames lists the types with a name: a tag, or a typedef of a type without
// one.
func TypeNames(s *dtypes.Side) []uint64 {
	list := slices.Clone(s.Index.Types)
	var e dwarf.Entry
	for _, off := range s.Index.Typedefs {
		if s.Data.Entry(&e, off) && anonymous(s, dtypes.TypeOf(&e)) {
			list = append(list, off)
		}
	}
	return list
}

// anonymous reports whether a type is a structure, union or enumeration without
// a tag.
func anonymous(s *dtypes.Side, off uint64) bool {
	var e dwarf.Entry
	return off != 0 && s.Data.Entry(&e, off) && dtypes.Words[e.Tag] != "" && !e.Has(dwarf.AttrName)
}

// named lists types by name.
func named(s *dtypes.Side, all []uint64) map[string][]uint64 {
	m := make(map[string][]uint64, len(all))
	var t dtypes.Resolved
	for i, off := range all {
		if !s.Resolve(&t, off) {
			continue
		}
		name := TextOf(&t)
		if list := m[name]; list == nil {
			m[name] = all[i : i+1 : i+1]
		} else {
			m[name] = append(list, off)
		}
	}
	return m
}

// typeFinder finds what the changed types matter to.
type typeFinder struct {
	c    *dtypes.Comparer
	d    *Pair
	list []Found
	// visits counts the work done to find uses.
	visits int
}
