package elfdiff

import (
	"cmp"
	"debug/dwarf"
	"debug/elf"
	"errors"
	"fmt"
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
}

type lineRow struct {
	addr uint64
	line int
	file string
	end  bool // of a sequence: addresses from here on have no line
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
	i, found := slices.BinarySearchFunc(t.rows, addr, func(r lineRow, addr uint64) int { return cmp.Compare(r.addr, addr) })
	if found {
		for i+1 < len(t.rows) && t.rows[i+1].addr == addr {
			i++ // the last row of an address is the one that holds
		}
	} else {
		i--
	}
	if i < 0 || t.rows[i].end {
		return lineRow{}, false
	}
	return t.rows[i], true
}

var errNoLines = errors.New("no DWARF line table")

// readLines decodes .debug_line.
func readLines(o *Object) (*lineTable, error) {
	t := &lineTable{base: sectionBases(o)}
	sections := map[string][]byte{}
	for _, s := range o.File.Sections {
		if name, ok := strings.CutPrefix(s.Name, ".debug_"); ok {
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

// readUnits appends the rows of all compilation units.
func (t *lineTable) readUnits(d *dwarf.Data) error {
	for r := d.Reader(); ; r.SkipChildren() {
		unit, err := r.Next()
		if err != nil || unit == nil {
			return err
		}
		if unit.Tag != dwarf.TagCompileUnit {
			continue
		}
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
			row := lineRow{addr: e.Address, line: e.Line, end: e.EndSequence}
			if e.File != nil {
				row.file = path.Base(e.File.Name)
			}
			t.rows = append(t.rows, row)
		}
	}
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

// claim is an immediate that differs, and may be a line number. Whether it is
// one is decided when the whole function was walked.
type claim struct {
	at        step
	pre, post uint64
	reason    Reason
}

// proveLine decides a claim. The proof is the debug information of both
// objects: the two values are the lines that the line tables give for one
// pair of corresponding instructions. That is the instruction itself, or,
// since a macro which is called over several lines expands __LINE__ to its
// last one, another of the same function. Without debug information on either
// side it has to be the argument of a function that is known to take a line.
func (w *walk) proveLine(cl *claim) (proof string, ok bool) {
	pre, post := w.c.lines.of(0, w.c.pre), w.c.lines.of(1, w.c.post)
	if pre == nil && post == nil {
		return w.lineArgument(cl)
	}
	if pre == nil || post == nil {
		return "", false
	}
	if w.atLines(pre, post, cl.at, cl) {
		return fmt.Sprintf("the line tables place the instruction at lines %d and %d", cl.pre, cl.post), true
	}
	for _, s := range w.steps {
		if w.atLines(pre, post, s, cl) {
			return fmt.Sprintf("the line tables place +%#x at line %d, and +%#x at line %d", s.pre, cl.pre, s.post, cl.post), true
		}
	}
	return "", false
}

func (w *walk) atLines(pre, post *lineTable, s step, cl *claim) bool {
	p, ok1 := pre.at(w.pre.a, s.pre)
	q, ok2 := post.at(w.post.a, s.post)
	return ok1 && ok2 && p.file == q.file && uint64(p.line) == cl.pre && uint64(q.line) == cl.post
}

// lineSinks are functions that take a line number, and the register that it
// is passed in (psABI section 3.2.3).
var lineSinks = map[string]struct{ reg byte }{
	"__assert_fail":          {regDX}, // glibc assert.h: expression, file, line, function
	"__assert":               {regDX}, // expression, file, line
	"__assert_rtn":           {regDX}, // function, file, line, expression
	"__might_sleep":          {regSI}, // Linux kernel/sched/core.c: file, line
	"__might_resched":        {regSI},
	"__might_fault":          {regSI},
	"__warn":                 {regSI},
	"lockdep_rcu_suspicious": {regSI},
}

// Register numbers as they stand in the opcode of mov $imm32,%r32.
const (
	opMovImm32 = 0xb8
	regDX      = 2
	regSI      = 6
)

// lineArgument accepts a claim when the instruction loads the line argument of
// the next call, and that call goes to a known function.
func (w *walk) lineArgument(cl *claim) (string, bool) {
	k := cursor{o: w.pre.o, a: w.pre.a, off: cl.at.pre}
	if ok, err := k.load(); !ok || err != nil {
		return "", false
	}
	op := k.bytes()[k.in.OpOff]
	if k.in.ImmLen != 4 || op&^7 != opMovImm32 {
		return "", false
	}
	reg := op & 7
	for k.advance(); ; k.advance() {
		ok, err := k.load()
		if !ok || err != nil || k.in.EndsFlow() {
			return "", false
		}
		if k.in.Class != amd64.Call {
			continue
		}
		if len(k.refs) != 1 {
			return "", false
		}
		name := k.o.refText(&k.refs[0])
		sink, known := lineSinks[name]
		return "the line argument of " + name, known && sink.reg == reg
	}
}
