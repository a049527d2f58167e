package splice

import (
	"cmp"
	"debug/elf"
	"fmt"
	"iter"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Call is a call that the code of an update makes to code outside of it.
// Jumps are none: they leave no frame behind.
type Call struct {
	Function string  // of the update, "" when it has no symbol
	Section  string  // of the object, that the function is in
	Offset   uint64  // of the call in the function, in bytes
	Symbol   string  // what is called, "" when it is called through a pointer
	Import   *Import // what is known about it, or nil
}

// Calls lists the calls that leave the update, by object, section and offset.
// Code that does not decode counts as a call through a pointer.
func (l *Linker) Calls() ([]Call, error) {
	var out []Call
	for _, o := range l.objs {
		for in, err := range o.instructions() {
			if err != nil {
				return nil, err
			}
			if c, ok := l.call(o, &in); ok {
				c.Function, c.Section, c.Offset = in.function, in.section.Name, in.off-in.start
				out = append(out, c)
			}
		}
	}
	return out, nil
}

// Takes says by what the update may hand out an address in its own memory, so that
// a pointer to it may be anywhere; "" when no code or data of it can: references
// to its own memory are loads, stores, calls and jumps.
func (l *Linker) Takes() (string, error) {
	for _, o := range l.objs {
		for in, err := range o.instructions() {
			if err != nil {
				return "", err
			}
			if l.takesAddress(o, &in) {
				return fmt.Sprintf("%s+%#x", in.function, in.off-in.start), nil
			}
		}
		for _, s := range o.file.Sections {
			if name, err := l.holdsAddress(o, s); name != "" || err != nil {
				return name, err
			}
		}
	}
	return "", nil
}

// inst is an instruction of an object of the update.
type inst struct {
	amd64.Inst
	function string
	section  *elfobj.Section
	start    uint64 // of the function, in the section
	off      uint64 // of the instruction, likewise
	code     []byte // that it starts
	relas    []*elfobj.Rela
	opaque   bool // it does not decode; what is behind is left out
}

// instructions goes over the code of an object, function by function: what lies
// between them is padding.
func (o *linkObject) instructions() iter.Seq2[inst, error] {
	return func(yield func(inst, error) bool) {
		for _, s := range o.file.Sections {
			p := o.place[s.Index]
			if !p.used || p.area != areaCode || s.Type == elf.SHT_NOBITS {
				continue
			}
			code, err := s.Data()
			if err != nil {
				yield(inst{}, err)
				return
			}
			relas, err := o.file.Relas(s.Index)
			if err != nil {
				yield(inst{}, err)
				return
			}
			at := make(map[uint64]*elfobj.Rela, len(relas))
			for i := range relas {
				at[relas[i].Offset] = &relas[i]
			}
			if !o.walk(s, code, at, func(in inst) bool { return yield(in, nil) }) {
				return
			}
		}
	}
}

// walk decodes the functions of one section. It is false when it was ended.
func (o *linkObject) walk(s *elfobj.Section, code []byte, relas map[uint64]*elfobj.Rela, visit func(inst) bool) bool {
	next := uint64(0) // aliases are gone through once
	for _, f := range o.functionsOf(s) {
		start, end := max(f.Value, next), min(f.Value+f.Size, uint64(len(code)))
		for off := start; off < end; {
			in := inst{function: f.Name, section: s, start: f.Value, off: off, code: code[off:end]}
			var err error
			if in.Inst, err = amd64.Decode(in.code); err != nil {
				in.opaque = true
			}
			for k := off; k < off+uint64(in.Len); k++ {
				if r := relas[k]; r != nil {
					in.relas = append(in.relas, r)
				}
			}
			if !visit(in) {
				return false
			}
			if in.opaque {
				break
			}
			off += uint64(in.Len)
		}
		next = max(next, end)
	}
	return true
}

// rela returns the relocation of the field at an offset in the instruction.
func (in *inst) rela(off uint8) *elfobj.Rela {
	for _, r := range in.relas {
		if r.Offset == in.off+uint64(off) {
			return r
		}
	}
	return nil
}

// functionsOf returns the functions of a section, by address. Code without one is
// a function without a name.
func (o *linkObject) functionsOf(s *elfobj.Section) []elfobj.Symbol {
	var out []elfobj.Symbol
	for i := range o.syms {
		f := &o.syms[i]
		if f.Section == s.Index && f.Type() == elf.STT_FUNC && f.Value < s.Size && f.Size <= s.Size-f.Value {
			out = append(out, *f)
		}
	}
	slices.SortStableFunc(out, func(a, b elfobj.Symbol) int { return cmp.Compare(a.Value, b.Value) })
	if len(out) == 0 {
		out = append(out, elfobj.Symbol{Size: s.Size})
	}
	return out
}

// call says where an instruction calls to. It is false for what is no call, or
// stays in the update.
func (l *Linker) call(o *linkObject, in *inst) (Call, bool) {
	if in.opaque {
		return Call{}, true
	}
	if in.Class != amd64.Call && in.Class != amd64.CallInd {
		return Call{}, false
	}
	r := in.rela(in.PCRelOff)
	if r == nil || uint64(r.Sym) >= uint64(len(o.syms)) || in.PCRelLen == 0 {
		return Call{}, in.Class == amd64.CallInd // without a relocation, a call stays in its section
	}
	if in.Class == amd64.CallInd && !throughGOT[elf.R_X86_64(r.Type)] {
		return Call{}, true
	}
	if l.own(o, r) {
		return Call{}, false
	}
	im := o.imports[uint32(r.Sym)]
	if im == nil {
		return Call{Symbol: o.syms[r.Sym].Name}, true
	}
	return Call{Symbol: cmp.Or(im.Name, o.syms[r.Sym].Name), Import: im}, true
}

// own reports whether a relocation refers to memory of the update.
func (l *Linker) own(o *linkObject, r *elfobj.Rela) bool {
	if uint64(r.Sym) >= uint64(len(o.syms)) {
		return true
	}
	if o.syms[r.Sym].IsDefined() {
		return o.syms[r.Sym].Section != elfobj.SecAbs
	}
	im := o.imports[uint32(r.Sym)]
	if im == nil || im.Known() || l.twice[im.Name] {
		return false
	}
	_, own := l.global[im.Name]
	return own
}

// takesAddress reports whether an instruction may put an address of the update
// into a register or memory, otherwise than a call does.
func (l *Linker) takesAddress(o *linkObject, in *inst) bool {
	if in.opaque {
		return true
	}
	const lea = 0x8d
	if in.IsRIPRelative() && in.rela(in.PCRelOff) == nil {
		return in.Opcode == lea // of a label of its own
	}
	for _, r := range in.relas {
		if !l.own(o, r) {
			continue
		}
		field := r.Offset - in.off
		target := in.IsBranch() && field == uint64(in.PCRelOff)
		content := in.DispLen != 0 && (field == uint64(in.DispOff) || field == uint64(in.PCRelOff)) && in.Opcode != lea && !throughGOT[elf.R_X86_64(r.Type)]
		if !target && !content {
			return true
		}
	}
	return false
}

// holdsAddress returns the name of a section of data that holds an address of the
// update, which code may load.
func (l *Linker) holdsAddress(o *linkObject, s *elfobj.Section) (string, error) {
	p := o.place[s.Index]
	if !p.used || p.area == areaCode || s.Name == kerneltab.EhFrame {
		return "", nil
	}
	relas, err := o.file.Relas(s.Index)
	if err != nil {
		return "", err
	}
	for i := range relas {
		if l.own(o, &relas[i]) {
			return fmt.Sprintf("%s+%#x", s.Name, relas[i].Offset), nil
		}
	}
	return "", nil
}

// throughGOT are the relocations of a slot that holds the address of a symbol.
var throughGOT = map[elf.R_X86_64]bool{
	elf.R_X86_64_GOTPCREL:      true,
	elf.R_X86_64_GOTPCRELX:     true,
	elf.R_X86_64_REX_GOTPCRELX: true,
}
