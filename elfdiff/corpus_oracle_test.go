package elfdiff_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestCorpusComplete asks objdump and debug/elf, which know nothing of this
// package, what differs in real kernel patches: code with what its relocations
// mean, constants, data, and the entries of tables. A function or an object that
// differs there, and that Compare called the same, is a missed change; one that
// Compare says is changed, and that does not differ there, an invented one.
func TestCorpusComplete(t *testing.T) {
	testenv.Need(t, "objdump")
	for _, c := range corpora(t) {
		functions, objects := 0, 0
		for _, p := range c.pairs(t, "pre", "post", *sample) {
			d := compareTables(t, p)
			o := [2]*oracle{newOracle(t, p.pre), newOracle(t, p.post)}
			f, n := judgeByOracle(t, d, o, p.post)
			functions, objects = functions+f, objects+n
		}
		t.Logf("%s: %d functions and %d objects that are called the same, and are", c.name, functions, objects)
	}
}

func judgeByOracle(t *testing.T, d *elfdiff.Diff, o [2]*oracle, name string) (functions, objects int) {
	for _, list := range [][]verdict.Change{d.Functions, d.Data} {
		for i := range list {
			ch := &list[i]
			if ch.Status == verdict.Changed && ch.Kind == object.Func {
				if own[ch.Reasons[0].Code] && !reallyChanged(d, ch, o) {
					t.Errorf("%s: %s is called changed, %s, but the tools show no difference", name, ch.Name, ch.Reasons[0])
				}
				continue
			}
			if ch.Status != verdict.Same || ch.Pre == object.NoAtom {
				continue
			}
			a, b := d.Pre.Atom(ch.Pre), d.Post.Atom(ch.Post)
			lines := slices.ContainsFunc(ch.Incidental, func(r verdict.Reason) bool { return r.Code == verdict.ReasonLine })
			var p, q []string
			if ch.Kind == object.Func {
				functions++
				p, q = o[0].function(int(a.Section), a.Offset, a.Size), o[1].function(int(b.Section), b.Offset, b.Size)
			} else {
				objects++
				p, q = o[0].data(int(a.Section), a.Offset, a.Size), o[1].data(int(b.Section), b.Offset, b.Size)
				lines = lines || o[0].f.Sections[a.Section].Name == "__dyndbg"
			}
			if x, y := unlike(p, q, lines); x != y {
				t.Errorf("%s: %v %s is called the same, but the tools show\n\t%s\n\t%s", name, ch.Kind, ch.Name, x, y)
			}
		}
	}
	return functions, objects
}

// own are the reasons that stand in a function itself.
var own = map[verdict.ReasonCode]bool{
	verdict.ReasonInstruction: true, verdict.ReasonLength: true, verdict.ReasonString: true, verdict.ReasonConstant: false,
	verdict.ReasonReference: true, elfdiff.ReasonTable: true,
}

// reallyChanged reports whether the tools show a difference in a function.
func reallyChanged(d *elfdiff.Diff, ch *verdict.Change, o [2]*oracle) bool {
	a, b := d.Pre.Atom(ch.Pre), d.Post.Atom(ch.Post)
	x, y := unlike(o[0].function(int(a.Section), a.Offset, a.Size), o[1].function(int(b.Section), b.Offset, b.Size), false)
	return x != y
}

// unlike returns the first lines that differ. Where a line number was proven,
// numbers do not count.
func unlike(p, q []string, lines bool) (string, string) {
	for i := range max(len(p), len(q)) {
		x, y := "nothing", "nothing"
		if i < len(p) {
			x = p[i]
		}
		if i < len(q) {
			y = q[i]
		}
		if x != y && !(lines && anyNumber.ReplaceAllString(x, "N") == anyNumber.ReplaceAllString(y, "N")) {
			return x, y
		}
	}
	return "", ""
}

var anyNumber = regexp.MustCompile(`\$0x[0-9a-f]+|\bbytes [0-9a-f ]+|:[0-9]+"`)

// oracle is an object as the tools show it.
type oracle struct {
	f      *elf.File
	syms   []elf.Symbol
	bySec  map[int][]elf.Symbol // named places of each section, by value
	data_  map[int][]byte
	relas  map[int][]rela       // by offset
	marks  map[int][]uint64     // places that are meant in each section
	code   map[string][]codeRow // of each section
	tables []tableRow
}

type rela struct {
	off    uint64
	typ    elf.R_X86_64
	sym    *elf.Symbol
	addend int64
}

type codeRow struct {
	addr uint64
	text string
}

// tableRow is what a table says about a place.
type tableRow struct {
	table string
	sec   int
	off   uint64
	text  string
}

// tableSizes are the sizes of entries whose first relocation is the place, in
// Linux 6.1 and 6.12.
var tableSizes = map[string][]uint64{
	"__jump_table": {16}, "__bug_table": {12}, "__ex_table": {12}, ".altinstructions": {12, 14}, ".static_call_sites": {8},
	".parainstructions": {16}, ".smp_locks": {4}, ".retpoline_sites": {4}, ".return_sites": {4}, "__mcount_loc": {8},
}

func newOracle(t *testing.T, path string) *oracle {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	o := &oracle{f: f, bySec: map[int][]elf.Symbol{}, data_: map[int][]byte{}, relas: map[int][]rela{}, marks: map[int][]uint64{}, code: map[string][]codeRow{}}
	o.syms, _ = f.Symbols()
	for _, s := range o.syms {
		if typ := elf.ST_TYPE(s.Info); s.Name != "" && !strings.HasPrefix(s.Name, ".L") && typ != elf.STT_SECTION && typ != elf.STT_FILE && int(s.Section) < len(f.Sections) {
			o.bySec[int(s.Section)] = append(o.bySec[int(s.Section)], s)
		}
	}
	for _, list := range o.bySec {
		sort.SliceStable(list, func(i, j int) bool { return list[i].Value < list[j].Value })
	}
	for i, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC != 0 && s.Type == elf.SHT_PROGBITS {
			o.data_[i], _ = s.Data()
		}
		if s.Type == elf.SHT_RELA && f.Sections[s.Info].Flags&elf.SHF_ALLOC != 0 {
			o.readRelas(s)
		}
	}
	o.disassemble(t, path)
	for i := range f.Sections {
		o.readTable(i)
	}
	slices.SortStableFunc(o.tables, func(a, b tableRow) int { return strings.Compare(a.table, b.table) })
	return o
}

func (o *oracle) readRelas(s *elf.Section) {
	b, _ := s.Data()
	to := int(s.Info)
	for ; len(b) >= 24; b = b[24:] {
		info := binary.LittleEndian.Uint64(b[8:])
		r := rela{off: binary.LittleEndian.Uint64(b), typ: elf.R_X86_64(uint32(info)), addend: int64(binary.LittleEndian.Uint64(b[16:]))}
		if n := info >> 32; n > 0 {
			r.sym = &o.syms[n-1]
		}
		o.relas[to] = append(o.relas[to], r)
		if r.sym != nil && int(r.sym.Section) < len(o.f.Sections) {
			o.marks[int(r.sym.Section)] = append(o.marks[int(r.sym.Section)], uint64(int64(r.sym.Value)+r.addend), uint64(int64(r.sym.Value)+r.addend+4))
		}
	}
	sort.SliceStable(o.relas[to], func(i, j int) bool { return o.relas[to][i].off < o.relas[to][j].off })
}

var instruction = regexp.MustCompile(`^ *([0-9a-f]+):\t([^\t]*)`)

// disassemble keeps the instructions without what objdump says about addresses.
func (o *oracle) disassemble(t *testing.T, path string) {
	out, err := exec.Command("objdump", "-dwz", "--no-show-raw-insn", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	section := ""
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\n")
		if name, ok := strings.CutPrefix(line, "Disassembly of section "); ok {
			section = strings.TrimSuffix(name, ":")
		} else if m := instruction.FindStringSubmatch(line); m != nil {
			addr, _ := strconv.ParseUint(m[1], 16, 64)
			text, _, _ := strings.Cut(m[2], "#")
			o.code[section] = append(o.code[section], codeRow{addr, strings.TrimSpace(text)})
		}
	}
}

// stem drops the numbers that compilers and macros make.
var (
	stemNumber = regexp.MustCompile(`\.\d+\b`)
	stemUnique = regexp.MustCompile(`(__UNIQUE_ID_\D+)\d+`)
	stemBTF    = regexp.MustCompile(`(__BTF_ID__.*)__\d+$`)
)

func stemOf(name string) string {
	name = stemUnique.ReplaceAllString(stemNumber.ReplaceAllString(name, ""), "$1")
	return stemBTF.ReplaceAllString(name, "$1")
}

// mean says what a place is: a symbol with a distance, a string, or the content of
// a constant without a name.
func (o *oracle) mean(sec int, off int64, depth int) string {
	s := o.f.Sections[sec]
	if off >= 0 && s.Flags&elf.SHF_STRINGS != 0 && off <= int64(len(o.data_[sec])) {
		text, _, _ := bytes.Cut(o.data_[sec][off:], []byte{0})
		return fmt.Sprintf("%q", text)
	}
	list := o.bySec[sec]
	i := sort.Search(len(list), func(i int) bool { return int64(list[i].Value) > off })
	for k := i - 1; k >= 0 && k > i-9; k-- {
		if y := list[k]; off < int64(y.Value+max(y.Size, 1)) {
			name := stemOf(y.Name)
			if constantName.MatchString(name) && depth < 4 {
				return fmt.Sprintf("+%#x in {%s}", off-int64(y.Value), strings.Join(o.content(sec, y.Value, y.Size, depth+1), "; "))
			}
			return fmt.Sprintf("%s+%#x", name, off-int64(y.Value))
		}
	}
	if s.Flags&(elf.SHF_WRITE|elf.SHF_EXECINSTR) != 0 || s.Type == elf.SHT_NOBITS || off < 0 || off >= int64(s.Size) || depth >= 4 {
		return fmt.Sprintf("in %s", stemOf(s.Name))
	}
	return fmt.Sprintf("{%s}", strings.Join(o.content(sec, uint64(off), o.end(sec, uint64(off))-uint64(off), depth+1), "; "))
}

var constantName = regexp.MustCompile(`^(CSWTCH|__func__|__FUNCTION__|__PRETTY_FUNCTION__|C)$`)

// end returns where a constant without a name may end: where something else is
// meant, or named, and what may be padding is left out.
func (o *oracle) end(sec int, off uint64) uint64 {
	end := o.f.Sections[sec].Size
	if e := o.f.Sections[sec].Entsize; o.f.Sections[sec].Flags&elf.SHF_MERGE != 0 && e > 0 {
		return min(end, off+e)
	}
	for _, m := range o.marks[sec] {
		if m > off+7 {
			end = min(end, m)
		}
	}
	for _, s := range o.bySec[sec] {
		if s.Value > off {
			end = min(end, s.Value)
		}
	}
	return end
}

// reference says what a relocation means; behind is the distance from its field
// to the end of the instruction.
func (o *oracle) reference(r *rela, behind int64, depth int) string {
	off := r.addend
	if isPCRel(r.typ) {
		off += behind
	}
	if r.sym == nil {
		return fmt.Sprint(off)
	}
	if r.sym.Section == elf.SHN_UNDEF || int(r.sym.Section) >= len(o.f.Sections) {
		return fmt.Sprintf("%s%+d", r.sym.Name, off)
	}
	return o.mean(int(r.sym.Section), int64(r.sym.Value)+off, depth)
}

func isPCRel(t elf.R_X86_64) bool {
	return t == elf.R_X86_64_PC32 || t == elf.R_X86_64_PLT32 || t == elf.R_X86_64_PC64
}

func (o *oracle) within(sec int, lo, hi uint64) []rela {
	list := o.relas[sec]
	i := sort.Search(len(list), func(i int) bool { return list[i].off >= lo })
	j := sort.Search(len(list), func(i int) bool { return list[i].off >= hi })
	return list[i:j]
}

var branchTarget = regexp.MustCompile(`\b([0-9a-f]+) <[^>]*>`)

// function lists the instructions of a function, what their relocations mean, and
// what tables say about it.
func (o *oracle) function(sec int, off, size uint64) []string {
	rows := o.code[o.f.Sections[sec].Name]
	lo := sort.Search(len(rows), func(i int) bool { return rows[i].addr >= off })
	hi := sort.Search(len(rows), func(i int) bool { return rows[i].addr >= off+size })
	var out []string
	for i := lo; i < hi; i++ {
		next := off + size
		if i+1 < len(rows) {
			next = rows[i+1].addr
		}
		list := o.within(sec, rows[i].addr, next)
		text := branchTarget.ReplaceAllStringFunc(rows[i].text, func(s string) string {
			m := branchTarget.FindStringSubmatch(s)
			to, _ := strconv.ParseUint(m[1], 16, 64)
			switch {
			case len(list) > 0 && isPCRel(list[0].typ):
				return "there"
			case to >= off && to < off+size, to == off+size && !o.starts(sec, to):
				return fmt.Sprintf("+%#x", to-off)
			}
			return o.mean(sec, int64(to), 0)
		})
		for k := range list {
			if list[k].typ != elf.R_X86_64_NONE {
				text += " | " + o.reference(&list[k], int64(next-list[k].off), 0)
			}
		}
		out = append(out, text)
	}
	for _, r := range o.tables {
		if r.sec == sec && r.off >= off && r.off < off+size {
			out = append(out, fmt.Sprintf("+%#x %s", r.off-off, r.text))
		}
	}
	return out
}

// starts reports whether something with a name begins at a place.
func (o *oracle) starts(sec int, off uint64) bool {
	return slices.ContainsFunc(o.bySec[sec], func(s elf.Symbol) bool { return s.Value == off })
}

// data lists the content of an object.
func (o *oracle) data(sec int, off, size uint64) []string { return o.content(sec, off, size, 0) }

func (o *oracle) content(sec int, off, size uint64, depth int) []string {
	b := o.data_[sec]
	if off+size > uint64(len(b)) {
		return []string{fmt.Sprintf("%d bytes of zero", size)}
	}
	b = bytes.Clone(b[off : off+size])
	var out []string
	for _, r := range o.within(sec, off, off+size) {
		n := uint64(4)
		if r.typ == elf.R_X86_64_64 || r.typ == elf.R_X86_64_PC64 {
			n = 8
		}
		if r.typ == elf.R_X86_64_NONE {
			continue
		}
		clear(b[r.off-off : min(r.off-off+n, size)])
		behind := int64(0)
		if r.sym != nil && isPCRel(r.typ) && o.leadsToCode(&r, int64(r.off-off)) {
			behind = -int64(r.off - off) // a jump table of distances from its start
		}
		out = append(out, fmt.Sprintf("+%#x %s", r.off-off, o.reference(&r, behind, depth)))
	}
	if depth > 0 {
		b = bytes.TrimRight(b, "\x00")
	}
	return append(out, fmt.Sprintf("bytes % x", b))
}

func (o *oracle) leadsToCode(r *rela, _ int64) bool {
	return int(r.sym.Section) < len(o.f.Sections) && o.f.Sections[r.sym.Section].Flags&elf.SHF_EXECINSTR != 0
}

// readTable keeps what a table says, by the place that the first relocation of an
// entry means.
func (o *oracle) readTable(i int) {
	s := o.f.Sections[i]
	for _, size := range tableSizes[s.Name] {
		if s.Size%size != 0 || uint64(len(o.relas[i]))%(s.Size/size) != 0 {
			continue
		}
		for off := uint64(0); off < s.Size; off += size {
			list := o.within(i, off, off+size)
			if len(list) == 0 || list[0].sym == nil || int(list[0].sym.Section) >= len(o.f.Sections) {
				continue
			}
			b := bytes.Clone(o.data_[i][off : off+size])
			text := s.Name
			for k := range list {
				clear(b[list[k].off-off : min(list[k].off-off+4, size)])
				if k > 0 && s.Name != ".altinstructions" {
					text += " | " + o.reference(&list[k], 0, 0)
				}
			}
			if s.Name == "__bug_table" {
				clear(b[8:10]) // the line
			}
			text += fmt.Sprintf(" % x", b)
			if s.Name == ".altinstructions" && len(list) > 1 {
				text += o.replacement(&list[1], uint64(b[size-1]))
			}
			o.tables = append(o.tables, tableRow{s.Name, int(list[0].sym.Section), list[0].sym.Value + uint64(list[0].addend), text})
		}
		return
	}
}

// replacement shows the code of an alternative.
func (o *oracle) replacement(r *rela, size uint64) string {
	sec, off := int(r.sym.Section), r.sym.Value+uint64(r.addend)
	if off+size > uint64(len(o.data_[sec])) {
		return ""
	}
	b := bytes.Clone(o.data_[sec][off : off+size])
	text := ""
	for _, r := range o.within(sec, off, off+size) {
		clear(b[r.off-off : min(r.off-off+4, size)])
		text += " | " + o.reference(&r, 4, 0)
	}
	return fmt.Sprintf(" with % x%s", b, text)
}
