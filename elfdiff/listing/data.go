package listing

import (
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/symname"
)

// dataLister shows data: references and members of structures one by one, and
// what is between them as hexadecimal bytes.
type dataLister struct {
	l    *lister
	o    *object.Object
	a    *object.Atom
	side int
	// lookups is how many members may still be looked for.
	lookups int
	labels  map[uint64]string // by offset: symbols inside the variable
}

const (
	bytesPerLine = 16
	// maxTyped bounds the size of the variables that are shown member by member.
	maxTyped = 1 << 16
	// maxLookups bounds the members of one variable that are looked for.
	maxLookups = 1 << 13
	// maxLabels bounds the symbols inside one variable that are shown.
	maxLabels = 1 << 12
)

func newDataLister(l *lister, o *object.Object, a *object.Atom, side int) *dataLister {
	d := &dataLister{l: l, o: o, a: a, side: side, labels: map[uint64]string{}}
	if a.Size <= maxTyped && !a.NoBits {
		d.lookups = maxLookups
	}
	for _, i := range a.Symbols[:min(len(a.Symbols), maxLabels)] {
		if s := &o.Symbols()[i]; s.Name != a.Name && s.Value >= a.Offset {
			d.labels[s.Value-a.Offset] = s.Name
		}
	}
	return d
}

func (d *dataLister) rows() []row {
	a := d.a
	if a.NoBits {
		text := fmt.Sprintf("zeros, %d bytes", a.Size)
		return []row{{size: a.Size, text: text, key: text, target: -1}}
	}
	var rows []row
	off, end := d.l.dataStart(a, d.side), uint64(len(a.Bytes))
	for i := range a.Refs {
		r := &a.Refs[i]
		if r.Offset < off || r.Offset >= end || len(rows) >= maxListed {
			continue
		}
		rows = d.plain(rows, off, r.Offset)
		name := d.nameAt(r.Offset)
		x := row{off: r.Offset, size: uint64(amd64.FieldSize(r.Type)), text: insn.RefText(d.o, r), refs: a.Refs[i : i+1], target: -1}
		x.key = "ref " + d.l.refKey(d.side, r)
		rows = append(rows, x.named(name, "ref"))
		off = r.Offset + x.size
	}
	return d.plain(rows, off, end)
}

// plain appends bytes without references, in lines that end at multiples of
// their length, and where something with a name begins or ends.
func (d *dataLister) plain(rows []row, off, end uint64) []row {
	for end = min(end, uint64(len(d.a.Bytes))); off < end && len(rows) < maxListed; {
		next := min(end, (off/bytesPerLine+1)*bytesPerLine)
		name := d.labels[off]
		if m, ok := d.memberAt(off); ok {
			if name == "" {
				name = m.Path
			}
			next = min(end, m.Offset+m.Size, off+bytesPerLine)
		} else {
			for n := off + 1; n < next; n++ {
				_, begins := d.memberAt(n)
				if begins || d.labels[n] != "" {
					next = n
				}
			}
		}
		rows = append(rows, rawRow(d.a, off, next, name))
		off = next
	}
	return rows
}

// memberAt returns the member of a structure at an offset.
func (d *dataLister) memberAt(off uint64) (m elfdiff.MemberPlace, ok bool) {
	if d.lookups == 0 {
		return m, false
	}
	d.lookups--
	m, ok = elfdiff.MemberPlaceAt(d.o, d.a.ID, off)
	return m, ok && strings.Contains(m.Path, ".") && m.Offset <= off && off < m.Offset+m.Size
}

func (d *dataLister) nameAt(off uint64) string {
	if name := d.labels[off]; name != "" {
		return name
	}
	m, _ := d.memberAt(off)
	return m.Path
}

func rawRow(a *object.Atom, off, end uint64, name string) row {
	text := fmt.Sprintf("% x", a.Bytes[off:end])
	r := row{off: off, size: end - off, text: text, key: text, target: -1}
	return r.named(name, "raw")
}

// named adds the name of a member, and what kind of row it is by that: elements
// of an array and numbered symbols are of one kind.
func (r row) named(name, kind string) row {
	r.member, r.kind = name, kind
	if name == "" {
		return r
	}
	r.text = fmt.Sprintf("%-23s  %s", r.text, name)
	generic := symname.Stem(withoutIndices(name))
	r.kind += " " + generic
	r.key += " " + generic
	return r
}

// withoutIndices returns the path of a member without the numbers of elements.
func withoutIndices(path string) string {
	if !strings.Contains(path, "[") {
		return path
	}
	var b strings.Builder
	inside := false
	for i := range len(path) {
		c := path[i]
		inside = inside && c != ']'
		if !inside {
			b.WriteByte(c)
		}
		inside = inside || c == '['
	}
	return b.String()
}
