package elfdiff

import (
	"cmp"
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/amd64"
)

// opAdd is the opcode of the additions, among others, of a number of four bytes; a reg
// field of 0 makes it one. opAddAX is that with %eax or %rax.
const (
	opAdd   = 0x81
	opAddAX = 0x05
)

// indexed refuses operands of code that a register is added to, and that name objects of
// one section by their offsets in it: what stands at the offset need not be what is
// meant, as of arr[i-3]. Whichever it is, the place is the same only while all objects of
// the section keep their distances, and none of them travels.
func (in *includer) indexed() {
	s := sharers{in, map[sharedBy]*sharing{}}
	for id, a := range in.Post.Functions() {
		travels := in.carried.Included[id]
		if i := in.index[id]; !travels && (i < 0 || in.list[i].Status != verdict.Same || in.past(in.Post, id) != nil) {
			continue
		}
		s.function(a, travels)
	}
}

// sharers knows the sections that hold several objects.
type sharers struct {
	*includer
	known map[sharedBy]*sharing
}

// sharedBy are the objects of a section of post that are larger than a number of bytes.
type sharedBy struct {
	section elfobj.SectionIndex
	above   uint64
}

// sharing says of a section of post what keeps it from being a fixed piece of memory;
// each text is empty where nothing does.
type sharing struct {
	named   int    // its objects that have names
	travels string // for code that travels: one of several objects travels too, or has another place
	stays   string // for code that stays: an object travels as a copy, or has another place
}

// function checks the operands of one function.
func (s *sharers) function(a *object.Atom, travels bool) {
	reported := map[elfobj.SectionIndex]bool{}
	k := insn.Cursor{Object: s.Post, Atom: a}
	for i := range a.Refs {
		r := &a.Refs[i]
		t := s.Post.Atom(r.Target)
		if !isWide(r) || t == nil || reported[t.Section] || s.Post.Symbol(r.Sym).Type() != elf.STT_SECTION {
			continue
		}
		why := s.doubt(t, travels)
		if why == "" || !addsRegister(&k, r, t) {
			continue
		}
		reported[t.Section] = true
		s.report(findingAt(s.Post, CodeEdgeReference, a.ID, r.Offset, "it adds a register to %s, which may be meant from another object of %s: %s",
			insn.RefText(s.Post, r), s.Post.SectionName(t.Section), why))
	}
}

// isWide reports whether a field is one that holds an address as it is, in four bytes.
func isWide(r *object.Ref) bool {
	t := elf.R_X86_64(r.Type)
	return !r.Implicit && (t == elf.R_X86_64_32S || t == elf.R_X86_64_32)
}

// doubt says why a place in t, with a register added, may be another one in the running
// program than in post.
func (s *sharers) doubt(t *object.Atom, travels bool) string {
	if t.Kind != object.Data && t.Kind != object.Const || storageOf(s.Post, t) == perCPUStorage {
		return ""
	}
	of := sharedBy{section: t.Section}
	if !travels && t.Size > maxWord {
		// Only another index, by just as much as objects moved, would make it look the
		// same: what has room for nothing to index is no other object to mean.
		of.above = maxWord
	}
	h := s.known[of]
	if h == nil {
		h = s.examine(of)
		s.known[of] = h
	}
	switch {
	case !travels:
		return h.stays
	case t.Anonymous() && h.named > 0 && s.carried.Included[t.ID]:
		return "the constant there travels"
	}
	return h.travels
}

// isShared reports whether an atom is one of the objects.
func (by sharedBy) isShared(a *object.Atom) bool {
	return (a.Kind == object.Data || a.Kind == object.Const) && !a.Anonymous() && a.Size > by.above && !a.Aside
}

// examine finds what moves or travels of the objects of a section.
func (s *sharers) examine(by sharedBy) *sharing {
	h := &sharing{}
	var first *object.Atom
	var moved, travels, copied string
	for id, b := range s.Post.SectionAtoms(by.section) {
		if s.copied[id] {
			copied = insn.Describe(s.Post, id, 0) + ", which changed, travels"
		}
		if !by.isShared(b) {
			continue
		}
		h.named++
		if first == nil {
			first = b
		}
		switch {
		case s.twins.Pre[id] == object.NoAtom:
			moved = b.Name + " is new in it"
		case !s.samePlace(first, b):
			moved = b.Name + " has another place in it than in pre"
		}
		if s.carried.Included[id] {
			travels = b.Name + " travels"
		}
	}
	if h.named > 1 {
		h.travels = cmp.Or(travels, copied, moved)
	}
	if n, lost := s.before(by, first); h.named > 1 || n > 1 {
		h.stays = cmp.Or(moved, lost)
	}
	if r := s.Post.SectionRange(by.section); r.Hi-r.Lo > 1 {
		h.stays = cmp.Or(copied, h.stays)
	}
	return h
}

// samePlace reports whether b is as far from a in pre as it is in post.
func (s *sharers) samePlace(a, b *object.Atom) bool {
	x, y := s.Pre.Atom(s.twins.Pre[a.ID]), s.Pre.Atom(s.twins.Pre[b.ID])
	return x != nil && y != nil && x.Section == y.Section && y.Offset-x.Offset == b.Offset-a.Offset
}

// before counts the objects that share a section with a, which may be nil, in pre, and
// names one that post does not have.
func (s *sharers) before(by sharedBy, a *object.Atom) (n int, lost string) {
	if a == nil || s.twins.Pre[a.ID] == object.NoAtom {
		return 0, ""
	}
	p := s.Pre.Atom(s.twins.Pre[a.ID])
	for id, b := range s.Pre.SectionAtoms(p.Section) {
		if !by.isShared(b) {
			continue
		}
		n++
		if s.twins.Post[id] == object.NoAtom {
			lost = b.Name + " is gone from it"
		}
	}
	return n, lost
}

// addsRegister reports whether the instruction with a field adds a register to it. The
// jump of a table that is known as one leads where the table begins, whatever is added.
// Code that does not decode may add one. The cursor stands before the field.
func addsRegister(k *insn.Cursor, r *object.Ref, t *object.Atom) bool {
	for {
		more, err := k.Load()
		if err != nil || !more {
			return true
		}
		if r.Offset < k.Off+uint64(k.Inst.Len) {
			break
		}
		k.Advance()
	}
	in, field := k.Inst, uint8(r.Offset-k.Off)
	if in.Class == amd64.JumpInd && t.Jumps && r.TargetOff == 0 {
		return false
	}
	if in.DispLen > 0 && in.DispOff == field {
		o := in.Operands(k.Bytes())
		return o.Base != amd64.NoReg || o.Index != amd64.NoReg
	}
	op := in.Opcode.Byte()
	return in.Opcode.Map() == 0 && (op == opAddAX || op == opAdd && k.Bytes()[in.ModRMOff]>>3&7 == 0)
}
