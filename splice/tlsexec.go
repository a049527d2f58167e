package splice

import (
	"bytes"
	"debug/elf"
)

// execForm is a way to get at thread-local data that asks the dynamic linker, and what a linker makes of it in a program, of
// which it knows where the data is (ELF TLS ABI, sections 5.1 to 5.4, in the forms for x86-64): by the offset from the
// thread pointer, or by a slot that has it.
type execForm struct {
	typ    elf.R_X86_64
	field  uint64 // where the field is in from
	from   []byte // with zeros for fields
	call   uint64 // where the field of the call is in from, 0 without one
	offset []byte
	slot   []byte
	to     uint64 // where the new field is
}

var (
	tlsBase   = []byte{0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0}           // mov %fs:0,%rax
	addTP     = append(bytes.Clone(tlsBase), 0x48, 0x8d, 0x80, 0, 0, 0, 0) // lea x@tpoff(%rax),%rax
	addSlot   = append(bytes.Clone(tlsBase), 0x48, 0x03, 0x05, 0, 0, 0, 0) // add x@gottpoff(%rip),%rax
	execForms = []execForm{
		{elf.R_X86_64_TLSGD, 4, []byte{0x66, 0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0x66, 0x66, 0x48, 0xe8, 0, 0, 0, 0}, 12, addTP, addSlot, 12},
		{elf.R_X86_64_TLSGD, 4, []byte{0x66, 0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0x66, 0x48, 0xff, 0x15, 0, 0, 0, 0}, 12, addTP, addSlot, 12},
		{elf.R_X86_64_TLSLD, 3, []byte{0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0xe8, 0, 0, 0, 0}, 8, append([]byte{0x66, 0x66, 0x66}, tlsBase...), nil, 0},
		{elf.R_X86_64_TLSLD, 3, []byte{0x48, 0x8d, 0x3d, 0, 0, 0, 0, 0xff, 0x15, 0, 0, 0, 0}, 9, append([]byte{0x66, 0x66, 0x66, 0x66}, tlsBase...), nil, 0},
		{elf.R_X86_64_GOTPC32_TLSDESC, 3, []byte{0x48, 0x8d, 0x05, 0, 0, 0, 0}, 0, []byte{0x48, 0xc7, 0xc0, 0, 0, 0, 0}, []byte{0x48, 0x8b, 0x05, 0, 0, 0, 0}, 3},
		{elf.R_X86_64_TLSDESC_CALL, 0, []byte{0xff, 0x10}, 0, []byte{0x66, 0x90}, []byte{0x66, 0x90}, 0},
	}
)

// toExec rewrites code that asks the dynamic linker for thread-local data, where the program's own code was rewritten like
// that, so that it has nothing to ask with. It reports whether the relocation is done with.
func (k *linking) toExec(u *use) (bool, error) {
	typ := elf.R_X86_64(u.rela.Type)
	if u.area != areaCode || typ != elf.R_X86_64_TLSGD && typ != elf.R_X86_64_TLSLD && typ != elf.R_X86_64_GOTPC32_TLSDESC && typ != elf.R_X86_64_TLSDESC_CALL {
		return false, nil
	}
	r, err := k.resolved(u)
	if err != nil || r.asks(typ) || r.TPOff == nil && r.TLSSlot == 0 {
		return false, err
	}
	for i := range execForms {
		f := &execForms[i]
		to := f.offset
		if r.TPOff == nil {
			to = f.slot
		}
		if f.typ != typ || to == nil || u.off < f.field || !isForm(k.mem[u.area][u.off-f.field:], f) {
			continue
		}
		start := u.off - f.field
		copy(k.mem[u.area][start:], to)
		if f.call != 0 {
			k.gone[areaPlace{u.area, start + f.call}] = true
		}
		if f.to == 0 {
			return true, nil
		}
		at, value := start+f.to, r.TLSSlot+uint64(u.rela.Addend)-(k.base[u.area]+start+f.to)
		if r.TPOff != nil {
			value = uint64(*r.TPOff + u.rela.Addend + 4) // the addend was for the end of the field
		}
		if int64(value) != int64(int32(value)) {
			return false, u.refuse(CodeOutOfReach, "%s does not fit", u.howto.Name)
		}
		for b := range uint64(4) {
			k.mem[u.area][at+b] = byte(value >> (8 * b))
		}
		return true, nil
	}
	return false, nil
}

// areaPlace is a place in what is linked.
type areaPlace struct {
	area area
	off  uint64
}

// asks reports whether the program has what such code asks the dynamic linker with.
func (r *Resolved) asks(typ elf.R_X86_64) bool {
	switch typ {
	case elf.R_X86_64_TLSGD:
		return r.TLSPair != 0
	case elf.R_X86_64_TLSLD:
		return r.TLSBlock != 0
	}
	return r.TLSDesc != 0
}

// isForm reports whether code has a form, its fields aside.
func isForm(b []byte, f *execForm) bool {
	if len(b) < len(f.from) {
		return false
	}
	for i, want := range f.from {
		field := f.field != 0 && uint64(i)-f.field < 4 || f.call != 0 && uint64(i)-f.call < 4
		if !field && b[i] != want {
			return false
		}
	}
	return true
}

// isLocalExec reports whether code of an object that asks for the block of its module becomes code that does not, so that
// what it adds are offsets from the thread pointer.
func (k *linking) isLocalExec(o *linkObject) (bool, error) {
	if is, ok := k.exec[o]; ok {
		return is, nil
	}
	k.exec[o] = false
	for _, s := range o.file.Sections {
		if !o.place[s.Index].used {
			continue
		}
		relas, err := o.file.Relas(s.Index)
		if err != nil {
			return false, err
		}
		for i := range relas {
			if im := o.imports[uint32(relas[i].Sym)]; elf.R_X86_64(relas[i].Type) == elf.R_X86_64_TLSLD && im != nil {
				r, err := k.ask(im)
				if err != nil {
					return false, err
				}
				k.exec[o] = r.TLSBlock == 0 && r.TPOff != nil
				return k.exec[o], nil
			}
		}
	}
	return false, nil
}
