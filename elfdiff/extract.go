package elfdiff

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"slices"

	"github.com/gosplice/gosplice/internal/elfobj"
)

// Extracted is a relocatable object with just what an update carries: the
// changed functions and what travels with them. References to everything else
// are undefined symbols.
type Extracted struct {
	// Spec is the object.
	Spec *elfobj.Spec
	// Replacements are the functions that replace one of pre.
	Replacements []Replacement
	// Externals are the undefined symbols.
	Externals []External
}

// A Replacement says which function of pre a function of the extracted object
// replaces.
type Replacement struct {
	Name string
	Pre  AtomID
	New  elfobj.SymbolIndex // in the extracted object
}

// An External says what an undefined symbol of the extracted object stands
// for: an atom of pre, at its start, or, with Pre NoAtom, something that pre
// does not define either.
type External struct {
	Symbol elfobj.SymbolIndex // in the extracted object
	Name   string             // in pre or post; the symbol may have another to be unique
	Pre    AtomID
}

// WriteTo writes the object, the same bytes for the same diff.
func (x *Extracted) WriteTo(w io.Writer) (int64, error) { return x.Spec.WriteTo(w) }

// Extract makes the object that carries the changes of d. It fails with a
// [*RefusedError] when d has refusals.
//
// A call from carried code to a changed function goes to the new one. The
// address of a changed function, where it is not called, stays that of the old
// one, which leads to the new: so the function keeps one identity for code
// that compares or stores its address.
func Extract(d *Diff) (*Extracted, error) {
	if len(d.Refusals) > 0 {
		return nil, &RefusedError{Refusals: d.Refusals}
	}
	x := &extraction{
		Diff:  d,
		home:  make([]placed, len(d.Post.Atoms)),
		ext:   map[externalKey]elfobj.SymbolIndex{},
		names: map[string]int{},
	}
	x.layout()
	x.unwind()
	x.relocate()
	return x.finish()
}

type extraction struct {
	*Diff
	b     elfobj.Builder
	home  []placed           // where each included atom of post went
	last  elfobj.SymbolIndex // the last handle
	ext   map[externalKey]elfobj.SymbolIndex
	exts  []External
	names map[string]int // of symbols outside, with how often each was used
	syms  map[elfobj.SymbolIndex]elfobj.SymbolIndex
	fdes  []*Atom
}

type placed struct {
	sec    elfobj.SectionIndex
	off    uint64
	symbol elfobj.SymbolIndex // at its start
}

type externalKey struct {
	pre  AtomID
	name string
}

// layout gives each included atom a section: its own, or one with the
// anonymous constants that touch it.
func (x *extraction) layout() {
	var chunk []*Atom
	flush := func() {
		if len(chunk) > 0 {
			x.chunk(chunk)
			chunk = nil
		}
	}
	for i := range x.Post.Atoms {
		a := &x.Post.Atoms[i]
		if !x.included[i] || a.Kind == Unwind {
			continue
		}
		if n := len(chunk); n > 0 {
			last := chunk[n-1]
			if last.Section == a.Section && last.End() == a.Offset && mayTouch(last) && mayTouch(a) {
				chunk = append(chunk, a)
				continue
			}
		}
		flush()
		chunk = append(chunk, a)
	}
	flush()
}

func mayTouch(a *Atom) bool { return a.Kind == Const && a.Anonymous() && !a.Jumps }

// chunk adds a section for atoms that stay together.
func (x *extraction) chunk(atoms []*Atom) {
	first := atoms[0]
	from := x.Post.File.Sections[first.Section]
	h := elfobj.SectionHeader{
		Name: chunkName(from.Name, first), Type: from.Type, Flags: from.Flags &^ (elf.SHF_GROUP | elf.SHF_LINK_ORDER),
		Addralign: alignAt(from.Addralign, first.Offset), Entsize: from.Entsize,
	}
	if from.Flags&elf.SHF_MERGE != 0 && (len(atoms) > 1 || first.Kind == Const) {
		h.Flags &^= elf.SHF_MERGE | elf.SHF_STRINGS
		h.Entsize = 0
	}
	last := atoms[len(atoms)-1]
	var data []byte
	if !first.NoBits {
		data = make([]byte, 0, last.End()-first.Offset)
		for _, a := range atoms {
			data = append(data, a.Bytes...)
			clearFields(data[len(data)-len(a.Bytes):], a)
		}
	}
	sec := x.b.AddSection(h, data)
	if first.NoBits {
		x.b.Section(sec).Size = last.End() - first.Offset
	}
	anchor := x.add(elfobj.Symbol{Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), Section: sec})
	for _, a := range atoms {
		x.home[a.ID] = placed{sec: sec, off: a.Offset - first.Offset, symbol: anchor}
		x.define(a, sec, a.Offset-first.Offset)
	}
}

// chunkName keeps the name of a section that holds one atom, and makes one as
// -ffunction-sections and -fdata-sections would otherwise.
func chunkName(section string, a *Atom) string {
	if a.Name == "" {
		return section
	}
	suffix := "." + a.Name
	if len(section) > len(suffix) && section[len(section)-len(suffix):] == suffix {
		return section
	}
	return section + suffix
}

// alignAt returns the alignment that an atom at offset off of a section with
// the given alignment is known to have.
func alignAt(align, off uint64) uint64 {
	align = max(align, 1)
	if off == 0 {
		return align
	}
	return min(align, uint64(1)<<bits.TrailingZeros64(off))
}

// clearFields zeroes the fields of references: the addend stands in the
// relocation (psABI section 4.4: RELA), and kernels demand that the field is
// zero before (arch/x86/kernel/module.c).
func clearFields(b []byte, a *Atom) {
	for i := range a.Refs {
		off := a.Refs[i].Offset
		if n := uint64(fieldSize(a.Refs[i].Type)); off+n <= uint64(len(b)) {
			clear(b[off : off+n])
		}
	}
}

// define adds the symbols of an atom.
func (x *extraction) define(a *Atom, sec elfobj.SectionIndex, off uint64) {
	for _, i := range a.Symbols {
		s := *x.Post.Symbol(i)
		if isLocalLabel(s.Name) {
			continue
		}
		s.Section, s.Value = sec, s.Value-a.Offset+off
		n := x.add(s)
		x.names[s.Name]++
		if s.Name == a.Name && s.Value == off {
			x.home[a.ID].symbol = n
		}
	}
}

// unwind writes .eh_frame: each CIE once, before the FDEs that point to it.
func (x *extraction) unwind() {
	for i := range x.Post.Atoms {
		if a := &x.Post.Atoms[i]; x.included[i] && a.Kind == Unwind && a.Owner != NoAtom {
			x.fdes = append(x.fdes, a)
		}
	}
	if len(x.fdes) == 0 {
		return
	}
	from := x.Post.File.Sections[x.fdes[0].Section]
	sec := x.b.AddSection(elfobj.SectionHeader{Name: ".eh_frame", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC, Addralign: max(from.Addralign, 8)}, nil)
	var data []byte
	put := func(a *Atom) uint64 {
		off := uint64(len(data))
		data = append(data, a.Bytes...)
		clearFields(data[off:], a)
		x.home[a.ID] = placed{sec: sec, off: off}
		return off
	}
	cies := map[AtomID]uint64{}
	for _, f := range x.fdes {
		cie := x.Post.cieOf(f)
		if cie == NoAtom {
			continue
		}
		if _, ok := cies[cie]; !ok {
			cies[cie] = put(&x.Post.Atoms[cie])
			x.included[cie] = true
		}
		off := put(f)
		binary.LittleEndian.PutUint32(data[off+4:], uint32(off+4-cies[cie]))
	}
	x.b.Section(sec).Data = data
	x.b.Section(sec).Size = uint64(len(data))
}

// cieOf returns the CIE of an FDE: the record that starts as many bytes before
// its second word as that word says (LSB Core 5.0, section 10.6.1.2).
func (o *Object) cieOf(f *Atom) AtomID {
	if len(f.Bytes) < 8 {
		return NoAtom
	}
	back := uint64(binary.LittleEndian.Uint32(f.Bytes[4:]))
	if back > f.Offset+4 {
		return NoAtom
	}
	id := o.AtomAt(f.Section, f.Offset+4-back)
	if id == NoAtom || o.Atoms[id].Offset != f.Offset+4-back {
		return NoAtom
	}
	return id
}

// relocate writes the relocations of all that travels.
func (x *extraction) relocate() {
	for i := range x.Post.Atoms {
		a := &x.Post.Atoms[i]
		if h := x.home[i]; x.included[i] && h.sec != 0 {
			for k := range a.Refs {
				r := &a.Refs[k]
				sym, addend := x.symbolFor(a, r)
				x.b.AddRela(h.sec, elfobj.Rela{Offset: h.off + r.Offset, Addend: addend, Sym: sym, Type: r.Type})
			}
		}
	}
}

// symbolFor returns the symbol and the addend by which the extracted object
// says what r means.
func (x *extraction) symbolFor(a *Atom, r *Ref) (elfobj.SymbolIndex, int64) {
	if r.Target == NoAtom {
		return x.outside(NoAtom, x.Post.Symbol(r.Sym)), r.Addend
	}
	t := &x.Post.Atoms[r.Target]
	addend := r.Addend - int64(t.Offset)
	switch {
	case r.Implicit:
		addend = r.TargetOff + r.Addend
	default:
		addend += int64(x.Post.Symbol(r.Sym).Value)
	}
	pre := x.twins.pre[t.ID]
	h := x.home[t.ID]
	if !x.included[t.ID] || pre != NoAtom && takesIdentity(a, r, t) {
		return x.outside(pre, nil), addend
	}
	if x.b.Symbol(h.symbol).Type() == elf.STT_SECTION {
		addend += int64(h.off)
	}
	return h.symbol, addend
}

// takesIdentity reports whether r takes the address of the function t, instead
// of leading into its code: for a call, for what describes code, and for
// places inside, the code that travels is meant.
func takesIdentity(a *Atom, r *Ref, t *Atom) bool {
	return t.Kind == Func && t.Owner == NoAtom && r.TargetOff == 0 && !a.Jumps && a.Kind != Unwind && a.Kind != LSDA && !isCall(a, r)
}

// isCall reports whether the reference is the displacement of a direct call or
// jump: RIP-relative operands have a ModRM byte before the field that no
// branch opcode equals.
func isCall(a *Atom, r *Ref) bool {
	if a.Kind != Func || r.Offset == 0 || typeClass(r.Type) != relPC32 {
		return false
	}
	b := a.Bytes[r.Offset-1]
	return b == 0xe8 || b == 0xe9 || r.Offset > 1 && a.Bytes[r.Offset-2] == 0x0f && b&0xf0 == 0x80
}

// outside returns the undefined symbol that stands for an atom of pre, or for
// a symbol that pre does not define either.
func (x *extraction) outside(pre AtomID, s *elfobj.Symbol) elfobj.SymbolIndex {
	var sym elfobj.Symbol
	key := externalKey{pre: pre}
	if pre != NoAtom {
		p := &x.Pre.Atoms[pre]
		sym = elfobj.Symbol{Name: p.Name, Info: elf.ST_INFO(elf.STB_GLOBAL, symbolType(p))}
		if sym.Name == "" {
			sym.Name = fmt.Sprintf("%s+%#x", x.Pre.sectionName(p.Section), p.Offset)
		}
	} else {
		sym = *s
		key.name = s.Name
	}
	if i, ok := x.ext[key]; ok {
		return i
	}
	name := sym.Name
	if sym.Section == elfobj.SecUndef {
		sym.Name = x.unique(name)
	}
	i := x.add(sym)
	x.ext[key] = i
	x.exts = append(x.exts, External{Symbol: i, Name: name, Pre: pre})
	return i
}

func symbolType(a *Atom) elf.SymType {
	switch a.Kind {
	case Func:
		return elf.STT_FUNC
	case TLS:
		return elf.STT_TLS
	}
	return elf.STT_OBJECT
}

// unique makes a name that no other symbol of the extracted object has: foo,
// then foo.run when foo is the replacement, then foo.run.2.
func (x *extraction) unique(name string) string {
	n := x.names[name]
	x.names[name]++
	switch n {
	case 0:
		return name
	case 1:
		return name + ".run"
	}
	return fmt.Sprintf("%s.run.%d", name, n)
}

// finish lists the replacements and renumbers everything.
func (x *extraction) finish() (*Extracted, error) {
	out := &Extracted{}
	for _, ch := range x.Functions {
		if a := x.Post.Atom(ch.Post); ch.Status == Changed && a.Owner == NoAtom {
			out.Replacements = append(out.Replacements, Replacement{Name: ch.Name, Pre: ch.Pre, New: x.home[ch.Post].symbol})
		}
	}
	final := x.renumbering()
	for i := range out.Replacements {
		out.Replacements[i].New = final[out.Replacements[i].New]
	}
	for _, e := range x.exts {
		e.Symbol = final[e.Symbol]
		out.Externals = append(out.Externals, e)
	}
	spec, err := x.b.Spec()
	if err != nil {
		return nil, fmt.Errorf("extract: %w", err)
	}
	out.Spec = spec
	slices.SortFunc(out.Externals, func(a, b External) int { return cmp.Compare(a.Symbol, b.Symbol) })
	return out, nil
}

func (x *extraction) add(s elfobj.Symbol) elfobj.SymbolIndex {
	x.last = x.b.AddSymbol(s)
	return x.last
}

// renumbering maps the builder's handles to the indices in the file, where
// local symbols come first (gABI chapter 4, sh_info of a symbol table).
func (x *extraction) renumbering() []elfobj.SymbolIndex {
	final := make([]elfobj.SymbolIndex, x.last+1)
	next := elfobj.SymbolIndex(1)
	for _, local := range []bool{true, false} {
		for h := elfobj.SymbolIndex(1); h <= x.last; h++ {
			if (x.b.Symbol(h).Bind() == elf.STB_LOCAL) == local {
				final[h] = next
				next++
			}
		}
	}
	return final
}
