package places

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/internal/symname"
)

// A Field is a part of a record that says where in the source something is: a
// line, or a line and a column. Nothing but messages shows it.
type Field struct {
	Offset uint64 // in the record, bytes
	Mask   uint64 // of the eight bytes there, or of those that the record still has
}

// The masks of fields: a line of 32 bits, and a column behind it.
const (
	WholeLine     = 1<<32 - 1
	LineAndColumn = 1<<64 - 1
)

// lineField is where a record keeps a line.
func lineField(l *kerneltab.Layout) Field {
	f := &l.Fields[kerneltab.Line]
	return Field{f.Offset, f.Bits()}
}

// recordLine returns where the records that a section of the kernel holds keep a line; ok
// is false for other sections.
func recordLine(section string) (f Field, ok bool) {
	row := kerneltab.Of(section)
	if row == nil || row.Kind != kerneltab.ByFlags || !row.Usual().Has(kerneltab.Line) {
		return f, false
	}
	return lineField(row.Usual()), true
}

// ubsanHandler begins the names of the functions that take a record about undefined
// behaviour. Each record begins with the place: the name of the file, line and
// column (struct SourceLocation, compiler-rt/lib/ubsan/ubsan_value.h;
// struct source_location, lib/ubsan.h of Linux).
const ubsanHandler = "__ubsan_handle_"

// ubsanPlaces lists the handlers whose records have places elsewhere: the offsets of
// the names of the files, in bytes.
var ubsanPlaces = map[string][]uint64{
	"nonnull_arg":          {0, 16},
	"nullability_arg":      {0, 16},
	"alignment_assumption": {0, 16},
	"cfi_check_fail":       {8},
}

// Records are the records about places of an object, and what they keep of them.
type Records map[object.AtomID][]Field

// Of returns the records about places of an object. It is called first when the
// object is opened, and marks what is such a record by Atom.Place: nothing may ask
// before.
func Of(o *object.Object) Records { return object.Memo(o, findPlaces) }

// placeFinder finds the records about places.
type placeFinder struct {
	*object.Object
	places Records
}

// findPlaces finds the records about places. What such a record is, its form and who
// refers to it say.
func findPlaces(obj *object.Object) Records {
	o := placeFinder{obj, Records{}}
	for i, s := range o.File.Sections {
		if f, ok := recordLine(s.Name); ok && o.KindOf(elfobj.SectionIndex(i)) == object.Data {
			for id := range o.SectionAtoms(s.Index) {
				o.places[id] = []Field{f}
			}
		}
		if s.Name == kerneltab.PrintkIndex {
			o.findPrintk(s.Index)
		}
	}
	o.findUbsan()
	for i := range o.Atoms {
		if a := &o.Atoms[i]; isPanicLocation(o.Object, a) {
			o.places[a.ID] = []Field{{16, LineAndColumn}}
		}
	}
	return o.places
}

// findPrintk marks the entries of the index of messages. Neither they nor the
// pointers to them have an identity.
func (o placeFinder) findPrintk(s elfobj.SectionIndex) {
	entry := kerneltab.Named(kerneltab.PrintkIndex).Usual().Points
	line := &entry.Fields[kerneltab.Line]
	for _, a := range o.SectionAtoms(s) {
		if !o.IsLocal(a) {
			continue
		}
		a.Place = a.Kind == object.Data || a.Kind == object.Const
		for i := range a.Refs {
			if t := o.Atom(a.Refs[i].Target); t != nil && t.Kind == object.Const && o.IsLocal(t) && a.Refs[i].TargetOff == 0 && uint64(len(t.Bytes)) >= line.End() {
				t.Place = true
				o.places[t.ID] = []Field{lineField(entry)}
			}
		}
	}
}

// findUbsan marks the records that code passes to handlers of undefined behaviour,
// and the descriptions of types that these name.
func (o placeFinder) findUbsan() {
	if !slices.ContainsFunc(o.Symbols(), func(s elfobj.Symbol) bool { return strings.HasPrefix(s.Name, ubsanHandler) }) {
		return
	}
	var records []*object.Atom
	for _, f := range o.Functions() {
		k := insn.Cursor{Object: o.Object, Atom: f}
		for ok, err := k.Load(); ok && err == nil; ok, err = k.Load() {
			for i := range k.Refs {
				t := o.Atom(k.Refs[i].Target)
				if t == nil || t.Kind != object.Data && t.Kind != object.Const || !t.Anonymous() || k.Refs[i].TargetOff != 0 || k.Inst.Class == amd64.Call {
					continue
				}
				if handler, ok := handlerOf(o.Object, f, k.Off); ok && o.isUbsan(t, handler) {
					records = append(records, t)
				}
			}
			k.Advance()
		}
	}
	for i := range o.Atoms {
		if t := &o.Atoms[i]; t.Kind == object.Data && t.Anonymous() && len(o.Users(t.ID)) == 0 && t.RefAt(0) != nil && namesSource(o.Object, t.RefAt(0)) && o.isUbsan(t, "") {
			records = append(records, t)
		}
	}
	for n := 0; n < len(records); n++ { // it grows
		t := records[n]
		for i := range t.Refs {
			if d := o.Atom(t.Refs[i].Target); d != nil && !d.Place && isUbsanType(d) && onlyFrom(o.Object, d) {
				d.Place = true
				o.places[d.ID] = unusedPlaces(o.Object, d, nil)
				records = append(records, d)
			}
		}
	}
}

// handlerOf returns the name of the handler that the instruction at an offset loads an
// argument of, without its prefix and version.
func handlerOf(o *object.Object, f *object.Atom, off uint64) (string, bool) {
	k, _, ok := insn.CallAfter(o, f, off, true)
	if !ok || len(k.Refs) != 1 {
		return "", false
	}
	name, ok := strings.CutPrefix(o.Symbol(k.Refs[0].Sym).Name, ubsanHandler)
	name = strings.TrimSuffix(name, "_abort")
	if i := strings.LastIndex(name, "_v"); i > 0 && symname.IsNumber(name[i+2:]) {
		name = name[:i]
	}
	return name, ok && !k.Refs[0].Implicit
}

// isUbsan marks a record that has the form of those of the handler, and is used by
// code only.
func (o placeFinder) isUbsan(t *object.Atom, handler string) bool {
	if o.places[t.ID] != nil {
		return false // it was marked before
	}
	for _, u := range o.Users(t.ID) {
		if o.Atoms[u].Kind != object.Func {
			return false
		}
	}
	at := ubsanPlaces[handler]
	if at == nil {
		at = []uint64{0}
	}
	var fields []Field
	for _, off := range at {
		if r := t.RefAt(off); r != nil && isFileName(o.Object, r) && off+16 <= uint64(len(t.Bytes)) {
			fields = append(fields, Field{off + 8, LineAndColumn})
		}
	}
	if fields == nil {
		return false
	}
	t.Place, o.places[t.ID] = true, unusedPlaces(o.Object, t, fields)
	return true
}

// unusedPlaces adds the places of records that stand behind one, or behind the
// description of a type, and that nothing uses: without optimisation some are left.
func unusedPlaces(o *object.Object, t *object.Atom, fields []Field) []Field {
	for i := range t.Refs {
		off := t.Refs[i].Offset
		known := slices.ContainsFunc(fields, func(f Field) bool { return f.Offset == off+8 })
		if off > 0 && !known && len(fields) < insn.MaxShown && off+16 <= uint64(len(t.Bytes)) && isFileName(o, &t.Refs[i]) && namesSource(o, &t.Refs[i]) {
			fields = append(fields, Field{off + 8, LineAndColumn})
		}
	}
	return fields
}

// namesSource reports whether a reference means the name of a source file.
func namesSource(o *object.Object, r *object.Ref) bool {
	if r.Target == object.NoAtom {
		return false
	}
	b, ok := object.Tail(&o.Atoms[r.Target], r.TargetOff)
	name, _, terminated := bytes.Cut(b, []byte{0})
	return ok && terminated && insn.IsSourceName(name)
}

// isFileName reports whether a reference is an address of a text.
func isFileName(o *object.Object, r *object.Ref) bool {
	t := o.Atom(r.Target)
	if t == nil || r.Type != uint32(elf.R_X86_64_64) || !t.IsLiteral() || len(t.Refs) > 0 {
		return false
	}
	b, ok := object.Tail(t, r.TargetOff)
	if !ok {
		return false
	}
	_, ok = insn.Printable(b)
	return ok
}

// isUbsanType reports whether an object describes a type for messages: a kind, its
// size, and a name in quotes (struct type_descriptor, lib/ubsan.h).
func isUbsanType(a *object.Atom) bool {
	if a.Kind != object.Data && a.Kind != object.Const || !a.Anonymous() || len(a.Bytes) < 7 {
		return false
	}
	name, ok := insn.Printable(a.Bytes[4:])
	return ok && name[0] == '\'' && (len(a.Refs) == 0 || a.Refs[0].Offset >= uint64(4+len(name)))
}

// onlyFrom reports whether nothing but records about places refers to an object.
func onlyFrom(o *object.Object, a *object.Atom) bool {
	for _, u := range o.Users(a.ID) {
		if !o.Atoms[u].Place && u != a.ID {
			return false
		}
	}
	return true
}

// isPanicLocation reports whether a constant has the form of a place that Rust's
// panics show (core::panic::Location): address and length of the name of a source
// file, line and column. Code alone refers to it.
func isPanicLocation(o *object.Object, a *object.Atom) bool {
	if a.Kind != object.Const || !a.Anonymous() || len(a.Bytes) != 24 || len(a.Refs) != 1 || a.Refs[0].Offset != 0 || a.Refs[0].Type != uint32(elf.R_X86_64_64) {
		return false
	}
	t := o.Atom(a.Refs[0].Target)
	if t == nil || !t.IsLiteral() || len(t.Refs) > 0 {
		return false
	}
	b, ok := object.Tail(t, a.Refs[0].TargetOff)
	n := binary.LittleEndian.Uint64(a.Bytes[8:])
	if !ok || n > uint64(len(b)) || !bytes.HasSuffix(b[:n], []byte(".rs")) || !insn.IsSourceName(b[:n]) {
		return false
	}
	for _, u := range o.Users(a.ID) {
		if o.Atoms[u].Kind != object.Func {
			return false
		}
	}
	return binary.LittleEndian.Uint32(a.Bytes[16:]) > 0 && binary.LittleEndian.Uint32(a.Bytes[20:]) > 0
}

// Without returns an atom whose places are zero.
func Without(o *object.Object, a *object.Atom, fields []Field) *object.Atom {
	if len(fields) == 0 || a.NoBits {
		return a
	}
	b := *a
	b.Bytes = bytes.Clone(a.Bytes)
	for _, f := range fields {
		for n := range uint64(8) {
			if f.Offset+n < uint64(len(b.Bytes)) {
				b.Bytes[f.Offset+n] &^= byte(f.Mask >> (8 * n))
			}
		}
	}
	return &b
}
