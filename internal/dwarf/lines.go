package dwarf

import (
	"cmp"
	"iter"
	"path"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// Lines are the line tables of all units of an object.
type Lines struct {
	sequences []sequence // by section and place
	files     map[uint64]*files
}

// sequence is a run of rows in one section, by place.
type sequence struct {
	section elfobj.SectionIndex
	lo, hi  uint64
	rows    []row
	files   *files
}

// row says that the code from off on is of a line of a file.
type row struct {
	off  uint64
	line uint32
	file uint32
}

// Line is a place in the source.
type Line struct {
	Line  int // from 1; 0 is for code that no line is known of
	file  uint32
	files *files
}

// File returns the path of the source as the compiler was told it, relative to
// the folder in which it ran, or "" when the table does not say.
func (l Line) File() string {
	if l.files == nil {
		return ""
	}
	return l.files.path(l.file)
}

// Dir returns the folder that the compiler ran in, or "" when that is not
// known.
func (l Line) Dir() string {
	if l.files == nil {
		return ""
	}
	return l.files.dir()
}

// Base returns the last element of the path.
func (l Line) Base() string {
	if l.files == nil {
		return ""
	}
	return path.Base(string(l.files.name(l.file)))
}

// Lines reads the line tables when it is called first.
func (d *Data) Lines() (*Lines, error) { return d.programs.get(d.readLines) }

func (d *Data) readLines() (*Lines, error) {
	data, err := d.line.bytes()
	if err != nil {
		return nil, err
	}
	l := &Lines{files: map[uint64]*files{}}
	c := &cursor{s: &d.line, b: data}
	for c.left() > 0 {
		if err := d.readProgram(c, l); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(l.sequences, func(a, b sequence) int {
		return cmp.Or(cmp.Compare(a.section, b.section), cmp.Compare(a.lo, b.lo))
	})
	return l, c.err()
}

// Empty reports whether no line is known of any code.
func (l *Lines) Empty() bool { return len(l.sequences) == 0 }

// At returns the line of the code at a place. Of several rows for one place the
// last one holds (section 6.2.5).
func (l *Lines) At(a Addr) (Line, bool) {
	s := l.sequence(a)
	if s == nil {
		return Line{}, false
	}
	i, _ := slices.BinarySearchFunc(s.rows, a.Offset, func(r row, off uint64) int {
		if r.off <= off {
			return -1
		}
		return 1
	})
	if i == 0 {
		return Line{}, false
	}
	r := &s.rows[i-1]
	return Line{int(r.line), r.file, s.files}, true
}

// sequence returns the one that covers a place, or nil.
func (l *Lines) sequence(a Addr) *sequence {
	i, _ := slices.BinarySearchFunc(l.sequences, a, func(s sequence, a Addr) int {
		if c := cmp.Compare(s.section, a.Section); c != 0 {
			return c
		}
		if s.lo <= a.Offset {
			return -1
		}
		return 1
	})
	if i == 0 {
		return nil
	}
	s := &l.sequences[i-1]
	if s.section != a.Section || a.Offset < s.lo || a.Offset >= s.hi {
		return nil
	}
	return s
}

// Rows yields the places in a range for which the table has a row, with the
// line, in order.
func (l *Lines) Rows(r Range) iter.Seq2[uint64, Line] {
	return func(yield func(uint64, Line) bool) {
		s := l.sequence(r.Addr)
		if s == nil {
			return
		}
		i, _ := slices.BinarySearchFunc(s.rows, r.Offset, func(w row, off uint64) int { return cmp.Compare(w.off, off) })
		for ; i < len(s.rows) && s.rows[i].off-r.Offset < r.Size; i++ {
			w := &s.rows[i]
			if !yield(w.off, Line{int(w.line), w.file, s.files}) {
				return
			}
		}
	}
}
