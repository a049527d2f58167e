package image

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// tables is what a module says about its own places: it is read when matching
// needs it, which for most modules of a process is never.
type tables struct {
	slots  map[uint64]Slot // by run address: words that the dynamic linker fills in
	starts []uint64        // run addresses where code that can be unwound starts, ascending
	// exports are the symbols that other modules can bind to, by name.
	exports func() map[string]export
}

// A Slot is a word of a module that the dynamic linker fills in, by a dynamic
// relocation.
type Slot struct {
	Type    elf.R_X86_64
	Name    string // of the symbol, "" when the relocation has none
	Value   uint64 // st_value of the symbol when the module defines it
	Addend  int64  // of IRELATIVE the address of the resolver
	Defined bool   // the module defines the symbol itself
	IFunc   bool   // the final value is what a resolver returns
}

// dynamic is the dynamic section of a mapped file (gABI "Dynamic Section"),
// read from memory, so that neither the file nor its section headers are
// needed.
type dynamic struct {
	mem    Memory
	bias   uint64
	lo, hi uint64 // addresses of the module
	limit  uint64 // bytes that its segments have in the file, a bound for every table
	tags   map[elf.DynTag]uint64
	names  *elfobj.Strings
}

// maxDynamic bounds the dynamic section: 4,096 entries.
const maxDynamic = 64 << 10

const (
	symSize  = 24 // Elf64_Sym
	relaSize = 24 // Elf64_Rela
)

// openDynamic reads the dynamic section that the program headers tell of. It
// returns nil when there is none.
func openDynamic(mem Memory, progs []elfobj.Prog, bias uint64) (*dynamic, error) {
	d := &dynamic{mem: mem, bias: bias, tags: make(map[elf.DynTag]uint64)}
	d.lo, d.hi = extent(progs)
	d.lo, d.hi = d.lo+bias, d.hi+bias
	var at *elfobj.Prog
	for i := range progs {
		switch progs[i].Type {
		case elf.PT_DYNAMIC:
			at = &progs[i]
		case elf.PT_LOAD:
			d.limit += progs[i].Filesz
		}
	}
	if at == nil {
		return nil, nil
	}
	if at.Memsz > maxDynamic {
		return nil, fmt.Errorf("dynamic section at %#x: %#x bytes is out of proportion", at.Vaddr+bias, at.Memsz)
	}
	b := make([]byte, at.Memsz)
	if err := mem.ReadAddr(b, at.Vaddr+bias); err != nil {
		return nil, fmt.Errorf("dynamic section: %w", err)
	}
	for ; len(b) >= 16; b = b[16:] {
		tag := elf.DynTag(binary.LittleEndian.Uint64(b))
		if tag == elf.DT_NULL {
			break
		}
		if _, dup := d.tags[tag]; !dup {
			d.tags[tag] = binary.LittleEndian.Uint64(b[8:])
		}
	}
	names, err := d.table("string table", elf.DT_STRTAB, d.tags[elf.DT_STRSZ])
	d.names = elfobj.NewStrings(names)
	return d, err
}

// extent returns the range of link addresses that the PT_LOADs cover.
func extent(progs []elfobj.Prog) (lo, hi uint64) {
	lo = ^uint64(0)
	for i := range progs {
		if p := &progs[i]; p.Type == elf.PT_LOAD && p.Vaddr+p.Memsz >= p.Vaddr {
			lo, hi = min(lo, p.Vaddr), max(hi, p.Vaddr+p.Memsz)
		}
	}
	return min(lo, hi), hi
}

// addr returns the run address that a pointer of the dynamic section means.
// glibc relocates them in place where the section is writable, and the vdso,
// musl and files hold link addresses.
func (d *dynamic) addr(tag elf.DynTag) (uint64, bool) {
	v, ok := d.tags[tag]
	if !ok {
		return 0, false
	}
	if d.bias != 0 && (v < d.lo || v >= d.hi) {
		v += d.bias
	}
	return v, v >= d.lo && v < d.hi
}

// table reads size bytes at the address that tag holds. A table that is larger
// than the module's file is an error, not an allocation.
func (d *dynamic) table(what string, tag elf.DynTag, size uint64) ([]byte, error) {
	at, ok := d.addr(tag)
	if !ok || size == 0 {
		return nil, nil
	}
	if size > d.limit || size > d.hi-at {
		return nil, fmt.Errorf("dynamic %s at %#x: %#x bytes do not fit in the file", what, at, size)
	}
	b, err := readGrowing(d.mem, at, size)
	if err != nil {
		return nil, fmt.Errorf("dynamic %s: %w", what, err)
	}
	return b, nil
}

// readGrowing reads size bytes, and allocates for no more than what is there.
func readGrowing(mem Memory, at, size uint64) ([]byte, error) {
	const step = 1 << 20
	var b []byte
	for uint64(len(b)) < size {
		n := min(step, size-uint64(len(b)))
		old := len(b)
		b = append(b, make([]byte, n)...)
		if err := mem.ReadAddr(b[old:], at+uint64(old)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// dynSym is one entry of the dynamic symbol table.
type dynSym struct {
	name    string
	value   uint64
	size    uint64
	typ     elf.SymType
	bind    elf.SymBind
	section elf.SectionIndex
}

func (d *dynamic) decodeSym(b []byte) dynSym {
	s := dynSym{
		typ:     elf.ST_TYPE(b[4]),
		bind:    elf.ST_BIND(b[4]),
		section: elf.SectionIndex(binary.LittleEndian.Uint16(b[6:])),
		value:   binary.LittleEndian.Uint64(b[8:]),
		size:    binary.LittleEndian.Uint64(b[16:]),
	}
	s.name, _ = d.names.At(uint64(binary.LittleEndian.Uint32(b)))
	return s
}

// symbols returns the dynamic symbol table. Its length is nowhere but in the
// hash tables.
func (d *dynamic) symbols() ([]dynSym, error) {
	n, err := d.countSymbols()
	if err != nil {
		return nil, err
	}
	b, err := d.table("symbol table", elf.DT_SYMTAB, n*symSize)
	if err != nil {
		return nil, err
	}
	list, total := make([]dynSym, 0, len(b)/symSize), uint64(0)
	for ; len(b) >= symSize; b = b[symSize:] {
		s := d.decodeSym(b)
		total += uint64(len(s.name))
		list = append(list, s)
	}
	if total > d.names.Budget(len(list)) {
		return nil, fmt.Errorf("dynamic symbol table: %d names have %#x bytes together", len(list), total)
	}
	return list, nil
}

func (d *dynamic) countSymbols() (uint64, error) {
	var head [16]byte
	if at, ok := d.addr(elf.DT_HASH); ok {
		if err := d.mem.ReadAddr(head[:8], at); err != nil {
			return 0, fmt.Errorf("dynamic hash table: %w", err)
		}
		return uint64(binary.LittleEndian.Uint32(head[4:])), nil // nchain
	}
	at, ok := d.addr(elf.DT_GNU_HASH)
	if !ok {
		return 0, nil
	}
	if err := d.mem.ReadAddr(head[:], at); err != nil {
		return 0, fmt.Errorf("dynamic hash table: %w", err)
	}
	return d.countGNU(at, head)
}

// countGNU finds the highest symbol index in a DT_GNU_HASH table: a header of
// nbuckets, symoffset, bloom_size and bloom_shift, the Bloom filter of 8-byte
// words, the buckets, and a chain of hashes whose last one has bit 0 set.
func (d *dynamic) countGNU(at uint64, head [16]byte) (uint64, error) {
	nbuckets := uint64(binary.LittleEndian.Uint32(head[0:]))
	first := uint64(binary.LittleEndian.Uint32(head[4:]))
	bloom := uint64(binary.LittleEndian.Uint32(head[8:]))
	buckets := at + 16 + 8*bloom
	if nbuckets*4 > d.limit || buckets < at {
		return 0, fmt.Errorf("dynamic hash table at %#x: %d buckets do not fit in the file", at, nbuckets)
	}
	b, err := readGrowing(d.mem, buckets, 4*nbuckets)
	if err != nil {
		return 0, fmt.Errorf("dynamic hash table: %w", err)
	}
	last := uint64(0)
	for ; len(b) >= 4; b = b[4:] {
		last = max(last, uint64(binary.LittleEndian.Uint32(b)))
	}
	if last < first {
		return first, nil
	}
	var hash [4]byte
	for chain := buckets + 4*nbuckets; last*symSize <= d.limit; last++ {
		if err := d.mem.ReadAddr(hash[:], chain+4*(last-first)); err != nil {
			return 0, fmt.Errorf("dynamic hash table: %w", err)
		}
		if hash[0]&1 != 0 {
			return last + 1, nil
		}
	}
	return 0, fmt.Errorf("dynamic hash table at %#x: a chain does not end", at)
}

// relocations calls fn for each dynamic relocation with an addend: those of
// DT_RELA and of DT_JMPREL. DT_RELR ones hold no symbols.
func (d *dynamic) relocations(fn func(at uint64, s Slot)) error {
	for _, t := range []struct{ addr, size elf.DynTag }{{elf.DT_RELA, elf.DT_RELASZ}, {elf.DT_JMPREL, elf.DT_PLTRELSZ}} {
		b, err := d.table("relocations", t.addr, d.tags[t.size])
		if err != nil {
			return err
		}
		for ; len(b) >= relaSize; b = b[relaSize:] {
			info := binary.LittleEndian.Uint64(b[8:])
			s := Slot{Type: elf.R_X86_64(elf.R_TYPE64(info)), Addend: int64(binary.LittleEndian.Uint64(b[16:]))}
			s.IFunc = s.Type == elf.R_X86_64_IRELATIVE
			if i := elf.R_SYM64(info); i != 0 {
				d.name(&s, uint64(i))
			}
			fn(binary.LittleEndian.Uint64(b)+d.bias, s)
		}
	}
	return nil
}

// name fills in what symbol i says. A symbol that can't be read leaves the
// slot without a name, which proves nothing and disproves nothing.
func (d *dynamic) name(s *Slot, i uint64) {
	at, ok := d.addr(elf.DT_SYMTAB)
	if !ok || i*symSize > d.limit {
		return
	}
	var raw [symSize]byte
	if d.mem.ReadAddr(raw[:], at+i*symSize) != nil {
		return
	}
	sym := d.decodeSym(raw[:])
	s.Name, s.Value = sym.name, sym.value
	s.Defined = sym.section != elf.SHN_UNDEF
	s.IFunc = s.IFunc || sym.typ == elf.STT_GNU_IFUNC
}

// unversioned cuts the version that linkers append to names in .symtab:
// memcpy@@GLIBC_2.14.
func unversioned(name string) string {
	if i := strings.IndexByte(name, '@'); i > 0 {
		return name[:i]
	}
	return name
}
