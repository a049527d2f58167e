package image

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// NoModule is the Module of what belongs to no mapped file.
const NoModule = -1

// A Region is a stretch of memory with one set of permissions.
type Region struct {
	Start, End        uint64 // addresses, End exclusive
	Read, Write, Exec bool
	// Volatile marks memory that the program may have written since it was
	// linked, even if it can't now. Everything writable in a process is
	// volatile, nothing in a file is.
	Volatile bool
	// Freed marks memory of a running kernel that held what only starting
	// needs. References lead there, but its content is gone.
	Freed bool
	// Unknown marks addresses of which nothing can be told, nor read: code
	// that was made at run time, symbols that nobody defines. References may
	// lead there.
	Unknown bool
	Module  int // index of the module, or NoModule

	zero bool // of a file: holds zeros, and may be far larger than the file
}

// A Module is one mapped ELF file: the main program, a shared library, the
// vdso.
type Module struct {
	Name    string // base name of the file, e.g. "libc.so.6"; "[vdso]"
	Path    string // as the process sees it, or as given; may be stale
	BuildID []byte // content of the note NT_GNU_BUILD_ID, nil when there is none
	Bias    uint64 // run address minus link address
	Start   uint64 // of the lowest mapped byte
	End     uint64 // behind the highest

	// TLSSize and TLSAlign are p_memsz and p_align of PT_TLS. In the main
	// program the block ends at the thread pointer, so that the offset
	// of a symbol from there tells its offset in the block (variant II of
	// the ELF TLS ABI). Zero when there is none.
	TLSSize, TLSAlign uint64
	// Main says that it is the main program, whose TLS block has that place.
	Main bool
	// FromMemory says that the file was not to be had (deleted, replaced, of
	// another mount namespace without the right to follow it), so that only
	// the symbols that memory itself holds are known. Err is the reason.
	FromMemory bool
	Err        error
}

// A Symbol is a defined symbol of a module.
type Symbol struct {
	Name   string // without a version: "memcpy", not "memcpy@@GLIBC_2.14"
	Addr   uint64 // run address; of STT_TLS the offset in the TLS block of its module
	Size   uint64 // bytes, 0 when not known
	Type   elf.SymType
	Local  bool
	Weak   bool   // another definition could have replaced it
	Spread bool   // Size is the distance to the next symbol, with what fills the gap
	Index  uint32 // from 1: place in the .symtab of its file, or in kallsyms; else 0
	File   string // of local symbols the STT_FILE symbol in front of it, if any
	Module int

	BindingUnknown bool // kallsyms does not tell whether it is local: a per-CPU variable
}

// End returns the address behind the symbol.
func (s *Symbol) End() uint64 { return s.Addr + s.Size }

// IsFunc tells whether the symbol is code, or may be.
func (s *Symbol) IsFunc() bool {
	return s.Type == elf.STT_FUNC || s.Type == elf.STT_GNU_IFUNC || s.Type == elf.STT_NOTYPE
}

// An Image is run: bytes at run addresses, with whatever symbols there are.
// Memory is read when it is needed. An Image is immutable and safe for
// concurrent use until it is closed.
type Image struct {
	mem Memory
	state
	regions []Region
	pieces  *pieces  // what was read of a file; nil when it may change
	samples *Samples // of a file, for searching; else nil
	modules []Module
	symbols []Symbol                  // by address, then name; thread-local ones at the end
	static  int                       // number of symbols that have an address
	tables  []func() *tables          // by module, nil for modules without any
	full    []bool                    // by module: .symtab is known, local symbols and all
	names   func() map[string][]int32 // places in symbols; see byName
	closers []io.Closer
	// livepatches holds the functions that are replaced, by address; none when
	// that can't be found out.
	livepatches func() map[uint64]Livepatch
	rows        rowCache
}

// state says what has been done to the memory of an image since it was linked.
type state struct {
	live    bool // of a process: the dynamic linker has done its work
	kernel  bool // of a kernel or its modules
	running bool // of a kernel that runs: its code may have been rewritten
}

// imageParts is everything that an image can be made of.
type imageParts struct {
	mem     Memory
	live    bool // a process: the dynamic linker has done its work
	regions []Region
	modules []Module
	symbols []Symbol
	tables  []func() *tables
	closers []io.Closer
	size    uint64 // of a file that nothing writes to, in bytes; else 0
}

// NewImage makes an image of memory that the caller knows how to read: a dump,
// a debugger's target, a test. Regions must not overlap. Modules may be nil;
// there is one then, which spans all. The arguments are not kept but for mem.
//
// What the dynamic linker has filled in is read from mem, by the headers at the
// start of each module; [ReadModule] describes one. Memory that has regions which
// are writable and volatile is that of a process, in which it has done its work.
// A module whose headers are not in mem is one of which nothing is known but its
// symbols, so that code which calls through its PLT does not match. Of a core dump
// that means: file-backed memory has to be in it (bits 2 and 4 of
// /proc/PID/coredump_filter), or be read from the files.
func NewImage(mem Memory, regions []Region, modules []Module, symbols []Symbol) (*Image, error) {
	return newImage(imageParts{mem: mem, regions: regions, modules: modules, symbols: slices.Clone(symbols)})
}

// newImage takes the parts over.
func newImage(p imageParts) (*Image, error) {
	if p.mem == nil {
		return nil, errors.New("image without memory")
	}
	img := &Image{
		mem:     p.mem,
		state:   state{live: p.live},
		regions: slices.Clone(p.regions),
		modules: slices.Clone(p.modules),
		symbols: p.symbols,
		tables:  p.tables,
		closers: p.closers,
	}
	slices.SortFunc(img.regions, func(a, b Region) int { return cmp.Compare(a.Start, b.Start) })
	for i, r := range img.regions {
		if r.End < r.Start || i > 0 && img.regions[i-1].End > r.Start {
			return nil, fmt.Errorf("region %#x-%#x: upside down, or overlaps the one before it", r.Start, r.End)
		}
		if r.Module != NoModule && (r.Module < 0 || r.Module >= max(1, len(img.modules))) {
			return nil, fmt.Errorf("region %#x-%#x: there is no module %d", r.Start, r.End, r.Module)
		}
	}
	if img.pieces = newPieces(img.regions, p.size); img.pieces != nil {
		img.samples = newSamples(img)
	}
	img.kernel = isKernel(img.regions)
	img.running = img.kernel && slices.ContainsFunc(img.regions, func(r Region) bool { return r.Exec && r.Volatile })
	img.tables = append(img.tables, make([]func() *tables, max(1, len(img.modules))-len(img.tables))...)
	if len(img.modules) == 0 && len(img.regions) > 0 {
		img.modules = []Module{{Start: img.regions[0].Start, End: img.regions[len(img.regions)-1].End, Main: true}}
	}
	for i := range img.symbols {
		if s := &img.symbols[i]; s.Module != NoModule && (s.Module < 0 || s.Module >= len(img.modules)) {
			return nil, fmt.Errorf("symbol %s: there is no module %d", s.Name, s.Module)
		}
	}
	img.full = make([]bool, len(img.modules))
	for i := range img.symbols {
		if s := &img.symbols[i]; s.Local && s.Module != NoModule {
			img.full[s.Module] = true
		}
	}
	img.sortSymbols()
	img.ownTables()
	img.readLazily()
	return img, nil
}

// WithMemory returns the same image with other memory: that of a checkpoint, or what it
// would be with bytes changed. It is closed with the first one.
func (img *Image) WithMemory(mem Memory) *Image {
	out := &Image{
		mem: mem, state: img.state,
		regions: img.regions, modules: img.modules, symbols: img.symbols, static: img.static,
		tables: img.tables, full: img.full, names: img.byName,
	}
	out.readLazily()
	return out
}

// readLazily prepares what is read of the memory once it is asked for.
func (img *Image) readLazily() {
	img.livepatches = sync.OnceValue(func() map[uint64]Livepatch {
		list, _ := img.Livepatches() // who wants to know the reason asks for it
		return list
	})
}

// sortSymbols brings the symbols in order and drops what is there twice:
// .dynsym repeats a part of .symtab. What one table has twice stays, as livepatch
// counts it.
func (img *Image) sortSymbols() {
	orderSymbols(img.symbols)
	img.symbols = slices.CompactFunc(img.symbols, func(a, b Symbol) bool {
		return a.Name == b.Name && a.Addr == b.Addr && a.Module == b.Module && isTLS(&a) == isTLS(&b) && (a.Index == 0 || b.Index == 0)
	})
	img.static, _ = slices.BinarySearchFunc(img.symbols, 1, func(s Symbol, want int) int { return cmp.Compare(isTLS(&s), want) })
	symbols := img.symbols
	img.names = sync.OnceValue(func() map[string][]int32 { return indexNames(symbols) })
}

// ReadAddr reads run memory, whole or not at all; it makes an Image a
// [Memory]. The error is or wraps an *AddrError.
func (img *Image) ReadAddr(p []byte, addr uint64) error {
	if img.mem == nil {
		return unmapped(addr, uint64(len(p)))
	}
	return img.mem.ReadAddr(p, addr)
}

// Close releases files and processes that OpenELF or OpenProcess opened.
func (img *Image) Close() error {
	var errs []error
	for _, c := range img.closers {
		errs = append(errs, c.Close())
	}
	img.closers = nil
	return errors.Join(errs...)
}

// Regions returns the regions by address. The slice is shared and must not be
// changed.
func (img *Image) Regions() []Region { return img.regions }

// Modules returns the modules by address; a module's number is its index. The
// slice is shared and must not be changed.
func (img *Image) Modules() []Module { return img.modules }

// Symbols returns all symbols by address, thread-local ones at the end. The
// slice is shared and must not be changed.
func (img *Image) Symbols() []Symbol { return img.symbols }
