package bundle

import (
	"cmp"
	"maps"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/gosplice/gosplice/internal/dwarf"
)

// maxDepth bounds chains of qualifiers, typedefs and nested types.
const maxDepth = 32

// comparer compares types of debug information with those of BTF.
type comparer struct {
	data    *dwarf.Data
	index   *dwarf.Index
	before  map[string]bool // named types of pre
	typed   map[string]bool // and of post
	specs   []*btf.Spec
	members map[string]bool // that are followed
	whole   map[string]bool // names of what is taken as a whole
	sized   bool            // everything may be
	entire  map[uint64]bool // types of which all has to be the same
	same    map[pairOf]bool
	todo    []uint64
	seen    map[uint64]bool
	differs map[string]string // names with what differs
	why     string            // the first difference of the type that is compared
}

type pairOf struct {
	entry uint64
	t     btf.Type
}

func newComparer(post, pre *dwarf.Data, specs []*btf.Spec) (*comparer, error) {
	c := &comparer{data: post, specs: specs, same: map[pairOf]bool{}, seen: map[uint64]bool{}, entire: map[uint64]bool{}, differs: map[string]string{}}
	var err error
	if c.index, err = post.Index(); err != nil {
		return nil, err
	}
	index, err := pre.Index()
	if err != nil {
		return nil, err
	}
	c.before, c.typed = typeNames(pre, index), typeNames(post, c.index)
	return c, nil
}

// typeNames are the names of all types.
func typeNames(d *dwarf.Data, index *dwarf.Index) map[string]bool {
	out := map[string]bool{}
	var e dwarf.Entry
	for _, list := range [][]uint64{index.Types, index.Typedefs} {
		for _, off := range list {
			if d.Entry(&e, off) {
				out[e.Name()] = true
			}
		}
	}
	return out
}

// enumerators are the constants of enumerations, and whether the kernel has each with that value only.
func (c *comparer) enumerators() map[string]bool {
	mine := map[string]uint64{}
	var e dwarf.Entry
	for _, list := range [][]uint64{c.index.Types, c.index.Enums} {
		for _, off := range list {
			if c.data.Entry(&e, off) && e.Tag == dwarf.TagEnumeration {
				eachEnumerator(&e, func(name string, value uint64) { mine[name] = value })
			}
		}
	}
	found, differs := map[string]bool{}, map[string]bool{}
	for _, spec := range c.specs {
		for t, err := range spec.All() {
			if err != nil {
				return nil
			}
			en, ok := t.(*btf.Enum)
			if !ok {
				continue
			}
			for _, v := range en.Values {
				if value, ok := mine[v.Name]; ok {
					found[v.Name] = true
					differs[v.Name] = differs[v.Name] || !sameValue(value, v.Value, en.Size)
				}
			}
		}
	}
	out := map[string]bool{}
	for name := range mine {
		out[name] = found[name] && !differs[name]
	}
	return out
}

func eachEnumerator(e *dwarf.Entry, yield func(name string, value uint64)) {
	var v dwarf.Entry
	for r := dwarf.ChildrenOf(e); r.NextSibling(&v); r.Skip(&v) {
		if v.Tag == dwarf.TagEnumerator {
			n, _ := v.Int(dwarf.AttrConstValue)
			yield(v.Name(), uint64(n))
		}
	}
}

// sameValue compares two constants in the size of their enumeration.
func sameValue(a, b uint64, size uint32) bool {
	if size < 8 {
		mask := uint64(1)<<(8*size) - 1
		return a&mask == b&mask
	}
	return a == b
}

// start begins with the types of variables and functions, and with those that are named.
func (c *comparer) start(w *Words) {
	c.members, c.whole, c.sized = setOf(w.Members), setOf(w.Whole), w.Sized
	for _, name := range w.Names {
		c.members[name] = true // as in offsetof()
	}
	functions, names, loose := setOf(w.Functions), setOf(w.Names), setOf(w.Loose)
	var e dwarf.Entry
	for _, off := range c.index.Functions {
		if !c.data.Entry(&e, off) {
			continue
		}
		f := e
		if name := c.data.Function(off).Name; functions[name] && !e.Flag(dwarf.AttrDeclaration) {
			eachVariable(c.data, &f, func(name string, typ uint64) { c.reach(name, typ, true) })
		} else if names[name] {
			if _, typ, ok := named(c.data, &f); ok { // the result
				c.reach("", typ, true)
			}
		}
	}
	for _, off := range c.index.Variables {
		if c.data.Entry(&e, off) && names[e.Name()] {
			if name, typ, ok := named(c.data, &e); ok {
				c.reach(name, typ, false)
			}
		}
	}
	for _, list := range [][]uint64{c.index.Types, c.index.Typedefs} {
		for _, off := range list {
			if c.data.Entry(&e, off) && (names[e.Name()] || c.hasMember(&e, loose)) {
				c.reach("", off, false)
			}
		}
	}
}

func setOf(list []string) map[string]bool {
	out := map[string]bool{}
	for _, x := range list {
		out[x] = true
	}
	return out
}

// hasMember reports whether a type has a member of one of some names.
func (c *comparer) hasMember(e *dwarf.Entry, names map[string]bool) bool {
	if len(names) == 0 || e.Tag != dwarf.TagStructure && e.Tag != dwarf.TagUnion {
		return false
	}
	found := false
	c.eachMember(e, 0, func(m *dwarf.Entry) { found = found || names[m.Name()] })
	return found
}

// eachMember yields the members of a type, with those of what has no name in it.
func (c *comparer) eachMember(e *dwarf.Entry, depth int, yield func(m *dwarf.Entry)) {
	var m, t dwarf.Entry
	for r := dwarf.ChildrenOf(e); e.Children && depth < maxDepth && r.NextSibling(&m); r.Skip(&m) {
		if m.Tag != dwarf.TagMember {
			continue
		}
		yield(&m)
		if typ, ok := m.Ref(dwarf.AttrType); ok && m.Name() == "" && c.data.Entry(&t, typ) {
			c.eachMember(&t, depth+1, yield)
		}
	}
}

// reach adds what the type of a name leads to by pointers, arrays and typedefs. Of a variable of new code
// that is one itself, all has to be the same.
func (c *comparer) reach(name string, off uint64, own bool) {
	var e dwarf.Entry
	entire := c.whole[name]
	for range maxDepth {
		if !c.data.Entry(&e, off) {
			return
		}
		switch e.Tag {
		case dwarf.TagStructure, dwarf.TagUnion, dwarf.TagEnumeration:
			c.add(off, entire || own)
			return
		case dwarf.TagTypedef:
			c.add(off, false)
		case dwarf.TagPointer:
			own = false
		}
		next, ok := e.Ref(dwarf.AttrType)
		if !ok {
			return
		}
		off = next
	}
}

func (c *comparer) add(off uint64, entire bool) {
	if !c.seen[off] || entire && !c.entire[off] {
		c.seen[off], c.entire[off] = true, entire
		c.todo = append(c.todo, off)
	}
}

// differing returns the names of the types that are not as in BTF, sorted.
func (c *comparer) differing() []string {
	var e dwarf.Entry
	for len(c.todo) > 0 {
		off := c.todo[len(c.todo)-1]
		c.todo = c.todo[:len(c.todo)-1]
		if !c.data.Entry(&e, off) {
			continue
		}
		x := e
		c.eachMember(&x, 0, func(m *dwarf.Entry) {
			if typ, ok := m.Ref(dwarf.AttrType); ok && (c.members[m.Name()] || m.Name() == "") {
				c.reach(m.Name(), typ, false)
			}
		})
		if c.why = ""; e.Name() != "" && !e.Flag(dwarf.AttrDeclaration) && !c.isSame(off, e.Name()) {
			c.differs[word(e.Tag)+e.Name()] = cmp.Or(c.why, "another type, or none of that name")
		}
	}
	return slices.Sorted(maps.Keys(c.differs))
}

func word(t dwarf.Tag) string {
	switch t {
	case dwarf.TagStructure:
		return "struct "
	case dwarf.TagUnion:
		return "union "
	case dwarf.TagEnumeration:
		return "enum "
	}
	return ""
}

// isSame reports whether the kernel has a type of that name, and each that it has is the same. One that
// the patch brings along is nobody's but the new code's.
func (c *comparer) isSame(off uint64, name string) bool {
	found := false
	for _, spec := range c.specs {
		list, _ := spec.AnyTypesByName(name)
		for _, t := range list {
			if !c.isKind(off, t) {
				continue
			}
			found = true
			if !c.fits(off, t) {
				return false
			}
		}
	}
	return found || !c.before[name]
}
