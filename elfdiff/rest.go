package elfdiff

import (
	"bytes"
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/internal/correlate"
	"github.com/gosplice/gosplice/elfdiff/internal/extraction"
	"github.com/gosplice/gosplice/elfdiff/internal/places"
	"github.com/gosplice/gosplice/elfdiff/internal/tables"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A rest is a stretch of memory that no verdict is about: no symbol names it, and
// nothing that is compared leads to it. Whoever reads it goes by its section: a
// table between the symbols __start_ and __stop_ that a linker makes (GNU ld,
// "Input section example"), or a note.
type rest struct {
	section elfobj.SectionIndex
	off     uint64 // in the section, bytes
	bytes   []byte
	refs    []object.Ref // offsets are from off
	head    bool         // of a string whose end something refers to
}

// coverage finds the atoms that verdicts are about, directly or by a reference of
// what they are about. from holds for strings the first byte that is meant.
type coverage struct {
	o    *object.Object
	seen []bool
	from []int64
	work []object.AtomID
}

// coveredIn marks what verdicts are about: what is paired or has a name, and what
// that leads to.
func coveredIn(o *object.Object, twin []object.AtomID) *coverage {
	r := &coverage{o: o, seen: make([]bool, len(o.Atoms)), from: make([]int64, len(o.Atoms))}
	for i := range o.Atoms {
		a := &o.Atoms[i]
		r.from[i] = int64(a.Size)
		if twin[i] != object.NoAtom || correlate.ClassOf(a) != 0 && !a.Anonymous() && !a.IsLiteral() || a.Kind == object.Special || a.Kind == object.Unwind {
			r.add(a.ID)
		}
	}
	r.follow()
	for i := range o.Atoms { // what leads to other content stands for that
		if !r.seen[i] && len(o.Users(object.AtomID(i))) == 0 {
			r.targets(object.AtomID(i))
		}
	}
	r.follow()
	return r
}

// follow marks what the marked lead to.
func (r *coverage) follow() {
	for len(r.work) > 0 {
		id := r.work[len(r.work)-1]
		r.work = r.work[:len(r.work)-1]
		r.targets(id)
	}
}

func (r *coverage) targets(id object.AtomID) {
	refs := r.o.Atoms[id].Refs
	for k := range refs {
		if t := refs[k].Target; t != object.NoAtom {
			from := refs[k].TargetOff
			if from < 0 || from >= int64(r.o.Atoms[t].Size) {
				from = 0 // what is near the whole of it, see comparer.literal
			}
			r.from[t] = min(r.from[t], from)
			r.add(t)
		}
	}
}

func (r *coverage) add(id object.AtomID) {
	if !r.seen[id] {
		r.seen[id] = true
		r.work = append(r.work, id)
	}
}

// rests lists the rests of an object, by section and offset.
func (j *judge) rests(o *object.Object, twin []object.AtomID) []rest {
	r := coveredIn(o, twin)
	var list []rest
	for i, s := range o.File.Sections {
		switch o.KindOf(elfobj.SectionIndex(i)) {
		case object.Meta:
		case object.Special:
			if j.byEntries(s.Name) && !kerneltab.Of(s.Name).Has(kerneltab.OfUse) {
				list = j.unowned(list, o, s)
			}
		case object.Unwind:
			list = strayRecords(o, list, s.Index)
		case object.Func:
			for _, a := range o.SectionAtoms(s.Index) {
				if !r.seen[a.ID] && !object.IsTypeHash(a) { // it goes with the function behind it
					list = append(list, restOf(a, 0, a.Size))
				}
			}
		default:
			list = r.data(list, s)
		}
	}
	return list
}

// restOf is the part [lo, hi) of an atom.
func restOf(a *object.Atom, lo, hi uint64) rest {
	x := rest{section: a.Section, off: a.Offset + lo, bytes: a.Bytes[min(lo, uint64(len(a.Bytes))):min(hi, uint64(len(a.Bytes)))]}
	for _, r := range a.Refs {
		if r.Offset >= lo && r.Offset < hi {
			r.Offset -= lo
			x.refs = append(x.refs, r)
		}
	}
	return x
}

// maxPeriod bounds the references of one entry of a table whose form is inferred.
const maxPeriod = 8

// appendEntries appends an atom, in pieces where its references show that it is a
// table: they repeat from its first entry to its last.
func appendEntries(list []rest, a *object.Atom) []rest {
	for n := 1; n <= maxPeriod && n < len(a.Refs); n++ {
		size := a.Refs[n].Offset - a.Refs[0].Offset
		if size == 0 || size > tables.MaxEntry || a.Size%size != 0 || !tables.Repeats(a, n, size) {
			continue
		}
		for i := uint64(0); i < a.Size/size; i++ {
			x := rest{section: a.Section, off: a.Offset + i*size, bytes: a.Bytes[i*size : (i+1)*size]}
			for _, r := range a.Refs[i*uint64(n) : (i+1)*uint64(n)] {
				r.Offset -= i * size
				x.refs = append(x.refs, r)
			}
			list = append(list, x)
		}
		return list
	}
	return append(list, restOf(a, 0, a.Size))
}

// data appends the rests of a section of data: atoms that nothing leads to, the
// beginnings of strings of which only the end is meant, and what lies between.
func (r *coverage) data(list []rest, s *elfobj.Section) []rest {
	if s.Type == elf.SHT_NOBITS || s.Size == 0 {
		return list
	}
	data, err := s.Data()
	if err != nil {
		return list
	}
	end := uint64(0)
	for id, a := range r.o.SectionAtoms(s.Index) {
		list = r.between(list, s, data, end, a.Offset)
		end = a.End()
		switch {
		case !r.seen[id]:
			list = appendEntries(list, places.Without(r.o, a, places.Of(r.o)[id]))
		case a.Kind == object.String && r.from[id] > 0:
			x := restOf(a, 0, uint64(min(r.from[id], int64(a.Size))))
			x.head = true
			list = append(list, x)
		}
	}
	return r.between(list, s, data, end, s.Size)
}

// between appends what lies between atoms. Zeros fill objects up to the next
// boundary; in a section that is a table by itself more of them are an entry.
func (r *coverage) between(list []rest, s *elfobj.Section, data []byte, lo, hi uint64) []rest {
	if lo >= hi {
		return list
	}
	part := data[lo:hi]
	kind := r.o.KindOf(s.Index)
	if len(bytes.Trim(part, "\x00")) == 0 && (isPlain(s.Name) || kind.IsLiteral() || hi-lo < s.Addralign) {
		return list
	}
	if kind != object.String {
		return append(list, rest{section: s.Index, off: lo, bytes: part})
	}
	for off := lo; off < hi; { // each string for itself, since linkers put them in order
		stop := min(elfobj.StringEnd(data, off, s.Entsize), hi)
		list = append(list, rest{section: s.Index, off: off, bytes: data[off:stop]})
		off = stop
	}
	return list
}

// strayRecords appends the records of .eh_frame that are neither about a function
// nor the head of one that is.
func strayRecords(o *object.Object, list []rest, s elfobj.SectionIndex) []rest {
	heads := map[object.AtomID]bool{}
	for _, a := range o.SectionAtoms(s) {
		if a.Owner != object.NoAtom {
			heads[extraction.CIEOf(o, a)] = true
		}
	}
	for id, a := range o.SectionAtoms(s) {
		if a.Owner == object.NoAtom && !heads[id] {
			list = append(list, restOf(a, 0, a.Size))
		}
	}
	return list
}
