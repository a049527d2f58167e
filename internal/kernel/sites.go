package kernel

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/amd64"
)

// A Site is a place in code that the kernel rewrites while it boots or runs.
type Site struct {
	Addr, Size uint64 // link address, bytes
	Table      string // the section that lists it in an object, also where vmlinux has merged that with others
	Entry      uint64 // link address of its entry in the table; see [Sites.Entry]
}

// siteTable is one row of the list of tables that describe such places.
type siteTable struct {
	// section holds the table. In vmlinux, which has merged some, start and
	// stop are the symbols around it where they are given.
	section, start, stop string
	entry                uint64 // size of an entry, bytes; 0: sizeof(struct alt_instr)
	abs                  bool   // the address is absolute, else relative to its field
	size                 func(t *siteReader, entry []byte, addr uint64) uint64
}

func fixed(n uint64) func(*siteReader, []byte, uint64) uint64 {
	return func(*siteReader, []byte, uint64) uint64 { return n }
}

// siteTables lists everything that arch/x86/kernel/alternative.c, jump_label.c,
// static_call.c, ftrace.c and callthunks.c of Linux 6.1 to 6.12 write to.
var siteTables = []siteTable{
	{section: ".altinstructions", size: altLength},
	{section: ".parainstructions", entry: 16, abs: true, size: func(_ *siteReader, e []byte, _ uint64) uint64 { return uint64(e[9]) }},
	{section: ".retpoline_sites", entry: 4, size: instruction},
	{section: ".return_sites", entry: 4, size: fixed(5)},
	{section: ".call_sites", entry: 4, size: fixed(5)},
	{section: ".ibt_endbr_seal", entry: 4, size: fixed(4)},
	{section: ".smp_locks", entry: 4, size: fixed(1)},
	{section: "__jump_table", start: "__start___jump_table", stop: "__stop___jump_table", entry: 16, size: instruction},
	{section: ".static_call_sites", start: "__start_static_call_sites", stop: "__stop_static_call_sites", entry: 8, size: fixed(5)},
	{section: mcount, start: "__start_mcount_loc", stop: "__stop_mcount_loc", entry: 8, abs: true, size: fixed(5)},
}

const mcount = "__mcount_loc"

// runtimeTables are sections by prefix: immediates that boot code fills in
// (arch/x86/include/asm/runtime-const.h of Linux 6.12).
var runtimeTables = map[string]uint64{"runtime_ptr_": 8, "runtime_shift_": 1}

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
		if off := x.Entry - t.addr; x.Entry >= t.addr && off+t.entry <= uint64(len(t.data)) {
			return t.data[off : off+t.entry : off+t.entry]
		}
	}
	return nil
}

type siteReader struct {
	read func(b []byte, addr uint64) error
	alt  Struct
}

// altLength is the length of the original instructions of an alternative.
func altLength(t *siteReader, e []byte, _ uint64) uint64 {
	return uint64(e[t.alt.Offsets["instrlen"]])
}

// instruction is the length of the instruction at a site; 6 at least where it
// does not decode, which is the longest that is rewritten.
func instruction(t *siteReader, _ []byte, addr uint64) uint64 {
	var b [16]byte
	if t.read(b[:], addr) == nil {
		if in, err := amd64.Decode(b[:]); err == nil {
			return uint64(in.Len)
		}
	}
	return 6
}

// Sites reads the tables of the image. A table that the image does not have is
// one that its version does not know.
func (k *Image) Sites(l Layout) (*Sites, error) {
	r := &siteReader{alt: l["alt_instr"], read: k.chunks()}
	out := &Sites{}
	for i := range siteTables {
		row := &siteTables[i]
		if row.start != "" {
			if len(k.byName[row.start]) == 0 {
				continue
			}
			span, err := k.span(row.start, row.stop)
			if err != nil {
				return nil, err
			}
			b, err := k.Read(span[0], span[1]-span[0])
			if err != nil {
				return nil, err
			}
			out.add(r, row, b, span[0])
			continue
		}
		for s := range k.File.SectionsNamed(row.section) {
			b, err := s.Data()
			if err != nil {
				return nil, err
			}
			out.add(r, row, b, s.Addr)
		}
	}
	for _, s := range k.File.Sections {
		for prefix, n := range runtimeTables {
			if strings.HasPrefix(s.Name, prefix) {
				b, err := s.Data()
				if err != nil {
					return nil, err
				}
				out.add(r, &siteTable{section: s.Name, entry: 4, size: fixed(n)}, b, s.Addr)
			}
		}
	}
	out.sort()
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
// addresses as in [Module.Addresses].
func (m *Module) Sites(l Layout, read func(b []byte, addr uint64) error) (*Sites, error) {
	r := &siteReader{alt: l["alt_instr"], read: read}
	out := &Sites{}
	for i := range siteTables {
		row := &siteTables[i]
		for s := range m.File.SectionsNamed(row.section) {
			addr, ok := m.Addr(s.Index, 0)
			if !ok || s.Size == 0 {
				continue
			}
			b := make([]byte, s.Size) // what the file has, see OpenModule
			if err := read(b, addr); err != nil {
				return nil, err
			}
			out.add(r, row, b, addr)
		}
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
func (s *Sites) add(r *siteReader, row *siteTable, b []byte, addr uint64) {
	n := cmp.Or(row.entry, r.alt.Size)
	if n < 4 {
		return
	}
	s.tables = append(s.tables, table{addr, n, b})
	for off := uint64(0); off+n <= uint64(len(b)); off += n {
		e := b[off : off+n]
		site := Site{Table: row.section, Entry: addr + off}
		if row.abs {
			site.Addr = binary.LittleEndian.Uint64(e)
		} else {
			site.Addr = addr + off + uint64(int64(int32(binary.LittleEndian.Uint32(e))))
		}
		site.Size = row.size(r, e, site.Addr)
		s.list = append(s.list, site)
		if row.section == mcount {
			s.fentry = append(s.fentry, site.Addr)
		}
	}
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
