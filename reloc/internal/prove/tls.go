package prove

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/image"
)

// solveTP handles an offset from the thread pointer.
func (m *Comparer) solveTP(u *use) *Difference {
	if off, ok := m.TLSOffset(int64(u.s), m.ModuleOf(u.t.Addr)); ok {
		if e := m.checkTLS(u, off); e != nil {
			return e
		}
	} else if m.isMain(u.t.Addr) {
		return u.fail(ReasonImplausible, "%s would be at %#x from the thread pointer, outside of the program's block", m.Sym(u.r.Sym).Name, int64(u.s))
	}
	if u.r.Target != object.NoAtom {
		u.bind(InTPAtom, int32(u.r.Target), u.s-m.symbolOff(u.r), false)
		return nil
	}
	u.bind(InTPOff, int32(u.r.Sym), u.s, false)
	return nil
}

// solveTLS handles an offset in the TLS block. Where the linker relaxed local
// dynamic code to local exec, the field counts from the thread pointer
// instead, and is negative.
func (m *Comparer) solveTLS(u *use) *Difference {
	if int64(u.s) < 0 && (m.isMain(u.t.Addr) || !m.hasTables(u.t.Addr)) {
		return m.solveTP(u)
	}
	if _, i := m.Image.ModuleAt(u.t.Addr); i != image.NoModule && u.s >= max(m.Image.Modules()[i].TLSSize, 1) && m.hasTables(u.t.Addr) {
		return u.fail(ReasonImplausible, "%s would be at %#x of a TLS block of %#x bytes", m.Sym(u.r.Sym).Name, u.s, m.Image.Modules()[i].TLSSize)
	}
	if e := m.checkTLS(u, u.s); e != nil {
		return e
	}
	if u.r.Target != object.NoAtom {
		u.bind(InTLSAtom, int32(u.r.Target), u.s-m.symbolOff(u.r), false)
		return nil
	}
	u.bind(InTLS, int32(u.r.Sym), u.s, false)
	return nil
}

// checkTLS compares the offset of a thread-local symbol in the block of its
// module with what run's symbols say.
func (m *Comparer) checkTLS(u *use, off uint64) *Difference {
	name := m.Sym(u.r.Sym).Name
	if g := m.Pre.Atom(u.r.Target); g != nil {
		name, off = g.Name, off-m.symbolOff(u.r)
	}
	if m.NoSymbols || name == "" {
		return nil
	}
	module := m.ModuleOf(u.t.Addr)
	local := u.r.Target != object.NoAtom && m.isLocal(u.r.Target)
	known := false
	for _, i := range m.Image.Named(name) {
		s := &m.Image.Symbols()[i]
		if s.Type != elf.STT_TLS || s.Module != module || local && !s.Local {
			continue
		}
		if s.Addr == off {
			return nil
		}
		known = true
	}
	if !known {
		return nil
	}
	return u.fail(ReasonSymbol, "leads to %#x in the TLS block, where %s is not", off, name)
}

// isLocal reports whether all names of an atom are local symbols.
func (m *Comparer) isLocal(id object.AtomID) bool {
	for _, i := range m.Pre.Atom(id).Symbols {
		if m.Sym(i).Bind() != elf.STB_LOCAL {
			return false
		}
	}
	return true
}

// isMain reports whether addr is code of a main program with a TLS block.
func (m *Comparer) isMain(addr uint64) bool {
	mod, _ := m.Image.ModuleAt(addr)
	return mod != nil && mod.Main && mod.TLSSize > 0
}

// TLSOffset turns a thread pointer offset into one in the TLS block of the main
// program, which ends at the thread pointer (ELF TLS ABI, section 3.4.6).
func (m *Comparer) TLSOffset(tp int64, module int) (uint64, bool) {
	if module == image.NoModule {
		return 0, false
	}
	mod := &m.Image.Modules()[module]
	align := max(mod.TLSAlign, 1)
	if mod.TLSSize > 1<<40 || align > 1<<40 {
		return 0, false
	}
	block := (mod.TLSSize + align - 1) / align * align
	if !mod.Main || mod.TLSSize == 0 || tp >= 0 || uint64(-tp) > block {
		return 0, false
	}
	return block - uint64(-tp), true
}

// tlsSlots says which dynamic relocation fills the slot, or the first of the
// pair, that an expression refers to (psABI 11.1 and TLS descriptors).
var tlsSlots = map[amd64.Expr]elf.R_X86_64{
	amd64.ExprTPSlot:   elf.R_X86_64_TPOFF64,
	amd64.ExprTLSGD:    elf.R_X86_64_DTPMOD64,
	amd64.ExprTLSLD:    elf.R_X86_64_DTPMOD64,
	amd64.ExprDescSlot: elf.R_X86_64_TLSDESC,
}

// solveTLSSlot handles a reference to a GOT slot, or a pair of slots, that
// tells where a thread-local symbol is.
func (m *Comparer) solveTLSSlot(u *use) *Difference {
	sym, id := m.Sym(u.r.Sym), int32(u.r.Sym)
	at := u.s
	if why := m.noSlot(at); why != "" {
		return u.fail(ReasonImplausible, "the TLS slot of %s would be at %#x: %s", sym.Name, at, why)
	}
	desc, ok := m.slotAt(at)
	if want := tlsSlots[u.h.Expr]; m.hasTables(at) && (ok || u.h.Expr != amd64.ExprTPSlot) && desc.Type != want {
		return u.fail(ReasonImplausible, "the TLS slot of %s would be at %#x, which no %v fills", sym.Name, at, want)
	}
	if u.h.Expr == amd64.ExprTLSLD {
		id = 0 // the slot is the module's, whatever symbol asks for it
	} else if desc.Name != "" && sym.Name != "" && desc.Name != sym.Name {
		return u.fail(ReasonSymbol, "leads to the TLS slot of %s, where pre has %s", desc.Name, sym.Name)
	}
	u.bind(InTLSSlot, id, at, false)
	switch u.h.Expr {
	case amd64.ExprTPSlot:
		return m.readTPSlot(u, desc, ok)
	case amd64.ExprTLSGD:
		second, ok := m.slotAt(at + 8)
		v, read := m.View.Word(at + 8)
		if read && (!ok || m.Image.IsLive()) {
			u.bind(InTLS, id, v, true)
		} else if ok && second.Defined {
			u.bind(InTLS, id, second.Value+uint64(second.Addend), true)
		}
	}
	return nil
}

// readTPSlot takes the offset from the thread pointer that a slot holds.
func (m *Comparer) readTPSlot(u *use, desc image.Slot, dynamic bool) *Difference {
	if dynamic && !m.Image.IsLive() {
		if desc.Defined {
			u.bind(InTLS, int32(u.r.Sym), desc.Value+uint64(desc.Addend), true)
		}
		return nil
	}
	v, read := m.View.Word(u.s)
	if !read {
		return nil
	}
	if u.s = v; dynamic && desc.Name != "" && !desc.Defined { // another module's
		u.bind(InTPOff, int32(u.r.Sym), v, true)
		return nil
	}
	return m.solveTP(u)
}
