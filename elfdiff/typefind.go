package elfdiff

import (
	"cmp"
	"slices"
	"sync"

	"github.com/gosplice/gosplice/internal/dwarf"
)

// Types compares the types that pre and post use, the signatures of the
// functions that changed ones call, and constants without a place in memory. It
// lists what means something else in post, in the order of pre's debug
// information; what no changed function or data object can reach comes without
// [TypeChange.Uses].
//
// Types are paired by name: struct foo of pre is struct foo of post. A type that
// only one side has, or only declares, has no other meaning. Typedefs and
// qualifiers make no difference: u32 is unsigned int.
//
// When nothing changed there is nothing to compare, and the list is empty. When
// one side has no debug information about types, or it is damaged, the error is
// [ErrNoTypes].
//
// The comparison is made once; the list must not be changed.
func (d *Diff) Types() ([]TypeChange, error) {
	if d.Changes() == 0 {
		return nil, nil
	}
	d.types.once.Do(func() { d.types.list, d.types.err = d.compareTypes() })
	return d.types.list, d.types.err
}

// typeChanges are the changed types, once they were asked for.
type typeChanges struct {
	once sync.Once
	list []TypeChange
	err  error
}

func (d *Diff) compareTypes() ([]TypeChange, error) {
	c, err := d.typeComparer()
	if err != nil {
		return nil, err
	}
	f := &typeFinder{c: c, d: d, list: c.changes()}
	f.because()
	f.signatures()
	f.uses()
	f.touched()
	f.private()
	out := make([]TypeChange, len(f.list))
	for i := range f.list {
		out[i] = f.list[i].TypeChange
	}
	return out, nil
}

// HasTypes reports whether the object has debug information that may be about
// types.
func (o *Object) HasTypes() bool { return o.dwarf().HasEntries() }

// typeComparer reads which types both sides have.
func (d *Diff) typeComparer() (*typeComparer, error) {
	c := &typeComparer{cache: make([]typePair, typeCache)}
	for i, o := range []*Object{d.Pre, d.Post} {
		s, err := o.typeSide()
		if err != nil {
			return nil, err
		}
		c.side[i] = s
		c.names.text[i] = s.d.Strings()
		c.budget += pairsPerEntry * (len(s.x.Types) + len(s.x.Functions) + 1)
	}
	return c, nil
}

// pairsPerEntry bounds how many pairs of types are compared for each outermost
// entry: structures have as many as members.
const pairsPerEntry = 1 << 10

// foundType is a changed type, with its entries.
type foundType struct {
	TypeChange
	// entries are those of pre and post: objects that were linked together have
	// one for each file that defines the type.
	entries [2][]uint64
	members []layoutMember // of pre
}

// changes compares all types that have the same name in pre and post.
func (c *typeComparer) changes() []foundType {
	list := c.inOrder()
	return append(list, c.constants()...)
}

// inOrder compares named types. Debug information has them in nearly the same
// order on both sides, so that most need not be looked for.
func (c *typeComparer) inOrder() []foundType {
	pre, post := c.side[0].typeNames(), c.side[1].typeNames()
	var list []foundType
	reported := map[string]int{} // index in list + 1
	var p, q resolved
	var byName map[string][]uint64
	j := 0
	for _, off := range pre {
		if !c.side[0].resolve(&p, off) {
			continue
		}
		if j < len(post) && c.side[1].resolve(&q, post[j]) && p.Tag == q.Tag && c.sameName(&p, &q) {
			j++
			if c.sameBody(&p.Entry, &q.Entry, 0) {
				continue
			}
		}
		if byName == nil {
			byName = c.side[1].named(post)
		}
		name := p.text()
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
		} else if t, ok := c.changed(&p, twins); ok && n == 0 {
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
func (c *typeComparer) changed(p *resolved, twins []uint64) (t foundType, ok bool) {
	var q resolved
	first := uint64(0)
	for _, twin := range twins[:min(len(twins), maxTwins)] {
		if !c.side[1].resolve(&q, twin) || p.Tag != q.Tag {
			continue
		}
		if c.sameBody(&p.Entry, &q.Entry, 0) {
			return t, false
		}
		first = cmp.Or(first, twin)
	}
	if first == 0 || !c.side[1].resolve(&q, first) {
		return t, false
	}
	t = foundType{entries: [2][]uint64{{p.Offset}, twins}}
	t.Name, t.Kind = p.text(), LayoutChanged
	if p.Tag == dwarf.TagEnumeration {
		t.Kind = EnumChanged
	}
	var a, b []layoutMember
	t.Pre.Size, a = c.side[0].layout(&p.Entry)
	t.Post.Size, b = c.side[1].layout(&q.Entry)
	t.members = a
	c.change(&t.TypeChange, a, b)
	return t, t.Pre.Size != t.Post.Size || len(t.Members) > 0
}

// text names the type as C does.
func (t *resolved) text() string {
	if len(t.typedef) > 0 {
		return string(t.typedef)
	}
	return tagText(&t.Entry)
}

// maxTwins bounds how many types of one name are compared with each other.
// Objects that were linked together have one for each file that defines it.
const maxTwins = 16

// typeNames lists the types with a name: a tag, or a typedef of a type without
// one.
func (s *typeSide) typeNames() []uint64 {
	list := slices.Clone(s.x.Types)
	var e dwarf.Entry
	for _, off := range s.x.Typedefs {
		if s.d.Entry(&e, off) && s.anonymous(typeOf(&e)) {
			list = append(list, off)
		}
	}
	return list
}

// anonymous reports whether a type is a structure, union or enumeration without
// a tag.
func (s *typeSide) anonymous(off uint64) bool {
	var e dwarf.Entry
	return off != 0 && s.d.Entry(&e, off) && typeWords[e.Tag] != "" && !e.Has(dwarf.AttrName)
}

// named lists types by name.
func (s *typeSide) named(all []uint64) map[string][]uint64 {
	m := make(map[string][]uint64, len(all))
	var t resolved
	for i, off := range all {
		if !s.resolve(&t, off) {
			continue
		}
		name := t.text()
		if list := m[name]; list == nil {
			m[name] = all[i : i+1 : i+1]
		} else {
			m[name] = append(list, off)
		}
	}
	return m
}

// constants compares the constants of enumerations without any name, and
// variables of which debug information has the value, since they take no
// memory.
func (c *typeComparer) constants() []foundType {
	enums := !c.sameEnums()
	pre, post := c.side[0].numbers(enums), c.side[1].numbers(enums)
	names := map[string]int64{}
	for _, m := range post {
		names[m.Name] = m.Value
	}
	var list []foundType
	for _, m := range pre {
		v, ok := names[m.Name]
		if !ok || v == m.Value {
			continue
		}
		delete(names, m.Name)
		n := m
		n.Value = v
		t := foundType{}
		t.Kind, t.Name = ConstantChanged, m.Name
		t.Pre.Members, t.Post.Members = []TypeMember{m}, []TypeMember{n}
		t.Members = []MemberChange{{MemberMoved, &t.Pre.Members[0], &t.Post.Members[0]}}
		list = append(list, t)
	}
	return list
}

// sameEnums reports whether the enumerations without a name are the same, in the
// same order, as they are most often.
func (c *typeComparer) sameEnums() bool {
	a, b := c.side[0].x.Enums, c.side[1].x.Enums
	if len(a) != len(b) {
		return false
	}
	var p, q dwarf.Entry
	for i := range a {
		if !c.side[0].d.Entry(&p, a[i]) || !c.side[1].d.Entry(&q, b[i]) || !c.sameBody(&p, &q, 0) {
			return false
		}
	}
	return true
}

// numbers lists the constants that stand for themselves, with those of
// enumerations on demand. Names that two have are left out.
func (s *typeSide) numbers(enums bool) []TypeMember {
	var list []TypeMember
	var e dwarf.Entry
	for _, off := range s.x.Enums {
		if !enums || !s.d.Entry(&e, off) {
			continue
		}
		for _, m := range s.enumerators(&e) {
			list = append(list, m.TypeMember)
		}
	}
	for _, off := range s.x.Variables {
		if !s.d.Entry(&e, off) {
			continue
		}
		if v, ok := e.Int(dwarf.AttrConstValue); ok && e.Has(dwarf.AttrName) {
			list = append(list, TypeMember{Name: e.Name(), Type: s.typeText(typeOf(&e)), Value: v})
		}
	}
	if len(list) == 0 {
		return nil
	}
	seen := map[string]int{}
	for i := range list {
		seen[list[i].Name]++
	}
	return slices.DeleteFunc(list, func(m TypeMember) bool { return seen[m.Name] > 1 })
}

// typeFinder finds what the changed types matter to.
type typeFinder struct {
	c    *typeComparer
	d    *Diff
	list []foundType
	// visits counts the work done to find uses.
	visits int
}

// signatures compares the signatures of the changed functions, and of what they
// call.
func (f *typeFinder) signatures() {
	var names [2]map[string]uint64
	checked := map[string]int{} // index in list + 1
	for i := range f.d.Functions {
		ch := &f.d.Functions[i]
		if ch.Status != Changed {
			continue
		}
		if names[0] == nil {
			names = [2]map[string]uint64{f.c.side[0].functions(), f.c.side[1].functions()}
		}
		for _, name := range f.called(ch) {
			n, known := checked[name]
			if !known {
				n = f.signature(name, names)
				checked[name] = n
			}
			if n > 0 {
				t := &f.list[n-1]
				t.Uses = append(t.Uses, TypeUse{Symbol: ch.Name, Pre: ch.Pre, Post: ch.Post})
			}
		}
	}
}

// called lists the names of a function and of those that pre and post of it
// both refer to.
func (f *typeFinder) called(ch *Change) []string {
	base, _ := variant(ch.Name)
	names := []string{base}
	pre := map[string]bool{}
	for i := range f.d.Pre.Atoms[ch.Pre].Refs {
		pre[f.d.Pre.calleeOf(&f.d.Pre.Atoms[ch.Pre].Refs[i])] = true
	}
	for i := range f.d.Post.Atoms[ch.Post].Refs {
		if name := f.d.Post.calleeOf(&f.d.Post.Atoms[ch.Post].Refs[i]); name != "" && pre[name] {
			names = append(names, name)
			delete(pre, name)
		}
	}
	return names
}

// calleeOf names the function that a reference may be to, as the source does.
func (o *Object) calleeOf(r *Ref) string {
	name := ""
	if r.Target == NoAtom {
		name = o.symbols[r.Sym].Name
	} else if a := &o.Atoms[r.Target]; a.Kind == Func {
		name = a.Name
	}
	base, _ := variant(name)
	return base
}

// functions lists the entries of functions by name, definitions rather than
// declarations.
func (s *typeSide) functions() map[string]uint64 {
	m := make(map[string]uint64, len(s.x.Functions))
	var e dwarf.Entry
	for _, off := range s.x.Functions {
		if !s.d.Entry(&e, off) || !e.Has(dwarf.AttrName) {
			continue // a concrete instance of one that has
		}
		name := e.Name()
		if _, ok := m[name]; !ok || !e.Has(dwarf.AttrDeclaration) {
			m[name] = off
		}
	}
	return m
}

// signature compares the signature of one function, and returns its index in
// the list + 1 when it differs, otherwise 0.
func (f *typeFinder) signature(name string, names [2]map[string]uint64) int {
	var p, q dwarf.Entry
	a, b := names[0][name], names[1][name]
	if a == 0 || b == 0 || !f.c.side[0].d.Entry(&p, a) || !f.c.side[1].d.Entry(&q, b) || f.c.sameSignature(&p, &q, 0) {
		return 0
	}
	t := foundType{}
	t.Kind, t.Name, t.Local = SignatureChanged, name, f.d.Pre.isStatic(name)
	f.c.change(&t.TypeChange, f.c.side[0].signature(&p), f.c.side[1].signature(&q))
	if len(t.Members) == 0 {
		return 0
	}
	f.list = append(f.list, t)
	return len(f.list)
}
