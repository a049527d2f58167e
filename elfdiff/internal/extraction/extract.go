package extraction

import (
	"cmp"
	"debug/elf"
	"fmt"
	"math/bits"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/symname"
)

type extraction struct {
	*Plan
	b     elfobj.Builder
	home  []placed                     // where each included atom of post went
	there map[object.AtomID]placeInPre // the literals of post that are where pre's are
	last  elfobj.SymbolIndex           // the last handle
	ext   map[externalKey]elfobj.SymbolIndex
	exts  []extract.External
	names map[string]int // of symbols outside, with how often each was used
	fdes  []*object.Atom
	err   error // a reference that leads nowhere
	// anchors are the section symbols of what layout placed.
	anchors    map[elfobj.SectionIndex]elfobj.SymbolIndex
	over       []extract.DataUpdate
	sets       []extract.InitialUpdate
	immediates []extract.RuntimeImmediate
	variables  map[string]elfobj.SymbolIndex // of runtime constants, by name
	entries    entryTables
}

type placed struct {
	sec    elfobj.SectionIndex
	off    uint64
	symbol elfobj.SymbolIndex // at its start
}

type externalKey struct {
	pre  object.AtomID
	name string
}

// layout gives each included atom a section: its own, or one with the
// anonymous constants that touch it.
func (x *extraction) layout() {
	list := stretches(x.Post, func(a *object.Atom) bool {
		_, there := x.there[a.ID]
		return x.Included[a.ID] && a.Kind != object.Unwind && !there
	})
	for _, s := range list {
		x.chunk(s)
	}
}

// MayTouch reports whether an atom is an anonymous constant, of which nobody knows where it
// ends: it travels together with another that it touches.
func MayTouch(a *object.Atom) bool {
	return a.Kind == object.Const && a.Anonymous() && !a.Jumps && !a.Aside
}

// chunk adds a section for atoms that stay together.
func (x *extraction) chunk(atoms []*object.Atom) {
	first := atoms[0]
	from := x.Post.File.Sections[first.Section]
	h := elfobj.SectionHeader{
		Name: chunkName(from.Name, first), Type: from.Type, Flags: from.Flags &^ (elf.SHF_GROUP | elf.SHF_LINK_ORDER),
		Addralign: AlignAt(from.Addralign, first.Offset), Entsize: from.Entsize,
	}
	if from.Flags&elf.SHF_MERGE != 0 {
		// A linker takes a section symbol of a mergeable section with its
		// addend for a place in it, which a PC-relative addend is not.
		h.Flags &^= elf.SHF_MERGE | elf.SHF_STRINGS
		h.Entsize = 0
	}
	last := atoms[len(atoms)-1]
	var data []byte
	start := uint64(0) // of the first atom in the new section
	if !first.NoBits {
		data = make([]byte, 0, last.End()-first.Offset)
		for _, a := range atoms {
			data = append(data, a.Bytes...)
			ClearFields(data[len(data)-len(a.Bytes):], a)
		}
		data, start = withIslands(data, first, h.Addralign)
	}
	sec := x.b.AddSection(h, data)
	if first.NoBits {
		x.b.Section(sec).Size = last.End() - first.Offset
	}
	anchor := x.add(elfobj.Symbol{Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), Section: sec})
	x.anchors[sec] = anchor
	for _, a := range atoms {
		off := start + a.Offset - first.Offset
		x.home[a.ID] = placed{sec: sec, off: off, symbol: anchor}
		x.define(a, sec, off)
	}
}

// chunkName keeps the name of a section that holds one atom, and makes one as
// -ffunction-sections and -fdata-sections would otherwise.
func chunkName(section string, a *object.Atom) string {
	if a.Name == "" {
		return section
	}
	suffix := "." + a.Name
	if len(section) > len(suffix) && section[len(section)-len(suffix):] == suffix {
		return section
	}
	return section + suffix
}

// AlignAt returns the alignment that an atom at offset off of a section with
// the given alignment is known to have.
func AlignAt(align, off uint64) uint64 {
	align = max(align, 1)
	if off == 0 {
		return align
	}
	return min(align, uint64(1)<<bits.TrailingZeros64(off))
}

// ClearFields zeroes the fields of references: the addend stands in the
// relocation (psABI section 4.4: RELA), and kernels demand that the field is
// zero before (arch/x86/kernel/module.c).
func ClearFields(b []byte, a *object.Atom) {
	for i := range a.Refs {
		if object.IsShort(&a.Refs[i]) {
			continue
		}
		off := a.Refs[i].Offset
		if n := uint64(amd64.FieldSize(a.Refs[i].Type)); off+n <= uint64(len(b)) {
			clear(b[off : off+n])
		}
	}
}

// define adds the symbols of an atom.
func (x *extraction) define(a *object.Atom, sec elfobj.SectionIndex, off uint64) {
	for _, i := range a.Symbols {
		s := *x.Post.Symbol(i)
		if symname.IsLocalLabel(s.Name) {
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

// startOf returns the symbol at the start of a function. One without a name starts
// behind the islands that stand before it, where its section's symbol does not.
func (x *extraction) startOf(a *object.Atom) elfobj.SymbolIndex {
	h := &x.home[a.ID]
	if h.off != 0 && x.b.Symbol(h.symbol).Type() == elf.STT_SECTION {
		h.symbol = x.within(h, 0, symbolType(a))
	}
	return h.symbol
}

// within adds a local symbol for a place in what was laid out.
func (x *extraction) within(h *placed, off uint64, t elf.SymType) elfobj.SymbolIndex {
	name := fmt.Sprintf(".Lat%d+%#x", h.sec, h.off+off)
	return x.add(elfobj.Symbol{Name: name, Info: elf.ST_INFO(elf.STB_LOCAL, t), Section: h.sec, Value: h.off + off})
}

// finish lists the replacements and renumbers everything.
func (x *extraction) finish() (*extract.Extracted, error) {
	out := &extract.Extracted{}
	for _, ch := range x.Functions {
		if a := x.Post.Atom(ch.Post); ch.Status == verdict.Changed && x.Included[ch.Post] && a.Owner == object.NoAtom && !x.ByCallers[ch.Post] {
			out.Replacements = append(out.Replacements, extract.Replacement{Name: ch.Name, Pre: ch.Pre, New: x.startOf(a)})
		}
	}
	final := x.renumbering()
	for i := range out.Replacements {
		out.Replacements[i].New = final[out.Replacements[i].New]
	}
	for i := range x.over {
		for k := range x.over[i].Relas {
			x.over[i].Relas[k].Sym = final[x.over[i].Relas[k].Sym]
		}
	}
	for i := range x.sets {
		for k := range x.sets[i].Relas {
			x.sets[i].Relas[k].Sym = final[x.sets[i].Relas[k].Sym]
		}
	}
	out.InPlace, out.Initials, out.Originals = x.over, x.sets, x.originals()
	out.Alignments = x.alignments(final)
	for _, s := range x.immediates {
		s.Variable = final[s.Variable]
		out.Immediates = append(out.Immediates, s)
	}
	for _, e := range x.exts {
		e.Symbol = final[e.Symbol]
		out.Externals = append(out.Externals, e)
	}
	spec, err := x.b.Spec()
	if err != nil {
		return nil, object.NameError(fmt.Errorf("extract: %w", err))
	}
	out.Spec = spec
	slices.SortFunc(out.Externals, func(a, b extract.External) int { return cmp.Compare(a.Symbol, b.Symbol) })
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

// originals lists the literals that need not be copies.
func (x *extraction) originals() (list []extract.Original) {
	for i := range x.Keeps {
		k := &x.Keeps[i]
		if k.Pre == object.NoAtom || k.Post == object.NoAtom {
			continue
		}
		if h := x.home[k.Post]; h.sec != 0 && h.off == 0 {
			list = append(list, extract.Original{Section: h.sec, Pre: k.Pre})
		}
	}
	return list
}
