package elfdiff

import (
	"cmp"
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/elfobj"
)

// lineTables holds the DWARF line tables of pre and post, read when the first
// question is asked: most pairs of objects never need them.
type lineTables struct {
	once [2]sync.Once
	tab  [2]*lineTable
}

// lineTable is the line number program of an object, as rows in the order of
// addresses. Sections of a relocatable object have no addresses yet, so that
// each is given one here.
type lineTable struct {
	base []uint64 // of each section
	rows []lineRow

	data    *dwarf.Data
	units   []dwarf.Offset // the first entry of each compilation unit
	dirs    []string       // of the compilations, likewise
	inlined []inlinedCode  // by address; read when the first question is asked
	read    sync.Once
}

type lineRow struct {
	addr uint64
	line int
	file string // its last element
	path string // as a whole
	unit int    // into dirs
	end  bool   // of a sequence: addresses from here on have no line
}

// of returns the table of pre (0) or post (1), or nil when the object has no
// line table that can be read.
func (l *lineTables) of(side int, o *Object) *lineTable {
	l.once[side].Do(func() {
		if t, err := readLines(o); err == nil && len(t.rows) > 0 {
			l.tab[side] = t
		}
	})
	return l.tab[side]
}

// at returns the row that covers offset off of the atom.
func (t *lineTable) at(a *Atom, off uint64) (lineRow, bool) {
	addr := t.base[a.Section] + a.Offset + off
	// the last row of an address is the one that holds
	i, _ := slices.BinarySearchFunc(t.rows, addr+1, func(r lineRow, addr uint64) int { return cmp.Compare(r.addr, addr) })
	i--
	if i < 0 || t.rows[i].end {
		return lineRow{}, false
	}
	return t.rows[i], true
}

var errNoLines = errors.New("no DWARF line table")

// lineSections are the debug sections that lines and inlined calls need.
// Location lists, which are as large as all of these, are not read.
var lineSections = []string{"abbrev", "info", "line", "ranges", "str", "addr", "line_str", "str_offsets", "rnglists"}

// readLines decodes .debug_line.
func readLines(o *Object) (*lineTable, error) {
	t := &lineTable{base: sectionBases(o)}
	sections := map[string][]byte{}
	for _, s := range o.File.Sections {
		if name, ok := strings.CutPrefix(s.Name, ".debug_"); ok && slices.Contains(lineSections, name) {
			b, err := relocated(o, s, t.base)
			if err != nil {
				return nil, err
			}
			sections[name] = b
		}
	}
	if sections["line"] == nil || sections["info"] == nil {
		return nil, errNoLines
	}
	d, err := dwarf.New(sections["abbrev"], nil, nil, sections["info"], sections["line"], nil, sections["ranges"], sections["str"])
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"addr", "line_str", "str_offsets", "rnglists"} {
		if b := sections[name]; b != nil {
			if err := d.AddSection(".debug_"+name, b); err != nil {
				return nil, err
			}
		}
	}
	t.data, t.units = d, unitsOf(sections["info"])
	if err := t.readUnits(d); err != nil {
		return nil, err
	}
	slices.SortStableFunc(t.rows, func(a, b lineRow) int {
		if c := cmp.Compare(a.addr, b.addr); c != 0 {
			return c
		}
		return cmp.Compare(btoi(b.end), btoi(a.end)) // an end before the start of what follows
	})
	return t, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// unitsOf lists where the first entries of the compilation units stand: behind
// their headers (DWARF 5, section 7.5.1.1). The reader of debug/dwarf would
// have to decode all entries of a unit to find the next one.
func unitsOf(info []byte) []dwarf.Offset {
	var units []dwarf.Offset
	for off := uint64(0); off+12 <= uint64(len(info)); {
		length := uint64(binary.LittleEndian.Uint32(info[off:]))
		if length >= 0xfffffff0 { // 64-bit DWARF, which no compiler makes for x86-64 unasked
			break
		}
		header, compile := uint64(11), true
		if version := binary.LittleEndian.Uint16(info[off+4:]); version >= 5 {
			header, compile = 12, info[off+6] == 1 // DW_UT_compile
		}
		if compile {
			units = append(units, dwarf.Offset(off+header))
		}
		off += 4 + length
	}
	return units
}

// readUnits appends the rows of all compilation units.
func (t *lineTable) readUnits(d *dwarf.Data) error {
	r := d.Reader()
	t.dirs = make([]string, len(t.units))
	for i, off := range t.units {
		r.Seek(off)
		unit, err := r.Next()
		if err != nil {
			return err
		}
		if unit == nil || unit.Tag != dwarf.TagCompileUnit {
			continue
		}
		t.dirs[i], _ = unit.Val(dwarf.AttrCompDir).(string)
		lr, err := d.LineReader(unit)
		if err != nil {
			return err
		}
		if lr == nil {
			continue
		}
		var e dwarf.LineEntry
		for {
			if err := lr.Next(&e); err == io.EOF {
				break
			} else if err != nil {
				return err
			}
			row := lineRow{addr: e.Address, line: e.Line, unit: i, end: e.EndSequence}
			if e.File != nil {
				row.file, row.path = path.Base(e.File.Name), e.File.Name
			}
			t.rows = append(t.rows, row)
		}
	}
	return nil
}

// sectionBases lays the code out one section behind the other, with a hole in
// between, so that addresses tell sections apart.
func sectionBases(o *Object) []uint64 {
	base := make([]uint64, len(o.File.Sections))
	next := uint64(1 << 12)
	for i, s := range o.File.Sections {
		if s.Flags&elf.SHF_EXECINSTR != 0 {
			base[i] = next
			next += s.Size + 1<<12
		}
	}
	return base
}

// relocated returns the content of a debug section with its relocations
// applied to the section bases.
func relocated(o *Object, s *elfobj.Section, base []uint64) ([]byte, error) {
	b, err := s.Uncompressed()
	if err != nil {
		return nil, err
	}
	relas, err := o.File.Relas(s.Index)
	if err != nil || len(relas) == 0 {
		return b, err
	}
	b = slices.Clone(b)
	for _, r := range relas {
		h, ok := amd64.HowtoOf(r.Type)
		if !ok || r.Offset > uint64(len(b)) || int(r.Sym) >= len(o.symbols) {
			continue
		}
		sym := &o.symbols[r.Sym]
		v := sym.Value
		if int(sym.Section) < len(base) {
			v += base[sym.Section]
		}
		_ = h.Apply(b[r.Offset:], v, r.Addend, r.Offset) // a reference that does not fit is no line
	}
	return b, nil
}
