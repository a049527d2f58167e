package image

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
)

// Errors of [Image.Resolve].
var (
	ErrUndefined = errors.New("no module defines the symbol")
	ErrAmbiguous = errors.New("several modules define the symbol")
	ErrIndirect  = errors.New("the symbol is an IFUNC, and nothing in the image is bound to it yet")
)

// export is a symbol that a module offers to others.
type export struct {
	addr  uint64 // run address; of an IFUNC that of its resolver
	ifunc bool
	weak  bool
	typ   elf.SymType
}

// versymHidden marks a symbol version that is not the default one, which only
// a reference with that version binds to (Elf64_Versym; LSB Core 5.0,
// section 10.7.2).
const versymHidden = 0x8000

// exports reads what a module offers: its defined global dynamic symbols in
// their default versions, but not thread-local ones.
func (l *loaded) exports() map[string]export {
	out := map[string]export{}
	if l.dyn == nil {
		return out
	}
	syms, err := l.dyn.symbols()
	if err != nil {
		return out
	}
	versions, _ := l.dyn.table("symbol versions", elf.DT_VERSYM, uint64(len(syms))*2)
	for i, s := range syms {
		hidden := 2*i+2 <= len(versions) && binary.LittleEndian.Uint16(versions[2*i:])&versymHidden != 0
		if hidden || s.name == "" || s.section == elf.SHN_UNDEF || s.bind == elf.STB_LOCAL || s.typ == elf.STT_TLS {
			continue
		}
		addr := s.value
		if s.section != elf.SHN_ABS {
			addr += l.mod.Bias
		}
		out[s.name] = export{addr: addr, ifunc: s.typ == elf.STT_GNU_IFUNC, weak: s.bind == elf.STB_WEAK, typ: s.typ}
	}
	return out
}

// Resolve returns the run address that a reference by name from the given
// module leads to, in a live image. What the dynamic linker has bound already
// decides: a GOT slot for that name, of the module itself or else of any other.
// Otherwise it is the definition in the module itself, or the only one that
// another module exports. The choice of an IFUNC resolver is read off a slot
// that it filled; nothing is run.
//
// The error wraps [ErrUndefined], [ErrAmbiguous] or [ErrIndirect].
func (img *Image) Resolve(module int, name string) (uint64, error) {
	if module < 0 || module >= len(img.modules) {
		return 0, fmt.Errorf("resolve %s: there is no module %d", name, module)
	}
	if addr, ok := img.boundIn(module, name); ok {
		return addr, nil
	}
	if addr, ok := img.ownSymbol(module, name); ok {
		return addr, nil
	}
	addr, err := img.exported(name)
	if err != nil {
		return 0, fmt.Errorf("resolve %s: %w", name, err)
	}
	return addr, nil
}

// boundIn returns what the module's own slot for the name holds. Of several
// slots the one counts that says most about what a call would lead to.
func (img *Image) boundIn(module int, name string) (addr uint64, ok bool) {
	if !img.live || img.tables[module] == nil {
		return 0, false
	}
	rank, best := 0, uint64(0)
	for at, s := range img.tables[module]().slots {
		n := slotRanks[s.Type]
		if s.Name != name || s.Addend != 0 || n == 0 || n < rank || n == rank && at > best {
			continue
		}
		if v, bound := img.slotValue(module, at, &s); bound {
			rank, best, addr, ok = n, at, v, true
		}
	}
	return addr, ok
}

// slotRanks are the dynamic relocations whose word is the address of a symbol:
// that of a function to call, the address that it has for the whole program,
// and data that was initialised with it.
var slotRanks = map[elf.R_X86_64]int{
	elf.R_X86_64_JMP_SLOT: 3,
	elf.R_X86_64_GLOB_DAT: 2,
	elf.R_X86_64_64:       1,
}

// slotValue reads a slot that is bound: one that is bound lazily leads into
// the PLT of its own module until the first call. Data that can be written is
// the program's, and holds what the program wrote there last.
func (img *Image) slotValue(module int, at uint64, s *Slot) (uint64, bool) {
	if r := img.RegionAt(at); r == nil || s.Type == elf.R_X86_64_64 && r.Write {
		return 0, false
	}
	var b [8]byte
	if img.ReadAddr(b[:], at) != nil {
		return 0, false
	}
	v := binary.LittleEndian.Uint64(b[:])
	if v == 0 || img.RegionAt(v) == nil {
		return 0, false
	}
	if _, to := img.ModuleAt(v); s.Type == elf.R_X86_64_JMP_SLOT && to == module {
		return v, s.Defined && !s.IFunc && v == s.Value+img.modules[module].Bias
	}
	return v, true
}

// ownSymbol returns a global function or object that the module itself
// defines, be it exported or not.
func (img *Image) ownSymbol(module int, name string) (uint64, bool) {
	for _, s := range img.Lookup(name) {
		if s.Module == module && !s.Local && s.Type != elf.STT_GNU_IFUNC && s.Type != elf.STT_TLS {
			return s.Addr, true
		}
	}
	return 0, false
}

// vdso is what the kernel maps into every process. Its symbols have the names
// of functions of the C library, which finds them by itself; the dynamic linker
// binds nothing to them (vdso(7)).
const vdso = "[vdso]"

// exported returns the definition that all modules agree on.
func (img *Image) exported(name string) (uint64, error) {
	var found []export
	var from []int
	for i := range img.modules {
		if img.tables[i] == nil || img.modules[i].Name == vdso {
			continue
		}
		e, ok := img.tables[i]().exports()[name]
		if !ok {
			continue
		}
		found, from = append(found, e), append(from, i)
	}
	switch {
	case len(found) == 0:
		return 0, ErrUndefined
	case len(found) > 1:
		if v, ok := img.boundAnywhere(name); ok {
			return v, nil
		}
		return 0, fmt.Errorf("%w: %s and %s", ErrAmbiguous, img.modules[from[0]].Name, img.modules[from[1]].Name)
	case !found[0].ifunc:
		return found[0].addr, nil
	}
	if v, ok := img.chosen(from[0], found[0].addr); ok {
		return v, nil
	}
	if v, ok := img.boundAnywhere(name); ok {
		return v, nil
	}
	return 0, ErrIndirect
}

// boundAnywhere returns what the slots of all modules for the name hold, when
// those that are bound agree.
func (img *Image) boundAnywhere(name string) (addr uint64, ok bool) {
	for i := range img.modules {
		v, bound := img.boundIn(i, name)
		if !bound {
			continue
		}
		if ok && v != addr {
			return 0, false
		}
		addr, ok = v, true
	}
	return addr, ok
}

// chosen returns what the IFUNC resolver at an address has chosen: libraries
// call their own IFUNCs through slots with R_X86_64_IRELATIVE, whose addend is
// the resolver (psABI section 4.4.1).
func (img *Image) chosen(module int, resolver uint64) (uint64, bool) {
	if !img.live {
		return 0, false
	}
	for at, s := range img.tables[module]().slots {
		if s.Type != elf.R_X86_64_IRELATIVE || uint64(s.Addend) != resolver {
			continue // all that pass hold the same
		}
		var b [8]byte
		if img.ReadAddr(b[:], at) != nil {
			continue
		}
		if v := binary.LittleEndian.Uint64(b[:]); v != 0 && v != resolver && img.RegionAt(v) != nil && img.RegionAt(v).Exec {
			return v, true
		}
	}
	return 0, false
}
