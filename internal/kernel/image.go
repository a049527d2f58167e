// Package kernel reads what one build of Linux says about itself: its vmlinux
// with symbols, as linked. Nothing is assumed about a version that the image
// can be asked.
//
//	Layout    sizes and offsets of structures, from BTF
//	Exports   the symbols that modules may use, with their CRCs
//	Sites     the places in code that the kernel rewrites while it runs
//	Position  the name by which livepatch finds a function
//
// Addresses are link addresses. A running kernel adds one offset to all but
// those of per-CPU variables and absolute symbols (KASLR).
package kernel

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// An Error says what an image lacks.
type Error struct {
	Image string // its path
	What  string // the symbol, section or structure
	Msg   string
	Err   error
}

// Error returns the error on one line.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s: %s: %s", e.Image, e.What, e.Msg)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// A Symbol is a symbol of the image.
type Symbol struct {
	Name   string
	Addr   uint64 // link address; of a per-CPU variable its offset
	Size   uint64
	Type   elf.SymType
	Local  bool
	PerCPU bool // Addr is an offset in each processor's area, and never moves
	Abs    bool // Addr is a number, and never moves
}

// An Image is a vmlinux. It is immutable and safe for concurrent use.
type Image struct {
	Path    string
	File    *elfobj.File
	symbols []Symbol           // by address, then name
	byName  map[string][]int32 // into symbols, by address
	percpu  [2]uint64          // [start, end) of the per-CPU offsets
	init    [2]uint64          // [start, end) of what is freed after boot
	image   [2]uint64          // [start, end) of what is mapped

	exported exported
	live     bool // it runs: see OfMemory
}

// Open opens a vmlinux with a symbol table.
func Open(path string) (*Image, error) {
	f, err := elfobj.Open(path)
	if err != nil {
		return nil, err
	}
	k := &Image{Path: path, File: f}
	if err := k.read(); err != nil {
		f.Close()
		return nil, err
	}
	return k, nil
}

// Close closes the file.
func (k *Image) Close() error { return k.File.Close() }

func (k *Image) fail(what, format string, args ...any) *Error {
	return &Error{Image: k.Path, What: what, Msg: fmt.Sprintf(format, args...)}
}

func (k *Image) read() error {
	if k.File.Machine != elf.EM_X86_64 || k.File.Type != elf.ET_EXEC && k.File.Type != elf.ET_DYN {
		return k.fail("header", "%v for %v is no vmlinux for x86-64", k.File.Type, k.File.Machine)
	}
	syms, err := k.File.Symbols()
	if err != nil {
		return err
	}
	k.symbols = make([]Symbol, 0, len(syms))
	for i := range syms {
		k.addSymbol(&syms[i])
	}
	k.sort()
	return k.findParts()
}

// findParts finds where parts of the image are, by symbols.
func (k *Image) findParts() error {
	for _, r := range []struct {
		lo, hi string
		to     *[2]uint64
	}{{kerneltab.ImageStart, kerneltab.ImageEnd, &k.image},
		{kerneltab.InitStart, kerneltab.InitEnd, &k.init},
		{kerneltab.PerCPUStart, kerneltab.PerCPUEnd, &k.percpu},
	} {
		var err error
		if *r.to, err = k.span(r.lo, r.hi); err != nil {
			return err
		}
	}
	return nil
}

// sort brings the symbols in order, and lists them by name. They are large, and
// many: what is sorted is a list of places.
func (k *Image) sort() {
	list := k.symbols
	order := make([]int32, len(list))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(i, j int32) int {
		a, b := &list[i], &list[j]
		if a.Addr != b.Addr {
			return cmp.Compare(a.Addr, b.Addr)
		}
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(i, j))
	})
	k.symbols = make([]Symbol, len(list))
	k.byName = make(map[string][]int32, len(list))
	for i, n := range order {
		s := &k.symbols[i]
		*s = list[n]
		order[i] = int32(i) // most names are there once
		if list, ok := k.byName[s.Name]; ok {
			k.byName[s.Name] = append(list, int32(i))
		} else {
			k.byName[s.Name] = order[i : i+1 : i+1]
		}
	}
}

// slides names symbols that the linker put into the per-CPU section although
// they are addresses like any other: those of include/asm-generic/vmlinux.lds.h.
func slides(name string) bool {
	return name == kerneltab.InitStart || name == "__per_cpu_load" || strings.HasPrefix(name, "init_per_cpu__")
}

func (k *Image) addSymbol(s *elfobj.Symbol) {
	t := s.Type()
	if !s.IsDefined() || t == elf.STT_SECTION || t == elf.STT_FILE || s.Name == "" {
		return
	}
	out := Symbol{Name: s.Name, Addr: s.Value, Size: s.Size, Type: t, Local: s.Bind() == elf.STB_LOCAL, Abs: s.Section == elfobj.SecAbs}
	if !s.Section.IsReserved() && int(s.Section) < len(k.File.Sections) && !slides(s.Name) {
		out.PerCPU = strings.HasPrefix(k.File.Sections[s.Section].Name, kerneltab.PerCPU)
	}
	k.symbols = append(k.symbols, out)
}

// Symbols returns the symbols of a name, by address: static functions of many
// files can share one.
func (k *Image) Symbols(name string) []Symbol {
	var out []Symbol
	for _, i := range k.byName[name] {
		out = append(out, k.symbols[i])
	}
	return out
}

// Symbol returns the one symbol of a name.
func (k *Image) Symbol(name string) (Symbol, error) {
	list := k.byName[name]
	switch len(list) {
	case 0:
		return Symbol{}, k.fail(name, "no such symbol")
	case 1:
		return k.symbols[list[0]], nil
	}
	return Symbol{}, k.fail(name, "%d symbols of that name", len(list))
}

// span returns the stretch between two symbols.
func (k *Image) span(lo, hi string) ([2]uint64, error) {
	a, err := k.Symbol(lo)
	if err != nil {
		return [2]uint64{}, err
	}
	b, err := k.Symbol(hi)
	if err != nil {
		return [2]uint64{}, err
	}
	if b.Addr < a.Addr {
		return [2]uint64{}, k.fail(lo, "%#x is behind %s at %#x", a.Addr, hi, b.Addr)
	}
	return [2]uint64{a.Addr, b.Addr}, nil
}

// Bounds returns the stretch that a section takes in the image, by the symbols around
// it; ok is false when the image does not have both.
func (k *Image) Bounds(row *kerneltab.Section) (span [2]uint64, ok bool) {
	span, err := k.span(row.Bounds.Start, row.Bounds.Stop)
	return span, err == nil
}

// IsInit reports whether an address is in memory that is freed after boot.
func (k *Image) IsInit(addr uint64) bool { return k.init[0] <= addr && addr < k.init[1] }

// IsReadOnly reports whether an address is in memory that can't be written to once the
// kernel has started: constants, and .data..ro_after_init (include/linux/cache.h).
func (k *Image) IsReadOnly(addr uint64) bool {
	for _, r := range [][2]string{{kerneltab.RodataStart, kerneltab.RodataEnd}, {kerneltab.ROAfterInitStart, kerneltab.ROAfterInitEnd}} {
		if span, err := k.span(r[0], r[1]); err == nil && span[0] <= addr && addr < span[1] {
			return true
		}
	}
	return false
}

// IsPerCPU reports whether an address is an offset in a processor's area.
func (k *Image) IsPerCPU(addr uint64) bool { return k.percpu[0] <= addr && addr < k.percpu[1] }

// IsOffset reports whether an address is that of a per-CPU variable that is linked as an offset in
// the area of each processor, and does not move with the image. Since Linux 6.15 they are linked
// inside of it (arch/x86/kernel/vmlinux.lds.S), and move as all of it does.
func (k *Image) IsOffset(addr uint64) bool { return k.IsPerCPU(addr) && addr < k.image[0] }

// IsMapped reports whether an address is in the image that is mapped as a
// whole, so that one offset leads to all of it.
func (k *Image) IsMapped(addr uint64) bool { return k.image[0] <= addr && addr <= k.image[1] }

// Read reads linked bytes.
func (k *Image) Read(addr, size uint64) ([]byte, error) {
	if size > 1<<28 {
		return nil, k.fail(fmt.Sprintf("%#x", addr), "%d bytes are too many", size)
	}
	b := make([]byte, size)
	if n, err := k.File.ReadAddr(b, addr); err != nil {
		return nil, &Error{Image: k.Path, What: fmt.Sprintf("address %#x", addr+uint64(n)), Msg: "can't be read", Err: err}
	}
	return b, nil
}

// text reads a NUL-terminated string.
func (k *Image) text(read func(b []byte, addr uint64) error, addr uint64) (string, error) {
	for n := 64; ; n *= 4 {
		b := make([]byte, n)
		if err := read(b, addr); err != nil {
			return "", &Error{Image: k.Path, What: fmt.Sprintf("address %#x", addr), Msg: "can't be read", Err: err}
		}
		if i := slices.Index(b, 0); i >= 0 {
			return string(b[:i]), nil
		}
		if n > 4096 {
			return "", k.fail(fmt.Sprintf("address %#x", addr), "no end of the string")
		}
	}
}

// Vermagic returns the string that the modules of this kernel have to bring
// along in .modinfo: the variable vermagic of kernel/module/main.c.
func (k *Image) Vermagic() (string, error) {
	s, err := k.Symbol("vermagic")
	if err != nil {
		return "", err
	}
	return k.text(k.chunks(), s.Addr)
}

// Banner returns what the kernel says of itself, without the line break: its release, who
// built it, with which compiler and linker, and its version (init/version.c, linux_banner).
func (k *Image) Banner() (string, error) {
	s, err := k.Symbol("linux_banner")
	if err != nil {
		return "", err
	}
	text, err := k.text(k.chunks(), s.Addr)
	return strings.TrimSpace(text), err
}

// BuildID returns the content of the note NT_GNU_BUILD_ID, and its address:
// notes are mapped while the kernel runs.
func (k *Image) BuildID() (id []byte, addr uint64, err error) {
	span, err := k.span(kerneltab.NotesStart, kerneltab.NotesEnd)
	if err != nil {
		return nil, 0, err
	}
	b, err := k.Read(span[0], span[1]-span[0])
	if err != nil {
		return nil, 0, err
	}
	const head = 12 // namesz, descsz, type: gABI chapter 5, "Note Section"
	for off := 0; len(b)-off >= head; {
		namesz, descsz := uint64(binary.LittleEndian.Uint32(b[off:])), uint64(binary.LittleEndian.Uint32(b[off+4:]))
		desc := uint64(off) + head + (namesz+3)&^3
		if namesz > uint64(len(b)) || descsz > uint64(len(b)) || desc+descsz > uint64(len(b)) {
			break
		}
		if binary.LittleEndian.Uint32(b[off+8:]) == 3 && string(b[off+head:off+head+int(namesz)]) == "GNU\x00" && descsz > 0 {
			return b[desc : desc+descsz], span[0] + desc, nil
		}
		off = int(desc + (descsz+3)&^3)
	}
	return nil, 0, k.fail(kerneltab.ImageNotes, "no build-id")
}

// Position returns the name and the position by which livepatch finds what is
// at an address: 0 when the name is unique, else the rank by address among all
// symbols of that name, from 1 (kernel/livepatch/core.c, klp_find_object_symbol;
// scripts/kallsyms.c sorts by address).
func (k *Image) Position(name string, addr uint64) (uint64, bool) {
	list := k.byName[name]
	for i, s := range list {
		if k.symbols[s].Addr != addr {
			continue
		}
		if len(list) == 1 {
			return 0, true
		}
		return uint64(i + 1), true
	}
	return 0, false
}

// FunctionAt returns the symbol of the code at an address, a global one if
// there are several.
func (k *Image) FunctionAt(addr uint64) (Symbol, bool) {
	i, _ := slices.BinarySearchFunc(k.symbols, addr, func(s Symbol, a uint64) int { return cmp.Compare(s.Addr, a) })
	var out Symbol
	found := false
	for ; i < len(k.symbols) && k.symbols[i].Addr == addr; i++ {
		if s := k.symbols[i]; s.Type == elf.STT_FUNC && (!found || out.Local && !s.Local) {
			out, found = s, true
		}
	}
	return out, found
}

// HasSymbol reports whether something that moves with the image has its name at an address.
func (k *Image) HasSymbol(addr uint64) bool {
	i, _ := slices.BinarySearchFunc(k.symbols, addr, func(s Symbol, a uint64) int { return cmp.Compare(s.Addr, a) })
	for ; i < len(k.symbols) && k.symbols[i].Addr == addr; i++ {
		if s := &k.symbols[i]; !s.PerCPU && !s.Abs {
			return true
		}
	}
	return false
}

// Has reports whether the image has a section of that name.
func (k *Image) Has(section string) bool {
	for range k.File.SectionsNamed(section) {
		return true
	}
	return false
}

// Padding returns the number of bytes that the build has in front of each
// function for prefixes: 16 with CONFIG_PREFIX_SYMBOLS, which are then called
// __pfx_ and the name of the function, else 0.
func (k *Image) Padding() int {
	if list := k.Symbols(kerneltab.Padding + "ksys_read"); len(list) > 0 {
		return int(list[0].Size)
	}
	return 0
}
