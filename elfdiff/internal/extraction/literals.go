package extraction

import (
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// A literal that pre has too has an address in what runs, which old code may have stored, and new
// code may compare: where it is known, the update has no copy of its own.

// placeInPre is a place in pre: an atom, and an offset from its start.
type placeInPre struct {
	atom object.AtomID
	off  int64
}

// stretch is a literal, or several anonymous ones that touch, of which nobody knows where one ends.
type stretch []*object.Atom

func (s stretch) start() uint64 { return s[0].Offset }

// stretches lists the atoms that are asked for, anonymous constants together with those that they touch.
func stretches(o *object.Object, want func(*object.Atom) bool) (list []stretch) {
	for i := range o.Atoms {
		a := &o.Atoms[i]
		if !want(a) {
			continue
		}
		if n := len(list); n > 0 {
			s := list[n-1]
			last := s[len(s)-1]
			if last.Section == a.Section && last.End() == a.Offset && MayTouch(last) && MayTouch(a) {
				list[n-1] = append(s, a)
				continue
			}
		}
		list = append(list, stretch{a})
	}
	return list
}

// contentKey is what makes two literals the same: what they are made of, and of units of which size.
type contentKey struct {
	kind    object.Kind
	entsize uint64
	bytes   string
}

// key returns the key of a literal of text or plain data that refers to nothing; false for anything else.
func (s stretch) key(o *object.Object) (contentKey, bool) {
	k := contentKey{kind: s[0].Kind, entsize: o.File.Sections[s[0].Section].Entsize}
	for _, a := range s {
		if !a.IsLiteral() || a.Kind != object.String && a.Kind != object.Const || len(a.Refs) > 0 || a.NoBits || a.Jumps || a.Aside || a.Place {
			return k, false
		}
		k.bytes += string(a.Bytes)
	}
	return k, true
}

// findOriginals finds the literals that need not travel.
func (x *extraction) findOriginals(run extract.Located) {
	if run == nil {
		return
	}
	slotted := x.slotted()
	pre := map[contentKey][]stretch{}
	for _, s := range stretches(x.Pre, (*object.Atom).IsLiteral) {
		if k, ok := s.key(x.Pre); ok {
			pre[k] = append(pre[k], s)
		}
	}
	for _, s := range stretches(x.Post, func(a *object.Atom) bool { return x.Included[a.ID] && a.IsLiteral() }) {
		k, ok := s.key(x.Post)
		if !ok || len(pre[k]) == 0 || s.any(slotted) {
			continue
		}
		if first, ok := x.original(run, s, pre[k]); ok {
			for _, a := range s {
				x.there[a.ID] = placeInPre{first, int64(a.Offset - s.start())}
			}
		}
	}
}

func (s stretch) any(set map[object.AtomID]bool) bool {
	for _, a := range s {
		if set[a.ID] {
			return true
		}
	}
	return false
}

// slotted are the atoms whose addresses are read from slots: these are the update's own.
func (x *extraction) slotted() map[object.AtomID]bool {
	out := map[object.AtomID]bool{}
	for i := range x.Post.Atoms {
		for k := range x.Post.Atoms[i].Refs {
			if r := &x.Post.Atoms[i].Refs[k]; x.Included[i] && r.Target != object.NoAtom && BySlot(r) {
				out[r.Target] = true
			}
		}
	}
	return out
}

// original returns the one of pre that stands for s: of the section of that name where there are
// several, and only if all that are known are at one address, which is aligned as post has it.
func (x *extraction) original(run extract.Located, s stretch, list []stretch) (object.AtomID, bool) {
	section := x.Post.SectionName(s[0].Section)
	var near []stretch
	for _, p := range list {
		if x.Pre.SectionName(p[0].Section) == section {
			near = append(near, p)
		}
	}
	if len(near) > 0 {
		list = near
	}
	found, at := object.NoAtom, uint64(0)
	for _, p := range list {
		addr, ok := p.address(run)
		if !ok {
			continue
		}
		if found != object.NoAtom && addr != at {
			return object.NoAtom, false
		}
		found, at = p[0].ID, addr
	}
	align := AlignAt(x.Post.File.Sections[s[0].Section].Addralign, s.start())
	return found, found != object.NoAtom && at%align == 0
}

// address returns where a stretch of pre is: all of it, in one piece.
func (s stretch) address(run extract.Located) (uint64, bool) {
	start, ok := run.AtomAddr(s[0].ID)
	for _, a := range s[1:] {
		addr, found := run.AtomAddr(a.ID)
		ok = ok && found && addr-start == a.Offset-s.start()
	}
	return start, ok
}
