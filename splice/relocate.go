package splice

import (
	"debug/elf"
	"errors"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
)

// linking is the state of one Link.
type linking struct {
	*Linker
	base  [numAreas]uint64
	mem   [numAreas][]byte
	out   *Linked
	ask   func(*Import) (Resolved, error)
	value map[*Import]*Resolved
	slot  map[uint64]uint64    // content -> address of the GOT slot that holds it
	thunk map[uint64]uint64    // target -> address of the jump to it
	gone  map[areaPlace]bool   // fields of calls that were written over
	exec  map[*linkObject]bool // see isLocalExec
}

// relocate applies the relocations of one object.
func (k *linking) relocate(o *linkObject) error {
	for _, s := range o.file.Sections {
		p := o.place[s.Index]
		if !p.used {
			continue
		}
		relas, err := o.file.Relas(s.Index)
		if err != nil {
			return err
		}
		for i := range relas {
			if err := k.apply(o, s, p, &relas[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// use is one relocation being applied.
type use struct {
	obj   *linkObject
	sec   *elfobj.Section
	rela  *elfobj.Rela
	howto *amd64.Howto
	sym   *elfobj.Symbol
	area  area
	off   uint64 // of the field, in the area
}

func (u *use) refuse(code Code, format string, args ...any) *Refusal {
	return Refuse(code, u.sym.Name, u.sec.Name, u.rela.Offset, format, args...)
}

func (k *linking) apply(o *linkObject, s *elfobj.Section, p sectionPlace, r *elfobj.Rela) error {
	u := &use{obj: o, sec: s, rela: r, sym: new(elfobj.Symbol), area: p.area, off: p.off + r.Offset}
	switch {
	case uint64(r.Sym) < uint64(len(o.syms)):
		u.sym = &o.syms[r.Sym]
	case r.Sym != 0: // of another symbol table than the first
		return u.refuse(CodeUnsupported, "relocation with symbol %d of %d", r.Sym, len(o.syms))
	}
	h, ok := amd64.HowtoOf(r.Type)
	if !ok {
		return u.refuse(CodeUnsupported, "relocation type %d", r.Type)
	}
	u.howto = h
	if r.Offset > s.Size || uint64(h.Size) > s.Size-r.Offset {
		return u.refuse(CodeUnsupported, "%s outside its section", h.Name)
	}
	if k.gone[areaPlace{u.area, u.off}] {
		return nil // of a call that is no more
	}
	if done, err := k.toExec(u); done || err != nil {
		return err
	}
	v, err := k.valueFor(u)
	if err != nil {
		return err
	}
	k.noteEscape(u)
	place := k.base[u.area] + u.off
	err = h.Apply(k.mem[u.area][u.off:], v, r.Addend, place)
	if !errors.Is(err, amd64.ErrOverflow) {
		return err
	}
	near, ok := k.nearer(u, v)
	if ok {
		// Only now is memory sliced: a thunk or a slot may have moved it.
		err = h.Apply(k.mem[u.area][u.off:], near, r.Addend, place)
	}
	if !errors.Is(err, amd64.ErrOverflow) {
		return err
	}
	ref := u.refuse(CodeOutOfReach, "%s to %#x does not fit", h.Name, v)
	ref.Err = err
	return ref
}

// nearer returns something that stands for v, which is too far away: a thunk for
// the target of a branch, a slot for that of the program. The address of a function
// of a library is that of the program's PLT entry where code holds it in 31 bits
// (psABI section 4.4.1, "Function Addresses"). Unwind information names personality
// routines, which are called, and may go by way of a thunk.
func (k *linking) nearer(u *use, v uint64) (uint64, bool) {
	if k.isBranch(u) {
		return k.thunkTo(v), true
	}
	if r := k.value[u.obj.imports[uint32(u.rela.Sym)]]; u.howto.Expr == amd64.ExprAbs && r != nil && r.PLT != 0 {
		return r.PLT, true
	}
	if u.howto.Expr == amd64.ExprAbs && u.howto.Size == 4 && u.sec.Name == kerneltab.EhFrame {
		return k.thunkTo(v), true // a personality routine, which is called only
	}
	if u.howto.Expr == amd64.ExprGOTPC {
		if a, err := k.address(u); err == nil {
			return k.slotFor(a), true
		}
	}
	return 0, false
}

// isBranch reports whether the field is the displacement of a direct call or
// jump, which may go by way of a thunk.
func (k *linking) isBranch(u *use) bool {
	t := elf.R_X86_64(u.rela.Type)
	if u.area != areaCode || t != elf.R_X86_64_PLT32 && t != elf.R_X86_64_PC32 || u.rela.Addend != -4 || u.rela.Offset == 0 {
		return false
	}
	op := k.mem[u.area][u.off-1]
	return op == 0xe8 || op == 0xe9 || u.rela.Offset > 1 && k.mem[u.area][u.off-2] == 0x0f && op&0xf0 == 0x80
}

// values says, by the expression of a relocation, how its s is found. An
// expression without a row can't be applied after the link.
var values = map[amd64.Expr]func(*linking, *use) (uint64, error){
	amd64.ExprNone:   func(*linking, *use) (uint64, error) { return 0, nil },
	amd64.ExprAbs:    (*linking).address,
	amd64.ExprPC:     (*linking).address,
	amd64.ExprPLT:    (*linking).callee,
	amd64.ExprGOTPC:  (*linking).gotSlot,
	amd64.ExprSize:   func(_ *linking, u *use) (uint64, error) { return u.sym.Size, nil },
	amd64.ExprTPOff:  (*linking).tpOff,
	amd64.ExprTPSlot: (*linking).tpSlot,
	amd64.ExprDTPOff: (*linking).dtpOff,
	amd64.ExprTLSGD:  (*linking).tlsPair,
	amd64.ExprTLSLD:  (*linking).tlsBlock,

	amd64.ExprDescSlot: (*linking).tlsDesc,
}

func (k *linking) valueFor(u *use) (uint64, error) {
	f, ok := values[u.howto.Expr]
	if !ok {
		return 0, u.refuse(CodeUnsupported, "%s (%s)", u.howto.Name, u.howto.Expr)
	}
	return f(k, u)
}

// resolved returns the value of an undefined symbol.
func (k *linking) resolved(u *use) (*Resolved, error) {
	im := u.obj.imports[uint32(u.rela.Sym)]
	if im == nil {
		return nil, u.refuse(CodeUnresolved, "the update does not say what it is")
	}
	if !im.Known() && k.twice[im.Name] {
		return nil, u.refuse(CodeUnresolved, "several objects of the update define it")
	}
	if r := k.value[im]; r != nil {
		return r, nil
	}
	r, err := k.ask(im)
	if err != nil && (u.sym.Bind() != elf.STB_WEAK || !errors.Is(err, image.ErrUndefined)) {
		return nil, err
	}
	k.value[im] = &r
	return &r, nil
}

// local returns the address of a symbol that the update itself defines, be it
// another object of it.
func (k *linking) local(u *use) (uint64, bool) {
	if a, ok := k.out.symbols[symbolRef{u.obj, u.rela.Sym}]; ok {
		return a, true
	}
	if u.sym.Section == elfobj.SecAbs {
		return u.sym.Value, true
	}
	im := u.obj.imports[uint32(u.rela.Sym)]
	if im == nil || im.Known() {
		return 0, false
	}
	if ref, ok := k.global[im.Name]; ok && !k.twice[im.Name] {
		a, ok := k.out.symbols[ref]
		return a, ok
	}
	return 0, false
}

// Known reports whether run-pre matching gave any value.
func (im *Import) Known() bool {
	return im.Address != nil || im.PLT != nil || im.GOT != nil || im.TLSSlot != nil || im.TLSBlock != nil || im.TPOff != nil || im.TLS != nil
}

func (k *linking) address(u *use) (uint64, error) {
	if a, ok := k.local(u); ok {
		return a, nil
	}
	r, err := k.resolved(u)
	if err != nil {
		return 0, err
	}
	switch {
	case r.Address != 0:
		return r.Address, nil
	case r.PLT != 0 && k.isBranch(u):
		return r.PLT, nil
	case u.sym.Bind() == elf.STB_WEAK:
		return 0, nil // psABI: an undefined weak symbol is 0
	}
	return 0, u.refuse(CodeUnresolved, "its address is not known")
}

// callee prefers the PLT entry that the program itself goes through: it is
// near, and holds what the dynamic linker chose.
func (k *linking) callee(u *use) (uint64, error) {
	if _, ok := k.local(u); !ok {
		r, err := k.resolved(u)
		if err != nil {
			return 0, err
		}
		if r.PLT != 0 {
			return r.PLT, nil
		}
	}
	return k.address(u)
}
