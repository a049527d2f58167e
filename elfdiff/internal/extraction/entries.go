package extraction

import (
	"debug/elf"
	"iter"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/internal/tables"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

const (
	shtProgbits = elf.SHT_PROGBITS
	shfAlloc    = elf.SHF_ALLOC
)

// tables writes the entries that belong to what travels: each table under its
// own name, the code that entries bring along in one section.
func (x *extraction) tables() {
	if !x.Tables {
		return
	}
	x.orc()
	texts := map[string]*tableOut{}
	var order []*tableOut
	for e := range x.entriesInOrder() {
		t := x.tableOf(e)
		if len(t.data) == 0 {
			order = append(order, t)
		}
		x.entry(t, texts, e)
	}
	for _, t := range order {
		x.finishTable(t)
	}
	if t := texts[kerneltab.AltReplacement]; t != nil {
		x.finishTable(t)
	}
}

// entriesInOrder yields the entries of tables that travel, in the order in which they are written.
func (x *extraction) entriesInOrder() iter.Seq[*tables.Entry] {
	return func(yield func(*tables.Entry) bool) {
		index := tables.Of(x.Post)
		for i := range x.Post.Atoms {
			if !x.Included[i] || x.Post.Atoms[i].Kind != object.Func {
				continue
			}
			list := index.Of(object.AtomID(i))
			for k := range list {
				if !yield(&list[k]) {
					return
				}
			}
		}
	}
}

// tableOf returns the table that an entry goes to, made when it is asked for first.
func (x *extraction) tableOf(e *tables.Entry) *tableOut {
	t := x.entries.tables[e.Form.Row]
	if t == nil {
		t = x.tableLike(e.Table)
		x.entries.tables[e.Form.Row] = t
	}
	return t
}

// entrySymbol returns the symbol and the addend for what is off bytes from an entry that travels.
func (x *extraction) entrySymbol(e *tables.Entry, off int64) (elfobj.SymbolIndex, int64) {
	if x.entries.at == nil {
		x.entries.at = map[*tables.Entry]uint64{}
		ends := map[*kerneltab.Section]uint64{}
		for e := range x.entriesInOrder() {
			x.entries.at[e] = ends[e.Form.Row]
			ends[e.Form.Row] += uint64(len(e.Bytes))
		}
	}
	return x.tableOf(e).anchor, int64(x.entries.at[e]) + off
}

// entryTables are the tables of what travels, and where in them the entries are; at is read when
// code refers to one.
type entryTables struct {
	tables map[*kerneltab.Section]*tableOut
	at     map[*tables.Entry]uint64
}

// tableOut is a table, or the code that goes with it, as it grows.
type tableOut struct {
	sec    elfobj.SectionIndex
	anchor elfobj.SymbolIndex
	data   []byte
	relas  []elfobj.Rela
}

func (x *extraction) tableLike(a *object.Atom) *tableOut {
	from := x.Post.File.Sections[a.Section]
	t := &tableOut{sec: x.b.AddSection(elfobj.SectionHeader{
		Name: from.Name, Type: from.Type, Flags: from.Flags &^ (elf.SHF_GROUP | elf.SHF_LINK_ORDER), Addralign: from.Addralign, Entsize: from.Entsize,
	}, nil)}
	t.anchor = x.add(elfobj.Symbol{Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), Section: t.sec})
	return t
}

func (x *extraction) finishTable(t *tableOut) {
	s := x.b.Section(t.sec)
	s.Data, s.Size = t.data, uint64(len(t.data))
	x.b.AddRela(t.sec, t.relas...)
}

// entry appends one entry to its table.
func (x *extraction) entry(t *tableOut, texts map[string]*tableOut, e *tables.Entry) {
	at := uint64(len(t.data))
	t.data = append(t.data, e.Bytes...)
	for k := range e.Refs {
		r := &e.Refs[k]
		field := at + r.Offset - e.Off
		clear(t.data[field:min(field+uint64(amd64.FieldSize(r.Type)), uint64(len(t.data)))])
		if text, lo, hi, ok := tables.TextOf(x.Post, e, r); ok {
			out := texts[e.Form.Layout.Code]
			if out == nil {
				out = x.tableLike(text)
				texts[e.Form.Layout.Code] = out
			}
			start := x.text(out, text, lo, hi)
			t.relas = append(t.relas, elfobj.Rela{Offset: field, Type: r.Type, Sym: out.anchor, Addend: int64(start)})
			continue
		}
		sym, addend := x.describedBy(e.Table, r)
		t.relas = append(t.relas, elfobj.Rela{Offset: field, Type: r.Type, Sym: sym, Addend: addend})
	}
}

// text copies the code [lo, hi) that an entry brings along, and returns where
// it went.
func (x *extraction) text(out *tableOut, from *object.Atom, lo, hi uint64) uint64 {
	at := uint64(len(out.data))
	out.data = append(out.data, from.Bytes[lo:hi]...)
	for i := range from.Refs {
		r := &from.Refs[i]
		if r.Offset < lo || r.Offset >= hi {
			continue
		}
		field := at + r.Offset - lo
		clear(out.data[field:min(field+uint64(amd64.FieldSize(r.Type)), uint64(len(out.data)))])
		sym, addend := x.describedBy(from, r)
		out.relas = append(out.relas, elfobj.Rela{Offset: field, Type: r.Type, Sym: sym, Addend: addend})
	}
	return at
}

// describedBy is symbolFor for what is about code: it always means the code
// that travels, never the identity of the function that is replaced.
func (x *extraction) describedBy(a *object.Atom, r *object.Ref) (elfobj.SymbolIndex, int64) {
	if r.Target == object.NoAtom || x.Post.Atoms[r.Target].Kind != object.Func || !x.Included[r.Target] {
		return x.symbolFor(a, r)
	}
	h := x.home[r.Target]
	off := int64(x.Post.Symbol(r.Sym).Value) + r.Addend - int64(x.Post.Atoms[r.Target].Offset)
	return x.anchors[h.sec], off + int64(h.off)
}

// orc writes the unwinding rows of the functions that travel, and of their pieces.
func (x *extraction) orc() {
	if len(tables.Of(x.Post).Orc) == 0 {
		return
	}
	unwinding := map[elfobj.SectionIndex]*tables.OrcTable{}
	var code []object.AtomID
	for i := range x.Post.Atoms {
		if a := &x.Post.Atoms[i]; x.Included[i] && (a.Kind == object.Func || tables.IsPiece(x.Post, a)) {
			code = append(code, a.ID)
			unwinding[a.Section] = &tables.OrcTable{}
		}
	}
	tables.OrcTables(x.Post, unwinding)
	var rows []byte
	var addrs []elfobj.Rela
	for _, i := range code {
		a := &x.Post.Atoms[i]
		h := x.home[i]
		sym, base := x.anchors[h.sec], int64(h.off)
		for _, r := range unwinding[a.Section].Within(a.Offset, a.End()) {
			addrs = append(addrs, elfobj.Rela{Offset: uint64(len(addrs)) * 4, Type: amd64.PC32, Sym: sym, Addend: base + int64(r.Off)})
			rows = append(rows, r.Row...)
		}
	}
	if len(addrs) == 0 {
		return
	}
	h := elfobj.SectionHeader{Name: kerneltab.ORCAddresses, Type: shtProgbits, Flags: shfAlloc, Addralign: 4, Entsize: 4}
	x.b.AddRela(x.b.AddSection(h, make([]byte, 4*len(addrs))), addrs...)
	h.Name, h.Addralign, h.Entsize = kerneltab.ORCRows, 2, tables.OrcRowSize
	x.b.AddSection(h, rows)
}
