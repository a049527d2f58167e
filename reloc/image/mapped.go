package image

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"path/filepath"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// ErrNoModule is the error of [ReadModule] for memory that holds no ELF file.
var ErrNoModule = errors.New("no ELF file is mapped there")

// modulePageMask cuts an address to the page that a file is mapped from.
const modulePageMask = 4096 - 1

// ReadModule describes the program or library that is mapped at an address, by
// the headers that are mapped with it (gABI "ELF Header", "Program Header"): its
// bias, extent, build-id and thread-local block. path is kept, and not opened.
// Whether it is the main program is for the caller to say. The symbols are those
// of its dynamic symbol table, with module as their Module.
//
// It is for [NewImage]: dumps, debuggers, other ways to read a process. The error
// wraps [ErrNoModule] when no ELF file starts there.
func ReadModule(mem Memory, start uint64, path string, module int) (Module, []Symbol, error) {
	l := loadedAt(mem, start)
	if l == nil {
		return Module{}, nil, &AddrError{Addr: start, Len: 1, Err: ErrNoModule}
	}
	l.mod.Name, l.mod.Path, l.mod.FromMemory = filepath.Base(path), path, true
	l.describe()
	var err error
	if l.dyn, err = openDynamic(mem, l.progs, l.mod.Bias); err != nil {
		return Module{}, nil, err
	}
	symbols, err := l.readSymbols(module)
	return l.mod, symbols, err
}

// loadedAt reads the program headers of the file that is mapped at an address; nil
// when there is none.
func loadedAt(mem Memory, start uint64) *loaded {
	progs := readProgs(mem, start)
	lo, hi := extent(progs)
	if hi == 0 {
		return nil
	}
	bias := start - lo&^modulePageMask
	return &loaded{mod: Module{Bias: bias, Start: lo + bias, End: hi + bias}, progs: progs, mem: mem}
}

// readProgs reads the program headers of an ELF file that is mapped at addr
// (gABI "ELF Header", "Program Header"); nil when there is no such file.
func readProgs(mem Memory, addr uint64) []elfobj.Prog {
	const ehdr, phdr = 64, 56
	var h [ehdr]byte
	if mem == nil || mem.ReadAddr(h[:], addr) != nil || string(h[:4]) != elf.ELFMAG || h[4] != byte(elf.ELFCLASS64) {
		return nil
	}
	le := binary.LittleEndian
	if t := elf.Type(le.Uint16(h[16:])); t != elf.ET_EXEC && t != elf.ET_DYN {
		return nil
	}
	off, size, n := le.Uint64(h[32:]), le.Uint16(h[54:]), int(le.Uint16(h[56:]))
	if size != phdr {
		return nil
	}
	b := make([]byte, n*phdr)
	if mem.ReadAddr(b, addr+off) != nil {
		return nil
	}
	progs := make([]elfobj.Prog, n)
	for i := range progs {
		e := b[i*phdr:]
		progs[i] = elfobj.Prog{
			Type: elf.ProgType(le.Uint32(e)), Flags: elf.ProgFlag(le.Uint32(e[4:])), Off: le.Uint64(e[8:]), Vaddr: le.Uint64(e[16:]),
			Paddr: le.Uint64(e[24:]), Filesz: le.Uint64(e[32:]), Memsz: le.Uint64(e[40:]), Align: le.Uint64(e[48:]),
		}
	}
	return progs
}

// fileBytes is a file as memory that begins at 0.
type fileBytes struct{ r io.ReaderAt }

func (f fileBytes) ReadAddr(p []byte, addr uint64) error {
	_, err := f.r.ReadAt(p, int64(min(addr, math.MaxInt64)))
	return err
}

// FileBuildID returns the build-id of a program or library, as ProcessModules tells it of what is mapped; nil where
// there is none. It reads the headers and the notes only.
func FileBuildID(r io.ReaderAt) []byte {
	if r == nil {
		return nil
	}
	mem := fileBytes{r}
	progs := readProgs(mem, 0)
	for i := range progs {
		if p := &progs[i]; p.Type == elf.PT_NOTE {
			if id := readBuildID(mem, p.Off, p.Filesz); id != nil {
				return id
			}
		}
	}
	return nil
}

// ownTables gives the modules of an image that was not opened here the tables that
// their memory holds: what the dynamic linker fills in, and where functions start.
// Modules whose headers are not in memory have none.
func (img *Image) ownTables() {
	dynamic := false
	for i := range img.modules {
		if img.tables[i] != nil || img.kernel {
			continue
		}
		m := &img.modules[i]
		l := loadedAt(img.mem, m.Start&^modulePageMask)
		if l == nil || l.mod.Bias != m.Bias {
			continue
		}
		var err error
		if l.dyn, err = openDynamic(img.mem, l.progs, m.Bias); err != nil {
			continue
		}
		l.mod = *m
		if l.dyn == nil {
			l.iplt = img.ipltOf(i)
		}
		img.tables[i] = l.lazyTables()
		dynamic = true
	}
	written := slices.ContainsFunc(img.regions, func(r Region) bool { return r.Write && r.Volatile })
	img.live = img.live || dynamic && written
}

// ipltOf returns where a program that was linked statically has the relocations of
// its IFUNCs, as the symbols say by which its start finds them (csu/libc-start.c
// of glibc 2.36, apply_irel).
func (img *Image) ipltOf(module int) (at [2]uint64) {
	for k, name := range []string{"__rela_iplt_start", "__rela_iplt_end"} {
		for _, i := range img.byName()[name] {
			if img.symbols[i].Module == module {
				at[k] = img.symbols[i].Addr
			}
		}
	}
	return at
}

// memoryRelocations yields the relocations at iplt.
func (l *loaded) memoryRelocations(fn func(at uint64, s Slot)) {
	const most = 1 << 20
	size := l.iplt[1] - l.iplt[0]
	if l.iplt[0] == 0 || size > most {
		return
	}
	b, err := readGrowing(l.mem, l.iplt[0], size)
	if err != nil {
		return
	}
	for ; len(b) >= relaSize; b = b[relaSize:] {
		typ := elf.R_X86_64(elf.R_TYPE64(binary.LittleEndian.Uint64(b[8:])))
		fn(binary.LittleEndian.Uint64(b)+l.mod.Bias, Slot{Type: typ, Addend: int64(binary.LittleEndian.Uint64(b[16:])), IFunc: typ == elf.R_X86_64_IRELATIVE})
	}
}
