package object

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
)

// opLea is the opcode of lea, which takes an address without looking at what
// stands there.
const opLea = 0x8d

// measure finds the distance from each PC-relative field to the end of its
// instruction, and the references that have no relocation: branches from one
// function to another in the same section.
func (c *cutter) measure() {
	for i, s := range c.obj.File.Sections {
		if c.kinds[i] == Meta || s.Flags&elf.SHF_EXECINSTR == 0 {
			continue
		}
		if c.kinds[i] == Const {
			c.measureAside(s)
			continue
		}
		var implicit relas
		parts := c.cut[c.parts[i].Lo:c.parts[i].Hi]
		for j := range parts {
			a := &parts[j]
			if a.NoBits || a.Kind != c.kinds[s.Index] { // data in a section of code
				continue
			}
			list := c.within(s.Index, a.Offset, a.End())
			switch quick := quickDistances(a, list); {
			case len(parts) > 1 && (!quick || amd64.MayLeave(a.Bytes)):
				decodeRefs(a, list, &implicit)
			case !quick:
				decodeRefs(a, list, nil)
			}
		}
		if len(implicit.refs) > 0 {
			c.insert(s.Index, implicit)
		}
	}
}

// measureAside is measure for code that is cut later, at the places that are
// meant: pieces like those of .altinstr_aux, which jump back to where they came
// from (arch/x86/include/asm/cpufeature.h of Linux 6.1).
func (c *cutter) measureAside(s *elfobj.Section) {
	data, _ := s.Data() // cutSections has read it
	if uint64(len(data)) != s.Size {
		return
	}
	a := piece(s, Const, data, 0, s.Size)
	decodeRefs(&a, c.within(s.Index, 0, s.Size), nil)
}

// quickDistances sets the distances without decoding, from the bytes before
// the fields, and reports whether it could do so for all.
func quickDistances(a *Atom, list relas) bool {
	for i := range list.refs {
		r := &list.refs[i]
		if h, ok := amd64.HowtoOf(r.Type); !ok || !h.PCRel || h.Size != 4 {
			if ok && h.PCRel {
				return false
			}
			continue
		}
		f, ok := amd64.PCRelTail(a.Bytes, int(r.Offset-a.Offset))
		if !ok {
			return false
		}
		list.notes[i] = note(f.Tail)
		if f.Operand && f.Op != opLea {
			list.notes[i] |= noteAccess
		}
	}
	return true
}

// decodeRefs walks the instructions of a. It sets the distances in list, and
// appends to implicit, if it is wanted, the references that leave the atom
// without a relocation. When an instruction does not decode, the rest is marked
// as a guess.
func decodeRefs(a *Atom, list relas, implicit *relas) {
	next := 0
	for off := uint64(0); off < uint64(len(a.Bytes)); {
		in, err := amd64.Decode(a.Bytes[off:])
		if err != nil {
			a.Opaque = true
			break
		}
		field, end := a.Offset+off+uint64(in.PCRelOff), off+uint64(in.Len)
		owned := false
		for ; next < len(list.refs) && list.refs[next].Offset < a.Offset+end; next++ {
			if in.PCRelLen > 0 && list.refs[next].Offset == field {
				owned = true
				list.notes[next] = note(a.Offset + end - field)
				if in.IsRIPRelative() && a.Bytes[off+uint64(in.OpOff)] != opLea {
					list.notes[next] |= noteAccess
				}
			}
		}
		if in.PCRelLen > 0 && !owned && implicit != nil {
			implicit.leaving(a, in, off)
		}
		off = end
	}
	for ; next < len(list.refs); next++ {
		if h, ok := amd64.HowtoOf(list.refs[next].Type); ok && h.PCRel {
			list.notes[next] = 4 | noteGuess
		}
	}
}

// leaving appends the reference that the instruction at off makes to a place
// outside the atom, if it does.
func (l *relas) leaving(a *Atom, in amd64.Inst, off uint64) {
	to, ok := amd64.PCRelTarget(in, a.Bytes[off:], a.Offset+off)
	if !ok || to >= a.Offset && to < a.End() {
		return
	}
	dist := note(in.Len - in.PCRelOff)
	r := Ref{
		Offset: a.Offset + off + uint64(in.PCRelOff), Type: amd64.PC32, Addend: -dist.dist(),
		Target: NoAtom, TargetOff: int64(to), Implicit: true,
	}
	if in.PCRelLen == 1 {
		r.Type = relPC8
	}
	l.refs, l.notes = append(l.refs, r), append(l.notes, dist)
}
