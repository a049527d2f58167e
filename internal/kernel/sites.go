package kernel

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Site is a place in code that the kernel rewrites while it boots or runs.
type Site struct {
	Addr, Size uint64 // link address, bytes
	Table      string // the section that lists it in an object, also where vmlinux has merged that with others
	Entry      uint64 // link address of its entry in the table; see [Sites.Entry]
}

// siteTable is a table that describes such places, as this kernel has it.
type siteTable struct {
	name       string // of the section
	entry      uint64 // size of an entry, bytes
	last       uint64 // of the last one
	at, length kerneltab.Field
	site       *kerneltab.Site
}

// siteTableOf returns how this kernel has the entries of a table: as BTF says, or else
// as all kernels do.
func siteTableOf(row *kerneltab.Section, name string, l Layout) *siteTable {
	form := row.Usual()
	t := &siteTable{name, form.Size, form.Content(), form.Fields[kerneltab.At], form.Fields[kerneltab.Length], row.Site}
	if s, ok := l[form.Struct]; ok {
		t.entry, t.last, t.at.Offset, t.length.Offset = s.Size, s.Size-min(s.Size, form.Size-form.Content()), s.Offsets[t.at.Member], s.Offsets[t.length.Member]
	}
	return t
}

// Sites holds all places of an image that the kernel rewrites.
type Sites struct {
	list   []Site // by address, then size, then table, then the order there
	fentry []uint64
	tables []table
}

// table is the content of one table.
type table struct {
	addr, entry uint64
	data        []byte
}

// Entry returns the bytes of the entry that describes a site, nil for a site of
// another kernel. What is relative in it counts from s.Entry. It must not be
// changed.
func (s *Sites) Entry(x *Site) []byte {
	for i := range s.tables {
		t := &s.tables[i]
		if off := x.Entry - t.addr; x.Entry >= t.addr && off < uint64(len(t.data)) {
			end := min(off+t.entry, uint64(len(t.data)))
			return t.data[off:end:end]
		}
	}
	return nil
}

type siteReader struct {
	read func(b []byte, addr uint64) error
}

// size returns how many bytes of a site at an address are rewritten.
func (r *siteReader) size(t *siteTable, entry []byte, addr uint64) uint64 {
	switch {
	case t.site.Size > 0:
		return t.site.Size
	case t.length.Size > 0:
		return uint64(entry[t.length.Offset])
	}
	return r.instruction(addr)
}

// instruction is the length of the instruction at a site; 6 at least where it
// does not decode, which is the longest that is rewritten.
func (r *siteReader) instruction(addr uint64) uint64 {
	var b [16]byte
	if r.read(b[:], addr) == nil {
		if in, err := amd64.Decode(b[:]); err == nil {
			return uint64(in.Len)
		}
	}
	return 6
}

// Sites reads the tables of the image. A table that the image does not have is
// one that its version does not know.
func (k *Image) Sites(l Layout) (*Sites, error) {
	r := &siteReader{read: k.chunks()}
	out := &Sites{}
	for row := range kerneltab.All() {
		if row.Site == nil || row.Site.Unseen || row.Bounds.Start == "" || len(k.byName[row.Bounds.Start]) == 0 {
			continue
		}
		span, err := k.span(row.Bounds.Start, row.Bounds.Stop)
		if err != nil {
			return nil, err
		}
		if k.live && k.IsInit(span[0]) {
			continue // it is freed
		}
		b, err := k.Read(span[0], span[1]-span[0])
		if err != nil {
			return nil, err
		}
		out.add(r, siteTableOf(row, row.Name, l), b, span[0])
	}
	for _, s := range k.File.Sections {
		row := kerneltab.Of(s.Name)
		if row == nil || row.Site == nil || row.Site.Unseen || row.Bounds.Start != "" {
			continue
		}
		b, err := s.Data()
		if err != nil {
			return nil, err
		}
		out.add(r, siteTableOf(row, s.Name, l), b, s.Addr)
	}
	out.sort()
	if k.live {
		k.addTraced(out, r.read)
	}
	return out, nil
}

// chunks returns a function that reads linked bytes in order, more or less, and
// does not ask the file for each.
func (k *Image) chunks() func(b []byte, addr uint64) error {
	const size = 1 << 16
	seen := map[uint64][]byte{}
	return func(b []byte, addr uint64) error {
		at := addr &^ (size - 1)
		c, ok := seen[at]
		if !ok {
			c = make([]byte, size)
			n, _ := k.File.ReadAddr(c, at)
			c = c[:n]
			seen[at] = c
		}
		if off := addr - at; off+uint64(len(b)) <= uint64(len(c)) {
			copy(b, c[off:])
			return nil
		}
		_, err := k.File.ReadAddr(b, addr)
		return err
	}
}

// Sites reads the tables of a module, whose relocated bytes read returns for
// addresses as in [Module.Addresses]. Nobody writes the values of variables into it.
func (m *Module) Sites(l Layout, read func(b []byte, addr uint64) error) (*Sites, error) {
	r := &siteReader{read: read}
	out := &Sites{}
	for _, s := range m.File.Sections {
		row := kerneltab.Of(s.Name)
		if row == nil || row.Site == nil || row.Site.Unseen || row.Site.Variable {
			continue
		}
		addr, ok := m.Addr(s.Index, 0)
		if !ok || s.Size == 0 {
			continue
		}
		b := make([]byte, s.Size) // what the file has, see OpenModule
		if err := read(b, addr); err != nil {
			return nil, err
		}
		out.add(r, siteTableOf(row, s.Name, l), b, addr)
	}
	out.sort()
	return out, nil
}

func (s *Sites) sort() {
	slices.SortFunc(s.list, func(a, b Site) int {
		if a.Addr != b.Addr {
			return cmp.Compare(a.Addr, b.Addr)
		}
		return cmp.Or(cmp.Compare(a.Size, b.Size), strings.Compare(a.Table, b.Table), cmp.Compare(a.Entry, b.Entry))
	})
	slices.Sort(s.fentry)
}

// add reads one table, whose first byte stands at addr.
func (s *Sites) add(r *siteReader, t *siteTable, b []byte, addr uint64) {
	if t.entry < 4 || t.at.End() > t.last || t.length.End() > t.last {
		return
	}
	s.tables = append(s.tables, table{addr, t.entry, b})
	for off := uint64(0); off+t.last <= uint64(len(b)); off += t.entry {
		e := b[off : off+t.last]
		site := Site{Table: t.name, Entry: addr + off, Addr: fieldTarget(e, &t.at, addr+off)}
		site.Size = r.size(t, e, site.Addr)
		s.list = append(s.list, site)
		if t.name == kerneltab.McountLoc {
			s.fentry = append(s.fentry, site.Addr)
		}
	}
}

// fieldTarget returns where a field of an entry leads that stands at an address.
func fieldTarget(entry []byte, f *kerneltab.Field, at uint64) uint64 {
	b := entry[f.Offset:]
	if f.Ref == kerneltab.Absolute {
		return binary.LittleEndian.Uint64(b)
	}
	return at + f.Offset + uint64(int64(int32(binary.LittleEndian.Uint32(b))))
}

// maxSite is more than any site is long.
const maxSite = 256

// In returns the sites that lie in [lo, hi) or reach into it.
func (s *Sites) In(lo, hi uint64) []Site {
	i, _ := slices.BinarySearchFunc(s.list, lo-min(lo, maxSite), func(x Site, a uint64) int { return cmp.Compare(x.Addr, a) })
	var out []Site
	for ; i < len(s.list) && s.list[i].Addr < hi; i++ {
		if s.list[i].Addr+s.list[i].Size > lo {
			out = append(out, s.list[i])
		}
	}
	return out
}

// Fentry returns the first place in [lo, hi) where the function tracer, and by
// it livepatch, can take over.
func (s *Sites) Fentry(lo, hi uint64) (uint64, bool) {
	i, _ := slices.BinarySearch(s.fentry, lo)
	if i < len(s.fentry) && s.fentry[i] < hi {
		return s.fentry[i], true
	}
	return 0, false
}
