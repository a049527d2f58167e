package object

import (
	"debug/elf"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/symname"
)

// number puts the atoms of all sections in order, cutting data on the way, gives
// them their ids, and fills the object's indices.
func (c *cutter) number() {
	o := c.obj
	n := len(c.cut)
	for i, kind := range c.kinds {
		if cutAtMarks(kind) || kind.IsLiteral() {
			s := elfobj.SectionIndex(i)
			n += len(c.marksOf(s)) + len(c.symbolsOf(s)) + 1
		}
	}
	o.Atoms = make([]Atom, 0, n)
	o.bySection = make([]AtomRange, len(c.kinds))
	for i, kind := range c.kinds {
		lo := AtomID(len(o.Atoms))
		if cutAtMarks(kind) || kind.IsLiteral() {
			o.Atoms = c.cutData(o.Atoms, o.File.Sections[i])
		} else {
			o.Atoms = append(o.Atoms, c.cut[c.parts[i].Lo:c.parts[i].Hi]...)
		}
		o.bySection[i] = AtomRange{lo, AtomID(len(o.Atoms))}
	}
	o.bySymbol = make([]AtomID, len(o.symbols))
	for i := range o.bySymbol {
		o.bySymbol[i] = NoAtom
	}
	for i := range o.Atoms {
		o.Atoms[i].ID = AtomID(i)
		for _, s := range o.Atoms[i].Symbols {
			o.bySymbol[s] = AtomID(i)
		}
	}
	for _, i := range c.symbols {
		if s := &o.symbols[i]; o.bySymbol[i] == NoAtom {
			o.bySymbol[i] = o.nearest(s.Section, int64(s.Value))
		}
	}
}

// nearest returns the atom of section s that covers off; for an offset between
// or behind the atoms the one before it, for one in front of all the first.
func (o *Object) nearest(s elfobj.SectionIndex, off int64) AtomID {
	if int(s) >= len(o.bySection) {
		return NoAtom
	}
	r := o.bySection[s]
	if r.Lo == r.Hi {
		return NoAtom
	}
	lo, hi := r.Lo, r.Hi // the first atom that starts behind off
	for lo < hi {
		if mid := lo + (hi-lo)/2; int64(o.Atoms[mid].Offset) <= off {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return max(lo-1, r.Lo)
}

// resolve gives each relocation to the atom that holds its field, and finds
// what it means.
func (c *cutter) resolve() {
	o := c.obj
	for sec := range c.relocAt {
		list, next := c.relasOf(elfobj.SectionIndex(sec)), 0
		for id := o.bySection[sec].Lo; id < o.bySection[sec].Hi && next < len(list.refs); id++ {
			a := &o.Atoms[id]
			for next < len(list.refs) && list.refs[next].Offset < a.Offset {
				next++ // a field in padding
			}
			first := next
			for ; next < len(list.refs) && list.refs[next].Offset < a.End(); next++ {
				c.ref(a, &list.refs[next], list.notes[next], list.refs[next+1:])
			}
			a.Refs = list.refs[first:next:next]
		}
	}
}

// ref resolves one relocation of an atom.
func (c *cutter) ref(a *Atom, r *Ref, n note, after []Ref) {
	sec, off, ok := c.place(r, n, a.Section)
	r.Offset -= a.Offset
	r.TargetOff = off
	if !ok {
		return
	}
	if !r.Implicit && c.obj.Symbol(r.Sym).Type() != elf.STT_SECTION {
		r.Target = c.obj.bySymbol[r.Sym]
	} else {
		r.Target = c.obj.nearest(sec, off)
		r.Edge = n&noteGuess != 0 || n&noteAccess == 0 && c.onEdge(r.Target, off) && !c.isGuarded(r, off, r.Offset+a.Offset, after)
	}
	if r.Target != NoAtom {
		r.TargetOff = off - int64(c.obj.Atoms[r.Target].Offset)
	}
}

// isGuarded reports whether a reference, with its field in front of that of a call, gives the call its argument, the
// guard of a static variable: it means the guard that starts at off.
func (c *cutter) isGuarded(r *Ref, off int64, field uint64, after []Ref) bool {
	const next, moved = 1 + 4, 3 + 1 + 4 // bytes from the one field to the other: a call, or mov %reg,%rdi before it
	a := &c.obj.Atoms[r.Target]
	return off == int64(a.Offset) && symname.IsGuard(a.Name) && len(after) > 0 &&
		(after[0].Offset == field+next || after[0].Offset == field+moved) &&
		strings.HasPrefix(c.obj.Symbol(after[0].Sym).Name, "__cxa_guard_")
}

// onEdge reports whether off, resolved to the atom id, could also mean a
// neighbour: it is the end of one and perhaps the start of the next. Only
// named data can be meant from outside its bounds.
func (c *cutter) onEdge(id AtomID, off int64) bool {
	if id == NoAtom {
		return false
	}
	a := &c.obj.Atoms[id]
	r := c.obj.bySection[a.Section]
	if !cutAtMarks(a.Kind) || r.Hi-r.Lo == 1 {
		return false
	}
	if off < int64(a.Offset) || off >= int64(a.End()) {
		return true
	}
	if id == r.Lo || off != int64(a.Offset) {
		return false
	}
	before := &c.obj.Atoms[id-1]
	return !before.Anonymous() && before.End() == a.Offset && !isUnnamable(before)
}

// own finds the functions that atoms belong to.
func (c *cutter) own() {
	o := c.obj
	o.users = o.findUsers()
	users := o.users
	for i := range o.Atoms {
		switch a := &o.Atoms[i]; a.Kind {
		case Unwind:
			ownRecord(o, a)
		case Func:
			if parent, ok := symname.ColdParent(a.Name); ok {
				a.Owner = c.parentOf(parent, users.of(a.ID))
			}
		}
	}
	for i := range o.Atoms {
		a := &o.Atoms[i]
		if a.Kind == Const && c.kinds[a.Section] == Const && o.File.Sections[a.Section].Flags&elf.SHF_EXECINSTR != 0 {
			a.Aside = true
			continue
		}
		if a.Kind == Const && a.Anonymous() && len(a.Refs) > 0 {
			ownJumpTable(o, a, users.of(a.ID))
		}
	}
}

// userLists lists for each atom those that refer to it, in order.
type userLists struct {
	list  []AtomID
	first []int32 // by atom and one more: where its users start
}

func (l *userLists) of(id AtomID) []AtomID {
	if id < 0 || int(id)+1 >= len(l.first) {
		return nil
	}
	lo, hi := l.first[id], l.first[id+1]
	return l.list[lo:hi:hi]
}

func (o *Object) findUsers() userLists {
	first := make([]int32, len(o.Atoms)+1)
	last := make([]AtomID, len(o.Atoms)) // the last user of each that was met, and one
	each := func(yield func(user, target AtomID)) {
		clear(last)
		for i := range o.Atoms {
			refs := o.Atoms[i].Refs
			for j := range refs {
				if t := refs[j].Target; t != NoAtom && last[t] != AtomID(i)+1 {
					last[t] = AtomID(i) + 1
					yield(AtomID(i), t)
				}
			}
		}
	}
	each(func(_, target AtomID) { first[target+1]++ })
	for i := 1; i < len(first); i++ {
		first[i] += first[i-1]
	}
	l := userLists{make([]AtomID, first[len(o.Atoms)]), first}
	next := slices.Clone(first)
	each(func(user, target AtomID) {
		l.list[next[target]] = user
		next[target]++
	})
	return l
}

// ownRecord gives an FDE, whose first reference is the start of the code that
// it describes, to that function, and with it the LSDA it names. A CIE has no
// such reference at offset 8.
func ownRecord(o *Object, a *Atom) {
	if len(a.Refs) == 0 || a.Refs[0].Offset != 8 || a.Refs[0].Target == NoAtom {
		return
	}
	if f := &o.Atoms[a.Refs[0].Target]; f.Kind == Func {
		a.Owner = f.ID
		for _, r := range a.Refs[1:] {
			if r.Target != NoAtom && o.Atoms[r.Target].Kind == LSDA {
				o.Atoms[r.Target].Owner = f.ID
			}
		}
	}
}

// parentOf finds the function that a cold part was split from: of the atoms
// that refer to it the one with the parent's name, else the only function with
// that name.
func (c *cutter) parentOf(parent string, users []AtomID) AtomID {
	for _, u := range users {
		if f := &c.obj.Atoms[u]; f.Kind == Func && f.Name == parent {
			return u
		}
	}
	if c.functions == nil {
		c.functions = map[string]AtomID{}
		for id, f := range c.obj.Functions() {
			if _, twice := c.functions[f.Name]; twice {
				id = NoAtom
			}
			c.functions[f.Name] = id
		}
	}
	if id, ok := c.functions[parent]; ok {
		return id
	}
	return NoAtom
}

// ownJumpTable recognises a jump table: anonymous, used by the code of one
// function, and nothing but words that lead into that code. Tables of
// position-independent code hold distances from their own start, which a
// PC-relative relocation can only say with an addend that grows along the
// table; it is taken out here.
func ownJumpTable(o *Object, a *Atom, users []AtomID) {
	owner := NoAtom
	for _, u := range users {
		f := &o.Atoms[u]
		if f.Kind == Unwind || f.Kind == Meta {
			continue
		}
		if f.Kind != Func {
			return
		}
		root := f.Root()
		if owner != NoAtom && owner != root {
			return
		}
		owner = root
	}
	if owner == NoAtom {
		return
	}
	fixed := slices.Clone(a.Refs)
	for i := range fixed {
		if !leadsInto(o, a, &fixed[i], owner) {
			return
		}
	}
	a.Jumps, a.Owner = true, owner
	copy(a.Refs, fixed)
}

// Root returns the function that the code belongs to: itself, or the parent of
// a cold part.
func (a *Atom) Root() AtomID {
	if a.Owner != NoAtom {
		return a.Owner
	}
	return a.ID
}

// leadsInto re-resolves a jump table's entry, and reports whether it leads to
// the owner or to its cold part.
func leadsInto(o *Object, table *Atom, r *Ref, owner AtomID) bool {
	if r.Target == NoAtom || o.Atoms[r.Target].Section.IsReserved() {
		return false
	}
	sec := o.Atoms[r.Target].Section
	off := int64(o.Atoms[r.Target].Offset) + r.TargetOff
	if r.Type == amd64.PC32 {
		off -= int64(r.Offset)
	}
	id := o.nearest(sec, off)
	if id == NoAtom {
		return false
	}
	f := &o.Atoms[id]
	if f.Kind != Func || f.Root() != owner || off < int64(f.Offset) || off > int64(f.End()) {
		return false
	}
	r.Target, r.TargetOff, r.Edge = id, off-int64(f.Offset), false
	return true
}
