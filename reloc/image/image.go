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
	symbols []Symbol         // by address, then name; thread-local ones at the end
	static  int              // number of symbols that have an address
	tables  []func() *tables // by module, nil for modules without any
	full    []bool           // by module: .symtab is known, local symbols and all
	byName  func() map[string][]int32
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
		tables: img.tables, full: img.full, byName: img.byName,
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
	img.byName = sync.OnceValue(func() map[string][]int32 { return indexNames(symbols) })
}

// ReadAddr reads run memory, whole or not at all; it makes an Image a
// [Memory]. The error is or wraps an *AddrError.
func (img *Image) ReadAddr(p []byte, addr uint64) error { return img.mem.ReadAddr(p, addr) }

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

// Lookup returns the symbols of that name by address. There can be many: every
// file may have its static function of the same name, and every library its
// own copy of a symbol.
func (img *Image) Lookup(name string) []Symbol {
	var out []Symbol
	for _, i := range img.byName()[name] {
		out = append(out, img.symbols[i])
	}
	return out
}

// RegionAt returns the region that addr lies in, or nil.
func (img *Image) RegionAt(addr uint64) *Region {
	if i := img.regionIndex(addr); i >= 0 {
		return &img.regions[i]
	}
	return nil
}

// regionIndex returns the index of the region that addr lies in, or -1.
func (img *Image) regionIndex(addr uint64) int {
	lo, hi := 0, len(img.regions) // the first that starts behind addr
	for lo < hi {
		if mid := int(uint(lo+hi) / 2); img.regions[mid].Start <= addr {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 || addr >= img.regions[lo-1].End {
		return -1
	}
	return lo - 1
}

// ModuleAt returns the module that addr lies in, and its number; nil and
// NoModule when it lies in none.
func (img *Image) ModuleAt(addr uint64) (*Module, int) {
	r := img.RegionAt(addr)
	if r == nil || r.Module == NoModule {
		return nil, NoModule
	}
	return &img.modules[r.Module], r.Module
}

// SymbolAt returns the symbol that addr lies in, and the offset of addr in it.
// Of several at one address it prefers global ones and those with a size. A
// symbol without a size reaches to the next one of its module.
func (img *Image) SymbolAt(addr uint64) (sym *Symbol, off uint64, ok bool) {
	list := img.symbols[:img.static]
	i, _ := slices.BinarySearchFunc(list, addr, func(s Symbol, a uint64) int {
		if s.Addr <= a {
			return -1
		}
		return 1
	})
	if i == 0 {
		return nil, 0, false
	}
	start := list[i-1].Addr
	rank := -1
	for j := i - 1; j >= 0 && list[j].Addr == start; j-- {
		s := &list[j]
		r := 0
		if s.Size > 0 {
			r += 4
		}
		if s.Type != elf.STT_NOTYPE {
			r += 2
		}
		if !s.Local {
			r++
		}
		if r >= rank {
			sym, rank = s, r
		}
	}
	if sym.Size > 0 && addr-start >= sym.Size {
		return nil, 0, false
	}
	if _, m := img.ModuleAt(addr); m != sym.Module {
		return nil, 0, false
	}
	return sym, addr - start, true
}

// SymbolsAt returns the symbols that start at addr, by module and name. The slice is
// shared and must not be changed.
func (img *Image) SymbolsAt(addr uint64) []Symbol { return img.symbolsAt(addr) }

// HasAllSymbols reports whether the symbol table of a module is known, with its local
// symbols: it was not stripped.
func (img *Image) HasAllSymbols(module int) bool {
	return module >= 0 && module < len(img.full) && img.full[module]
}

// NextSymbol returns the first address at or behind addr where a symbol starts.
func (img *Image) NextSymbol(addr uint64) (uint64, bool) {
	list := img.symbols[:img.static]
	i, _ := slices.BinarySearchFunc(list, addr, func(s Symbol, a uint64) int { return cmp.Compare(s.Addr, a) })
	if i == len(list) {
		return 0, false
	}
	return list[i].Addr, true
}

// symbolsAt returns the symbols that start at addr.
func (img *Image) symbolsAt(addr uint64) []Symbol {
	list := img.symbols[:img.static]
	lo, _ := slices.BinarySearchFunc(list, addr, func(s Symbol, a uint64) int { return cmp.Compare(s.Addr, a) })
	hi := lo
	for hi < len(list) && list[hi].Addr == addr {
		hi++
	}
	return list[lo:hi]
}

// Named returns the symbols of that name, by address, as indices into [Image.Symbols].
// The slice is shared and must not be changed.
func (img *Image) Named(name string) []int32 { return img.byName()[name] }

// IsKernel reports whether it is of a kernel or its modules.
func (img *Image) IsKernel() bool { return img.kernel }

// IsRunning reports whether it is of a kernel that has started: its code may have been
// rewritten, and what only starting needs is freed.
func (img *Image) IsRunning() bool { return img.running }

// IsLive reports whether it is of memory in which the dynamic linker, or the loader of a
// kernel, has done its work.
func (img *Image) IsLive() bool { return img.live }

// Samples returns the samples of its code, nil where there are none: of memory that may
// change, and of more than a gibibyte.
func (img *Image) Samples() *Samples { return img.samples }

// HasNameAt reports whether a symbol called name is at addr. That of an IFUNC is
// at its resolver, where no reference leads.
func (img *Image) HasNameAt(name string, addr uint64) bool {
	for _, i := range img.byName()[name] {
		if img.symbols[i].Addr == addr && int(i) < img.static {
			return true
		}
	}
	return false
}
