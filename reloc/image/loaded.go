package image

import (
	"debug/elf"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// loaded is a module while it is opened.
type loaded struct {
	mod   Module
	progs []elfobj.Prog
	file  *elfobj.File // nil when only memory is at hand
	mem   Memory       // holds the module at its run addresses
	dyn   *dynamic
	iplt  [2]uint64 // of a static program without a file: its relocations, or zero
}

// describe fills in what the program headers say.
func (l *loaded) describe() {
	lo, hi := extent(l.progs)
	l.mod.Start, l.mod.End = lo+l.mod.Bias, hi+l.mod.Bias
	for i := range l.progs {
		switch p := &l.progs[i]; p.Type {
		case elf.PT_TLS:
			l.mod.TLSSize, l.mod.TLSAlign = p.Memsz, p.Align
		case elf.PT_NOTE:
			if l.mod.BuildID == nil {
				l.mod.BuildID = readBuildID(l.mem, p.Vaddr+l.mod.Bias, p.Memsz)
			}
		}
	}
}

// readBuildID looks for NT_GNU_BUILD_ID in the notes at addr. A module without
// one, or with damaged notes, has none.
func readBuildID(mem Memory, addr, size uint64) []byte {
	const ntBuildID = 3 // NT_GNU_BUILD_ID, elf.h of glibc 2.36
	b := make([]byte, min(size, 4096))
	if mem.ReadAddr(b, addr) != nil {
		return nil
	}
	for len(b) >= 12 {
		namesz, descsz := uint64(binary.LittleEndian.Uint32(b)), uint64(binary.LittleEndian.Uint32(b[4:]))
		typ := binary.LittleEndian.Uint32(b[8:])
		desc := 12 + (namesz+3)&^3
		next := desc + (descsz+3)&^3
		if next > uint64(len(b)) {
			return nil
		}
		if typ == ntBuildID && namesz == 4 && string(b[12:16]) == "GNU\x00" {
			return slices.Clone(b[desc : desc+descsz])
		}
		b = b[next:]
	}
	return nil
}

// readSymbols returns the symbols of .symtab where the file has one, and the
// dynamic ones.
func (l *loaded) readSymbols(index int) ([]Symbol, error) {
	var out []Symbol
	if l.file != nil {
		f, err := l.file.Fresh() // a kernel's table has megabytes, of which only names are kept
		if err != nil {
			return nil, err
		}
		syms, err := f.Symbols()
		if err != nil {
			return nil, err
		}
		out = l.fileSymbols(syms, index)
	}
	if l.dyn == nil {
		return out, nil
	}
	dyn, err := l.dyn.symbols()
	if err != nil {
		return nil, err
	}
	for i := range dyn {
		s := &dyn[i]
		if s.section == elf.SHN_UNDEF || !isNamed(s.name, s.typ) {
			continue
		}
		out = append(out, l.symbol(s.name, s.value, s.size, s.typ, s.section == elf.SHN_ABS, index))
	}
	return out, nil
}

func (l *loaded) fileSymbols(syms []elfobj.Symbol, index int) []Symbol {
	out := make([]Symbol, 0, len(syms))
	file := ""
	for i := range syms {
		s := &syms[i]
		if s.Type() == elf.STT_FILE {
			file = s.Name
			continue
		}
		if !s.IsDefined() || !isNamed(s.Name, s.Type()) {
			continue
		}
		sym := l.symbol(unversioned(s.Name), s.Value, s.Size, s.Type(), s.Section == elfobj.SecAbs, index)
		sym.Index, sym.Weak = uint32(i), s.Bind() == elf.STB_WEAK
		if sym.Local = s.Bind() == elf.STB_LOCAL; sym.Local {
			sym.File = file
		}
		out = append(out, sym)
	}
	return out
}

func isNamed(name string, t elf.SymType) bool {
	return name != "" && t != elf.STT_SECTION && t != elf.STT_FILE
}

// symbol makes a Symbol at its run address. Thread-local symbols are offsets,
// and absolute ones don't move with the module.
func (l *loaded) symbol(name string, value, size uint64, t elf.SymType, abs bool, index int) Symbol {
	if t != elf.STT_TLS && !abs {
		value += l.mod.Bias
	}
	return Symbol{Name: name, Addr: value, Size: size, Type: t, Module: index}
}

// tlsTypes are the dynamic relocations whose symbols are thread-local.
var tlsTypes = map[elf.R_X86_64]bool{elf.R_X86_64_DTPMOD64: true, elf.R_X86_64_DTPOFF64: true, elf.R_X86_64_TPOFF64: true}

// lazyTables returns a function that reads the module's tables once. Tables
// that are damaged are as good as none: they only rule things out.
func (l *loaded) lazyTables() func() *tables {
	return sync.OnceValue(func() *tables {
		t := &tables{slots: make(map[uint64]Slot), exports: sync.OnceValue(l.exports)}
		add := func(at uint64, s Slot) {
			if s.Type != elf.R_X86_64_RELATIVE && s.Type != elf.R_X86_64_COPY {
				if s.Defined && !tlsTypes[s.Type] {
					s.Value += l.mod.Bias
				}
				if s.Type == elf.R_X86_64_IRELATIVE {
					s.Addend += int64(l.mod.Bias)
				}
				t.slots[at] = s
			}
		}
		if l.dyn != nil {
			_ = l.dyn.relocations(add)
		} else if l.file != nil {
			staticRelocations(l.file, l.mod.Bias, add)
		} else {
			l.memoryRelocations(add)
		}
		for i := range l.progs {
			if p := &l.progs[i]; p.Type == elf.PT_GNU_EH_FRAME {
				t.starts = readStarts(l.mem, p.Vaddr+l.mod.Bias, p.Memsz)
			}
		}
		return t
	})
}

// staticRelocations yields the relocations that a statically linked program
// applies to itself: the IRELATIVE ones, for its IFUNCs.
func staticRelocations(f *elfobj.File, bias uint64, fn func(at uint64, s Slot)) {
	for _, s := range f.Sections {
		if s.Type != elf.SHT_RELA || s.Flags&elf.SHF_ALLOC == 0 {
			continue
		}
		list, err := s.Relas()
		if err != nil {
			continue
		}
		for _, r := range list {
			fn(r.Offset+bias, Slot{Type: elf.R_X86_64(r.Type), Addend: r.Addend, IFunc: r.Type == uint32(elf.R_X86_64_IRELATIVE)})
		}
	}
}

// readStarts reads the binary search table of .eh_frame_hdr (LSB Core 5.0,
// section 10.6.2): the addresses where unwinding records start, which are the
// starts of functions and of their cold parts. It returns nil for a table of a
// form that no linker writes, or that is not in order.
func readStarts(mem Memory, at, size uint64) []uint64 {
	const (
		version    = 1
		udata4     = 0x03 // DW_EH_PE_udata4
		relSdata4  = 0x3b // DW_EH_PE_datarel | DW_EH_PE_sdata4
		headerSize = 12   // version, three encodings, eh_frame_ptr, fde_count
	)
	var head [headerSize]byte
	if size < headerSize || mem.ReadAddr(head[:], at) != nil {
		return nil
	}
	if head[0] != version || head[2] != udata4 || head[3] != relSdata4 {
		return nil
	}
	n := uint64(binary.LittleEndian.Uint32(head[8:]))
	if n > (size-headerSize)/8 {
		return nil
	}
	b, err := readGrowing(mem, at+headerSize, 8*n)
	if err != nil {
		return nil
	}
	starts := make([]uint64, 0, n)
	for ; len(b) >= 8; b = b[8:] {
		starts = append(starts, at+uint64(int64(int32(binary.LittleEndian.Uint32(b)))))
	}
	if !slices.IsSorted(starts) {
		return nil
	}
	return starts
}
