package splice

import (
	"cmp"
	"debug/elf"
	"slices"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/elfobj"
)

// A Call is a call that the code of an update makes to code outside of it.
// Jumps are none: they leave no frame behind.
type Call struct {
	Function string  // of the update, "" when it has no symbol
	Offset   uint64  // of the call in the function, in bytes
	Symbol   string  // what is called, "" when it is called through a pointer
	Import   *Import // what is known about it, or nil
	Section  string  // of the object, that the function is in
}

// Calls lists the calls that leave the update, by object, section and offset.
// Code that does not decode counts as a call through a pointer.
func (l *Linker) Calls() ([]Call, error) {
	var out []Call
	for _, o := range l.objs {
		for _, s := range o.file.Sections {
			p := o.place[s.Index]
			if !p.used || p.area != areaCode || s.Type == elf.SHT_NOBITS {
				continue
			}
			list, err := l.callsOf(o, s)
			if err != nil {
				return nil, err
			}
			out = append(out, list...)
		}
	}
	return out, nil
}

// callsOf lists the calls of one section, function by function: what lies between
// them is padding.
func (l *Linker) callsOf(o *linkObject, s *elfobj.Section) ([]Call, error) {
	code, err := s.Data()
	if err != nil {
		return nil, err
	}
	relas, err := o.file.Relas(s.Index)
	if err != nil {
		return nil, err
	}
	at := make(map[uint64]*elfobj.Rela, len(relas))
	for i := range relas {
		at[relas[i].Offset] = &relas[i]
	}
	var out []Call
	next := uint64(0) // aliases are gone through once
	for _, f := range o.functionsOf(s) {
		start, end := max(f.Value, next), min(f.Value+f.Size, uint64(len(code)))
		for off := start; off < end; {
			in, err := amd64.Decode(code[off:end])
			if err != nil {
				out = append(out, Call{Function: f.Name, Section: s.Name, Offset: off - f.Value})
				break
			}
			if c, ok := l.call(o, &in, at[off+uint64(in.PCRelOff)]); ok {
				c.Function, c.Section, c.Offset = f.Name, s.Name, off-f.Value
				out = append(out, c)
			}
			off += uint64(in.Len)
		}
		next = max(next, end)
	}
	return out, nil
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

// call says where an instruction calls to; r is the relocation of its operand. It
// is false for what is no call, or stays in the update.
func (l *Linker) call(o *linkObject, in *amd64.Inst, r *elfobj.Rela) (Call, bool) {
	switch {
	case in.Class != amd64.Call && in.Class != amd64.CallInd:
		return Call{}, false
	case r == nil || uint64(r.Sym) >= uint64(len(o.syms)) || in.PCRelLen == 0:
		return Call{}, in.Class == amd64.CallInd // without a relocation, a call stays in its section
	}
	if in.Class == amd64.CallInd && !throughGOT[elf.R_X86_64(r.Type)] {
		return Call{}, true
	}
	sym := &o.syms[r.Sym]
	if sym.IsDefined() {
		return Call{}, false
	}
	im := o.imports[uint32(r.Sym)]
	if im == nil {
		return Call{Symbol: sym.Name}, true
	}
	if _, own := l.global[im.Name]; own && !im.known() && !l.twice[im.Name] {
		return Call{}, false // another object of the update defines it
	}
	return Call{Symbol: cmp.Or(im.Name, sym.Name), Import: im}, true
}

// throughGOT are the relocations of a slot that holds the address of a symbol.
var throughGOT = map[elf.R_X86_64]bool{
	elf.R_X86_64_GOTPCREL:      true,
	elf.R_X86_64_GOTPCRELX:     true,
	elf.R_X86_64_REX_GOTPCRELX: true,
}
