package reloc

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff"
)

// solveTP handles an offset from the thread pointer.
func (m *matcher) solveTP(u *use) *MismatchError {
	if off, ok := m.tlsOffset(int64(u.s), m.moduleOf(u.t.addr)); ok {
		if e := m.checkTLS(u, off); e != nil {
			return e
		}
	} else if m.isMain(u.t.addr) {
		return u.fail(ReasonImplausible, "%s would be at %#x from the thread pointer, outside of the program's block", m.sym(u.r.Sym).Name, int64(u.s))
	}
	if u.r.Target != elfdiff.NoAtom {
		u.bind(inTPAtom, int32(u.r.Target), u.s-m.symbolOff(u.r), false)
		return nil
	}
	u.bind(inTPOff, int32(u.r.Sym), u.s, false)
	return nil
}

// solveTLS handles an offset in the TLS block. Where the linker relaxed local
// dynamic code to local exec, the field counts from the thread pointer
// instead, and is negative.
func (m *matcher) solveTLS(u *use) *MismatchError {
	if int64(u.s) < 0 {
		return m.solveTP(u)
	}
	if _, i := m.img.ModuleAt(u.t.addr); i != NoModule && u.s >= max(m.img.modules[i].TLSSize, 1) && m.hasTables(u.t.addr) {
		return u.fail(ReasonImplausible, "%s would be at %#x of a TLS block of %#x bytes", m.sym(u.r.Sym).Name, u.s, m.img.modules[i].TLSSize)
	}
	if e := m.checkTLS(u, u.s); e != nil {
		return e
	}
	if u.r.Target != elfdiff.NoAtom {
		u.bind(inTLSAtom, int32(u.r.Target), u.s-m.symbolOff(u.r), false)
		return nil
	}
	u.bind(inTLS, int32(u.r.Sym), u.s, false)
	return nil
}

// checkTLS compares the offset of a thread-local symbol in the block of its
// module with what run's symbols say.
func (m *matcher) checkTLS(u *use, off uint64) *MismatchError {
	name := m.sym(u.r.Sym).Name
	if g := m.pre.Atom(u.r.Target); g != nil {
		name, off = g.Name, off-m.symbolOff(u.r)
	}
	if m.opt.NoSymbols || name == "" {
		return nil
	}
	module := m.moduleOf(u.t.addr)
	local := u.r.Target != elfdiff.NoAtom && m.isLocal(u.r.Target)
	known := false
	for _, i := range m.img.byName()[name] {
		s := &m.img.symbols[i]
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
func (m *matcher) isLocal(id elfdiff.AtomID) bool {
	for _, i := range m.pre.Atom(id).Symbols {
		if m.sym(i).Bind() != elf.STB_LOCAL {
			return false
		}
	}
	return true
}

// isMain reports whether addr is code of a main program with a TLS block.
func (m *matcher) isMain(addr uint64) bool {
	mod, _ := m.img.ModuleAt(addr)
	return mod != nil && mod.Main && mod.TLSSize > 0
}

// tlsOffset turns a thread pointer offset into one in the TLS block of the main
// program, which ends at the thread pointer (ELF TLS ABI, section 3.4.6).
func (m *matcher) tlsOffset(tp int64, module int) (uint64, bool) {
	if module == NoModule {
		return 0, false
	}
	mod := &m.img.modules[module]
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
