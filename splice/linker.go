package splice

import (
	"debug/elf"
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/errname"
)

// A Linker lays out the objects of an update and relocates them. Its use is in
// two steps, since a place can be looked for only when the size is known:
// [NewLinker], then [Linker.Size], then [Linker.Link].
type Linker struct {
	update *Update
	objs   []*linkObject
	size   [numAreas]uint64
	slots  int    // upper bound
	abs32  bool   // something holds addresses of 31 bits
	zero   uint64 // alignment of areaZero
	input  uint64 // bytes that the sections so far have in the file
	global map[string]symbolRef
	twice  map[string]bool // global symbols that several objects define
}

// area is what sections are sorted into, by protection.
type area int

const (
	areaConst area = iota
	areaCode
	areaData
	areaZero // behind areaData, with its protection and without bytes
	numAreas
)

// PageSize is the unit of protections.
const PageSize = 4096

// thunkSize is the room for one jump through a GOT slot (amd64.JmpSlot), with filling.
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

// damagedUnlessRefused names the errors about an update that makes no sense.
func damagedUnlessRefused(err error) error {
	if err == nil || errors.Is(err, ErrRefused) {
		return err
	}
	return errname.As(err, ErrUpdateDamaged)
}

// NewLinker parses the objects of an update. The error is or wraps a [*Refusal] or
// [ErrUpdateDamaged].
func NewLinker(u *Update) (*Linker, error) {
	if u == nil {
		return nil, fmt.Errorf("%w: none is given", ErrUpdateDamaged)
	}
	if err := u.Check(); err != nil {
		return nil, err
	}
	l := &Linker{update: u, zero: 1, global: map[string]symbolRef{}, twice: map[string]bool{}}
	for i := range u.Objects {
		if err := l.object(&u.Objects[i]); err != nil {
			return nil, fmt.Errorf("update %q: object %q: %w", u.Name, u.Objects[i].Name, damagedUnlessRefused(err))
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
	for _, s := range f.Sections {
		if err := l.section(lo, s); err != nil {
			return err
		}
	}
	for i := range o.Redirects {
		if err := l.replacement(lo, &o.Redirects[i]); err != nil {
			return err
		}
	}
	l.objs = append(l.objs, lo)
	l.globals(lo)
	return nil
}

// replacement checks that the symbol of a redirect is code of the object.
func (l *Linker) replacement(o *linkObject, r *Redirect) error {
	if uint64(r.Symbol) >= uint64(len(o.syms)) {
		return fmt.Errorf("redirect %s: symbol %d of %d", r.Function, r.Symbol, len(o.syms))
	}
	s := &o.syms[r.Symbol]
	if uint64(s.Section) >= uint64(len(o.place)) || !o.place[s.Section].used || o.place[s.Section].area != areaCode {
		return fmt.Errorf("redirect %s: symbol %d is no code of the update", r.Function, r.Symbol)
	}
	if size := o.file.Sections[s.Section].Size; s.Value >= size {
		return fmt.Errorf("redirect %s: symbol %d is at %#x of %#x bytes", r.Function, r.Symbol, s.Value, size)
	}
	return nil
}

// globals notes the symbols that other objects of the update may mean. As for
// a linker, a weak definition gives way to another.
func (l *Linker) globals(o *linkObject) {
	for i := range o.syms {
		s := &o.syms[i]
		if !s.IsDefined() || s.Bind() == elf.STB_LOCAL || s.Name == "" {
			continue
		}
		old, dup := l.global[s.Name]
		switch {
		case !dup || old.weak() && s.Bind() != elf.STB_WEAK:
			l.global[s.Name] = symbolRef{o, elfobj.SymbolIndex(i)}
		case !old.weak() && s.Bind() != elf.STB_WEAK:
			l.twice[s.Name] = true
		}
	}
}

func (r symbolRef) weak() bool { return r.obj.syms[r.sym].Bind() == elf.STB_WEAK }

// maxTotal bounds the size of all sections together, in bytes: an update that
// needs more can't be near to what it replaces.
const maxTotal = 1 << 30

const (
	// maxPadded bounds the memory for sections with a content, by the bytes that
	// they have in the file: small sections with a large alignment take more.
	maxPadded  = 4
	paddedFree = 1 << 20 // bytes
	// sectionHeader is what a section has in the file beside its content, in bytes.
	sectionHeader = 64
)

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
	case s.Flags&elf.SHF_WRITE != 0 && s.Type == elf.SHT_NOBITS:
		a = areaZero
	case s.Flags&elf.SHF_WRITE != 0:
		a = areaData
	}
	align := max(s.Addralign, 1)
	if align&(align-1) != 0 || align > PageSize || s.Size > maxTotal {
		return Refuse(CodeUnsupported, "", s.Name, 0, "a section of %#x bytes with alignment %#x", s.Size, align)
	}
	if s.Type == elf.SHT_NOBITS && a != areaZero && s.Size > 0 {
		return Refuse(CodeUnsupported, "", s.Name, 0, "%#x bytes that are zero and can't be written", s.Size)
	}
	off := (l.size[a] + align - 1) &^ (align - 1)
	o.place[s.Index] = sectionPlace{area: a, off: off, used: true}
	l.size[a] = off + s.Size
	if a != areaZero {
		l.input += s.Size
	}
	filled := l.size[areaConst] + l.size[areaCode] + l.size[areaData]
	if filled+l.size[areaZero] > maxTotal {
		return Refuse(CodeUnsupported, "", s.Name, 0, "the update has more than %#x bytes", uint64(maxTotal))
	}
	if l.input += sectionHeader; filled > l.input*maxPadded+paddedFree {
		return Refuse(CodeUnsupported, "", s.Name, 0, "with what aligns them, the sections of %#x bytes take %#x", l.input, filled)
	}
	relas, err := o.file.Relas(s.Index)
	if err != nil {
		return err
	}
	if a == areaZero {
		l.zero = max(l.zero, align)
		if len(relas) > 0 {
			return Refuse(CodeUnsupported, "", s.Name, relas[0].Offset, "a relocation of bytes that the file does not have")
		}
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
		Data:  round(l.zeroOff() + l.size[areaZero]),
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

// zeroOff returns where areaZero starts, from the start of areaData.
func (l *Linker) zeroOff() uint64 { return (l.size[areaData] + l.zero - 1) &^ (l.zero - 1) }
