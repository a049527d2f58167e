package splice

import (
	"bytes"
	"debug/elf"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/internal/elfobj"
)

// A Resolved is the value of an import in the target: [Import] with run
// addresses.
type Resolved struct {
	Address, PLT, GOT uint64 // 0 when not known
	TLSSlot           uint64 // GOT slot with the offset from the thread pointer, 0 when there is none
	TLSPair           uint64 // GOT slots with the TLS module and the offset in its block, likewise
	TPOff             *int64
	TLS               *uint64
}

// A Segment is bytes at run addresses with one protection.
type Segment struct {
	Addr  uint64
	Bytes []byte
	Exec  bool
	Write bool
}

// End returns the address behind the segment.
func (s *Segment) End() uint64 { return s.Addr + uint64(len(s.Bytes)) }

// A Linker lays out the objects of an update and relocates them. Its use is in
// two steps, since a place can be looked for only when the size is known:
// [NewLinker], then [Linker.Size], then [Linker.Link].
type Linker struct {
	update *Update
	objs   []*linkObject
	size   [numAreas]uint64
	slots  int  // upper bound
	abs32  bool // something holds addresses of 31 bits
	global map[string]symbolRef
}

// area is what sections are sorted into, by protection.
type area int

const (
	areaConst area = iota
	areaCode
	areaData
	numAreas
)

// PageSize is the unit of protections.
const PageSize = 4096

// thunkSize is the room for one jump through a GOT slot: ff 25 d32, and two
// bytes of filling.
const thunkSize = 8

type linkObject struct {
	*Object
	file    *elfobj.File
	syms    []elfobj.Symbol
	imports map[uint32]*Import
	place   []sectionPlace // of each section
}

type sectionPlace struct {
	area area
	off  uint64
	used bool
}

type symbolRef struct {
	obj *linkObject
	sym elfobj.SymbolIndex
}

// NewLinker parses the objects of an update.
func NewLinker(u *Update) (*Linker, error) {
	if err := u.Check(); err != nil {
		return nil, err
	}
	l := &Linker{update: u, global: map[string]symbolRef{}}
	for i := range u.Objects {
		if err := l.object(&u.Objects[i]); err != nil {
			return nil, fmt.Errorf("update %q: object %q: %w", u.Name, u.Objects[i].Name, err)
		}
	}
	return l, nil
}

func (l *Linker) object(o *Object) error {
	f, err := elfobj.Parse(o.ELF)
	if err != nil {
		return err
	}
	syms, err := f.Symbols()
	if err != nil {
		return err
	}
	lo := &linkObject{Object: o, file: f, syms: syms, imports: map[uint32]*Import{}, place: make([]sectionPlace, len(f.Sections))}
	for i := range o.Imports {
		lo.imports[o.Imports[i].Symbol] = &o.Imports[i]
	}
	for i := range o.Redirects {
		if r := &o.Redirects[i]; int(r.Symbol) >= len(syms) || !syms[r.Symbol].IsDefined() {
			return fmt.Errorf("redirect %s: symbol %d is not defined", r.Function, r.Symbol)
		}
	}
	for _, s := range f.Sections {
		if err := l.section(lo, s); err != nil {
			return err
		}
	}
	for i := range syms {
		if s := &syms[i]; s.IsDefined() && s.Bind() != elf.STB_LOCAL {
			if _, dup := l.global[s.Name]; !dup {
				l.global[s.Name] = symbolRef{lo, elfobj.SymbolIndex(i)}
			}
		}
	}
	l.objs = append(l.objs, lo)
	return nil
}

// maxSection bounds the size of one section: an update that needs more is
// damaged.
const maxSection = 1 << 28

// section gives a section its place in an area.
func (l *Linker) section(o *linkObject, s *elfobj.Section) error {
	if s.Flags&elf.SHF_ALLOC == 0 || s.Type != elf.SHT_PROGBITS && s.Type != elf.SHT_NOBITS {
		return nil
	}
	a := areaConst
	switch {
	case s.Flags&elf.SHF_TLS != 0:
		return Refuse(CodeTLSModel, "", s.Name, 0, "thread-local data can't be added to a running program")
	case s.Flags&elf.SHF_EXECINSTR != 0:
		a = areaCode
	case s.Flags&elf.SHF_WRITE != 0:
		a = areaData
	}
	align := max(s.Addralign, 1)
	if align&(align-1) != 0 || align > PageSize || s.Size > maxSection {
		return Refuse(CodeUnsupported, "", s.Name, 0, "a section of %#x bytes with alignment %#x", s.Size, align)
	}
	off := (l.size[a] + align - 1) &^ (align - 1)
	o.place[s.Index] = sectionPlace{area: a, off: off, used: true}
	l.size[a] = off + s.Size
	relas, err := o.file.Relas(s.Index)
	if err != nil {
		return err
	}
	l.slots += len(relas)
	for _, r := range relas {
		switch elf.R_X86_64(r.Type) {
		case elf.R_X86_64_32, elf.R_X86_64_32S:
			l.abs32 = true
		}
	}
	return nil
}

// A Size says how much address space an update needs, in bytes; each part is a
// multiple of the page size.
type Size struct {
	Const, Code, Data uint64
	// Low says that all of it has to lie below 2 GiB, since code holds
	// addresses of 31 bits.
	Low bool
}

// Total returns the sum.
func (s Size) Total() uint64 { return s.Const + s.Code + s.Data }

// Size returns what the update needs.
func (l *Linker) Size() Size {
	round := func(n uint64) uint64 { return (n + PageSize - 1) &^ (PageSize - 1) }
	return Size{
		Const: round(l.size[areaConst] + 8 + uint64(l.slots)*8),
		Code:  round(l.size[areaCode] + 8 + uint64(l.slots)*thunkSize),
		Data:  round(l.size[areaData]),
		Low:   l.abs32,
	}
}

// Symbols returns how many symbols the objects have.
func (l *Linker) Symbols() int {
	n := 0
	for _, o := range l.objs {
		n += len(o.syms)
	}
	return n
}

// A Linked is an update at its addresses.
type Linked struct {
	Const, Code, Data Segment // not padded to pages; Data may be empty
	// EHFrames are the .eh_frame sections, as offsets in Const.
	EHFrames [][2]uint64
	symbols  map[symbolRef]uint64
	objs     []*linkObject
}

// NewAddr returns the address of the function that redirect r of object i
// leads to.
func (k *Linked) NewAddr(i, r int) uint64 {
	o := k.objs[i]
	return k.symbols[symbolRef{o, elfobj.SymbolIndex(o.Redirects[r].Symbol)}]
}

// Functions returns the addresses of all functions of the update, ascending.
func (k *Linked) Functions() []uint64 {
	out := []uint64{}
	for ref, addr := range k.symbols {
		if ref.obj.syms[ref.sym].Type() == elf.STT_FUNC {
			out = append(out, addr)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// A Layout says where the parts of an update go.
type Layout struct{ Const, Code, Data uint64 }

// Link relocates the update for the given layout. resolve is asked for each
// import that is used, once.
//
// The error is or wraps a [*Refusal] when a reference can't be made.
func (l *Linker) Link(at Layout, resolve func(*Import) (Resolved, error)) (*Linked, error) {
	k := &linking{
		Linker: l,
		base:   [numAreas]uint64{areaConst: at.Const, areaCode: at.Code, areaData: at.Data},
		out:    &Linked{symbols: map[symbolRef]uint64{}, objs: l.objs},
		value:  map[*Import]*Resolved{}, slot: map[uint64]uint64{}, thunk: map[uint64]uint64{},
		ask: resolve,
	}
	for a := range numAreas {
		k.mem[a] = make([]byte, l.size[a])
	}
	for _, o := range l.objs {
		if err := k.copySections(o); err != nil {
			return nil, err
		}
	}
	for _, o := range l.objs {
		if err := k.relocate(o); err != nil {
			return nil, fmt.Errorf("link %s: %w", o.Name, err)
		}
	}
	k.out.Const = Segment{Addr: at.Const, Bytes: k.mem[areaConst]}
	k.out.Code = Segment{Addr: at.Code, Bytes: k.mem[areaCode], Exec: true}
	k.out.Data = Segment{Addr: at.Data, Bytes: k.mem[areaData], Write: true}
	return k.out, nil
}

// copySections puts the content of the sections in place, and computes the
// addresses of the symbols.
func (k *linking) copySections(o *linkObject) error {
	for _, s := range o.file.Sections {
		p := o.place[s.Index]
		if !p.used || s.Type == elf.SHT_NOBITS {
			continue
		}
		b, err := s.Data()
		if err != nil {
			return err
		}
		copy(k.mem[p.area][p.off:], b)
		if s.Name == ".eh_frame" {
			k.out.EHFrames = append(k.out.EHFrames, [2]uint64{p.off, p.off + s.Size})
		}
	}
	for i := range o.syms {
		s := &o.syms[i]
		if int(s.Section) < len(o.place) && o.place[s.Section].used {
			p := o.place[s.Section]
			k.out.symbols[symbolRef{o, elfobj.SymbolIndex(i)}] = k.base[p.area] + p.off + s.Value
		}
	}
	return nil
}

// HasSection reports whether an object of the update carries a section of that
// name.
func (l *Linker) HasSection(name string) bool {
	for _, o := range l.objs {
		for _, s := range o.file.Sections {
			if s.Name == name || bytes.HasPrefix([]byte(s.Name), []byte(name+".")) {
				return true
			}
		}
	}
	return false
}
