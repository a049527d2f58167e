package extraction

import (
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// updates lists the constants that are overwritten.
func (x *extraction) updates() []extract.DataUpdate {
	var list []extract.DataUpdate
	for _, p := range x.InPlace {
		a, b := &x.Pre.Atoms[p.Pre], &x.Post.Atoms[p.Post]
		u := extract.DataUpdate{Name: b.Name, Pre: p.Pre, Old: append([]byte(nil), a.Bytes...), New: append([]byte(nil), b.Bytes...)}
		ClearFields(u.Old, a)
		ClearFields(u.New, b)
		for i := range b.Refs {
			r := &b.Refs[i]
			sym, addend := x.symbolFor(b, r)
			u.Relas = append(u.Relas, elfobj.Rela{Offset: r.Offset, Addend: addend, Sym: sym, Type: r.Type})
		}
		list = append(list, u)
	}
	return list
}

// initialUpdates lists the variables whose members are set.
func (x *extraction) initialUpdates() []extract.InitialUpdate {
	var list []extract.InitialUpdate
	for i := range x.Initials {
		n := &x.Initials[i]
		a, b := &x.Pre.Atoms[n.Pre], &x.Post.Atoms[n.Post]
		u := extract.InitialUpdate{Name: b.Name, Pre: n.Pre, Old: content(a), New: content(b), Members: n.Members}
		for k := range b.Refs {
			if r := &b.Refs[k]; Covered(n.Members, r) {
				sym, addend := x.symbolFor(b, r)
				u.Relas = append(u.Relas, elfobj.Rela{Offset: r.Offset, Addend: addend, Sym: sym, Type: r.Type})
			}
		}
		list = append(list, u)
	}
	return list
}

// alignments turns what was found into symbols of the extracted object, those of pre
// by their atoms.
func (x *extraction) alignments(final []elfobj.SymbolIndex) []extract.Alignment {
	var list []extract.Alignment
	for _, n := range x.Aligned {
		key := externalKey{pre: n.Pre, name: n.Name}
		if sym, ok := x.ext[key]; ok {
			list = append(list, extract.Alignment{Symbol: final[sym], Offset: n.Off, Align: n.Align, Function: n.Function, At: n.At})
		}
	}
	slices.SortFunc(list, func(a, b extract.Alignment) int {
		return cmp.Or(cmp.Compare(a.Symbol, b.Symbol), cmp.Compare(a.Function, b.Function), cmp.Compare(a.At, b.At))
	})
	return list
}

// Covered reports whether a reference is in one of the words.
func Covered(members []extract.InitialMember, r *object.Ref) bool {
	for i := range members {
		if m := &members[i]; r.Offset >= m.Offset && r.Offset < m.Offset+m.Size {
			return true
		}
	}
	return false
}

// content returns a copy of the initial content of an atom.
func content(a *object.Atom) []byte {
	b := make([]byte, a.Size)
	copy(b, a.Bytes)
	ClearFields(b, a)
	return b
}
