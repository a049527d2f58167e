package prove

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Site is a range of code that something rewrites after it was compiled: the
// kernel's build, its boot code, or whoever switches something on while it runs.
// Its bytes may be those of pre, or one of the forms that its row allows.
type Site struct {
	Atom      object.AtomID
	Off, Size uint64 // from the start of the function
	Row       *siteRow
	// aux is what the entry says beyond that: the replacement of an
	// alternative, the target of a jump label, the section of a constant.
	aux     object.AtomID
	auxOff  int64
	auxSize uint64
	flags   uint16
	rank    uint8 // of its row
}

// End returns the offset behind the site.
func (s *Site) End() uint64 { return s.Off + s.Size }

// siteFinder collects the sites of an object.
type siteFinder struct {
	pre  *object.Object
	out  []Site
	rank uint8 // of the row that is looked at
	// thunks says by symbol which row describes branches to it, where no
	// table of the object does.
	thunks map[elfobj.SymbolIndex]uint8
}

// add notes a site, unless it is not inside a function.
func (f *siteFinder) add(s Site) {
	g := f.pre.Atom(s.Atom)
	if g == nil || g.Kind != object.Func || s.Size == 0 || s.Off > g.Size || s.Size > g.Size-s.Off || uint64(len(g.Bytes)) != g.Size {
		return // it describes nothing that is compared here
	}
	s.rank = f.rank
	f.out = append(f.out, s)
}

// FindSites reads the tables of pre, and finds the sites that follow from its
// symbols. The result is by atom, then offset, then the order in which the
// kernel rewrites them.
func FindSites(pre *object.Object) []Site {
	f := &siteFinder{pre: pre, thunks: make(map[elfobj.SymbolIndex]uint8)}
	has := make(map[*siteRow]bool)
	for i, s := range pre.File.Sections {
		k, ok := siteRowOf[kerneltab.Of(s.Name)]
		if !ok {
			continue
		}
		row := &SiteRows[k]
		has[row], f.rank = true, uint8(k)
		for _, a := range pre.SectionAtoms(elfobj.SectionIndex(i)) {
			row.read(f, row, a)
		}
	}
	f.bySymbols(has)
	slices.SortStableFunc(f.out, func(a, b Site) int {
		return cmp.Or(cmp.Compare(a.Atom, b.Atom), cmp.Compare(a.Off, b.Off), cmp.Compare(b.Size, a.Size), cmp.Compare(a.rank, b.rank))
	})
	return f.out
}

// bySymbols finds the sites of rows that have no table in this object, and those of
// functions that a table need not list: objtool makes these, and where the kernel is built with IBT it looks at the whole
// kernel only, not at its objects (scripts/Makefile.lib of Linux 6.12,
// delay-objtool).
func (f *siteFinder) bySymbols(has map[*siteRow]bool) {
	syms := f.pre.Symbols()
	for i := range syms {
		name := syms[i].Name
		if len(name) < 3 || name[0] != '_' || name[1] != '_' {
			continue
		}
		for k := range SiteRows {
			if row := &SiteRows[k]; row.thunk() != "" && strings.HasPrefix(name, row.thunk()) && !has[row] {
				f.thunks[elfobj.SymbolIndex(i)] = uint8(k)
			}
		}
	}
	type start struct {
		row  *siteRow
		atom object.AtomID
	}
	listed := make(map[start]bool)
	for i := range f.out {
		if s := &f.out[i]; s.Row.own != nil && s.Off == 0 {
			listed[start{s.Row, s.Atom}] = true
		}
	}
	for _, a := range f.pre.Functions() {
		for k := range SiteRows {
			row := &SiteRows[k]
			if row.own != nil && !listed[start{row, a.ID}] {
				f.rank = uint8(k)
				row.own(f, row, a)
			}
		}
		if len(f.thunks) == 0 {
			continue
		}
		for i := range a.Refs {
			k, ok := f.thunks[a.Refs[i].Sym]
			if !ok {
				continue
			}
			if off, size, ok := branchAt(a.Bytes, a.Refs[i].Offset); ok {
				f.rank = k
				f.add(Site{Atom: a.ID, Off: off, Size: size, Row: &SiteRows[k], aux: object.NoAtom})
			}
		}
	}
}

// entries calls fn for each entry of a table whose reference to a place leads into a
// function, with what the entry says, its references, and that one.
func entries(a *object.Atom, form *kerneltab.Layout, fn func(e []byte, refs []object.Ref, r *object.Ref)) {
	size, content, field := form.Size, form.Content(), form.Fields[kerneltab.At].Offset
	for i := range a.Refs {
		r := &a.Refs[i]
		at := a.Offset + r.Offset
		if size == 0 || at%size != field || r.TargetOff < 0 {
			continue
		}
		lo := at - field
		if lo < a.Offset || lo+content > a.End() || uint64(len(a.Bytes)) != a.Size {
			continue
		}
		first, last := i, i+1
		for first > 0 && a.Offset+a.Refs[first-1].Offset >= lo {
			first--
		}
		for last < len(a.Refs) && a.Offset+a.Refs[last].Offset < lo+size {
			last++
		}
		fn(a.Bytes[lo-a.Offset:lo-a.Offset+content], a.Refs[first:last], r)
	}
}

// readPlaces reads a table whose entries say where sites are, and perhaps how long.
// All sites of a table that is named after a variable hold one value, that of the
// variable when the kernel had started.
func readPlaces(f *siteFinder, row *siteRow, a *object.Atom) {
	form, kind := row.table.Usual(), row.table.Site
	aux := object.NoAtom
	if kind.Variable {
		aux = a.ID
	}
	entries(a, form, func(e []byte, _ []object.Ref, r *object.Ref) {
		off, n := uint64(r.TargetOff), kind.Size
		switch {
		case off < kind.Back:
			return
		case n > 0:
		case form.Has(kerneltab.Length):
			n = uint64(e[form.Fields[kerneltab.Length].Offset])
		default:
			n = f.instructionAt(r.Target, off)
		}
		f.add(Site{Atom: r.Target, Off: off - kind.Back, Size: n, Row: row, aux: aux})
	})
}

// instructionAt returns the length of an instruction of pre, 0 when there is
// none.
func (f *siteFinder) instructionAt(id object.AtomID, off uint64) uint64 {
	g := f.pre.Atom(id)
	if g == nil || off >= uint64(len(g.Bytes)) {
		return 0
	}
	in, err := amd64.Decode(g.Bytes[off:])
	if err != nil {
		return 0
	}
	return uint64(in.Len)
}

// readAlternatives reads .altinstructions. The size of an entry is the distance
// between the references to two sites.
func readAlternatives(f *siteFinder, row *siteRow, a *object.Atom) {
	size := a.Size
	if len(a.Refs) >= 3 {
		size = a.Refs[2].Offset - a.Refs[0].Offset
	}
	l := row.table.Layout(size)
	if l == nil || size > a.Size || uint64(len(a.Bytes)) != a.Size {
		return
	}
	for off := uint64(0); off+size <= a.Size; off += size {
		e := a.Bytes[off : off+size]
		i, _ := slices.BinarySearchFunc(a.Refs, off, func(r object.Ref, o uint64) int { return cmp.Compare(r.Offset, o) })
		if i >= len(a.Refs) || a.Refs[i].Offset != off {
			continue
		}
		s := Site{Atom: a.Refs[i].Target, Off: uint64(a.Refs[i].TargetOff), Size: uint64(e[l.Fields[kerneltab.Length].Offset]), Row: row, aux: object.NoAtom, auxSize: uint64(e[l.Fields[kerneltab.ReplacementLength].Offset])}
		if i+1 < len(a.Refs) && a.Refs[i+1].Offset == off+l.Fields[kerneltab.Replacement].Offset {
			s.aux, s.auxOff = a.Refs[i+1].Target, a.Refs[i+1].TargetOff
		}
		if l.Has(kerneltab.Flags) {
			s.flags = binary.LittleEndian.Uint16(e[l.Fields[kerneltab.Flags].Offset:])
		}
		if s.auxSize > 0 && s.aux == object.NoAtom {
			continue // a replacement that is nowhere
		}
		f.add(s)
	}
}

// readJumpLabels reads __jump_table: the site, where it jumps to, and the key
// (struct jump_entry, include/linux/jump_label.h).
func readJumpLabels(f *siteFinder, row *siteRow, a *object.Atom) {
	form := row.table.Usual()
	entries(a, form, func(_ []byte, refs []object.Ref, r *object.Ref) {
		if len(refs) < 2 || refs[1].Offset != r.Offset+form.Fields[kerneltab.Target].Offset || refs[1].TargetOff < 0 {
			return
		}
		n := f.instructionAt(r.Target, uint64(r.TargetOff))
		if n != 2 && n != 5 {
			return
		}
		f.add(Site{Atom: r.Target, Off: uint64(r.TargetOff), Size: n, Row: row, aux: refs[1].Target, auxOff: refs[1].TargetOff})
	})
}

// siteIndex are the sites of pre, by function.
type siteIndex struct {
	sites  []Site
	siteAt []int32 // by atom: where its sites start
}

func newSiteIndex(pre *object.Object) siteIndex {
	sites := FindSites(pre)
	return siteIndex{sites, indexSites(sites, len(pre.Atoms))}
}

// sitesOf returns the sites of a function.
func (m *siteIndex) sitesOf(id object.AtomID) []Site {
	if int(id) >= len(m.siteAt)-1 {
		return nil
	}
	return m.sites[m.siteAt[id]:m.siteAt[id+1]]
}

// indexSites makes siteAt: by atom, where its sites start.
func indexSites(sites []Site, atoms int) []int32 {
	at := make([]int32, atoms+1)
	n := 0
	for id := range atoms {
		at[id] = int32(n)
		for n < len(sites) && int(sites[n].Atom) == id {
			n++
		}
	}
	at[atoms] = int32(n)
	return at
}

// cluster returns the extent of the first site and of all that overlap it, and
// their number: what is rewritten twice is looked at as a whole.
func cluster(sites []Site) (end uint64, n int) {
	end, n = sites[0].End(), 1
	for n < len(sites) && sites[n].Off < end {
		end = max(end, sites[n].End())
		n++
	}
	return end, n
}
