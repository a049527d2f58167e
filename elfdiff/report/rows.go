package report

import (
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/listing"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/web"
)

// row is one line of a side-by-side listing.
type row struct {
	Class string // by what it is, and how the sides relate
	Mark  string
	Title string // says what the mark does not
	Wide  bool   // one text for both sides, which is Left's
	Left  cell
	Right cell

	differs bool // is to be seen
}

// cell is one side of a row.
type cell struct {
	ID    string // when something leads here
	Off   string // an offset, or the number of a source line
	Parts []part
}

// block is a run of rows, folded away when it has a summary.
type block struct {
	Summary string
	Rows    []row
}

// rowClasses are the looks of the marks.
var rowClasses = [...]string{
	listing.Same: "", listing.Incidental: "i", listing.Changed: "c",
	listing.Pre: "l", listing.Post: "r", listing.Cut: "g",
}

var incidentalTitles = map[verdict.ReasonCode]string{
	verdict.ReasonLine:    "a line number: no change",
	verdict.ReasonPadding: "padding: no change",
	verdict.ReasonJump:    "the width of a jump: no change",
}

// around is how many equal rows stay visible around a difference; shorter
// runs than minFold are not worth folding.
const (
	around  = 3
	minFold = 5
)

// fold hides the runs of rows that are equal.
func fold(rows []row, what string) []block {
	var out []block
	put := func(b block) {
		if len(b.Rows) > 0 {
			out = append(out, b)
		}
	}
	from := 0 // rows before it are placed
	for i := 0; i <= len(rows); {
		n := i
		for n < len(rows) && !rows[n].differs {
			n++
		}
		lo, hi := i+around, n-around
		if i == 0 {
			lo = 0
		}
		if n == len(rows) {
			hi = n
		}
		if hi-lo >= minFold {
			put(block{Rows: rows[from:lo]})
			put(block{Summary: foldSummary(rows[lo:hi], what), Rows: rows[lo:hi]})
			from = hi
		}
		i = n + 1
	}
	put(block{Rows: rows[min(from, len(rows)):]})
	return out
}

func foldSummary(rows []row, what string) string {
	n, moved := 0, 0
	for i := range rows {
		switch rows[i].Class {
		case "s": // lines of source
			continue
		case "v":
			moved++
		}
		n++
	}
	if moved > 0 {
		return fmt.Sprintf("%s, %d moved", web.Plural(n, what), moved)
	}
	return web.Plural(n, what)
}

// cost says how much of the page's room rows take: one for each, and more for
// long texts.
func cost(rows []row) int {
	n := len(rows)
	for i := range rows {
		for _, c := range [2]*cell{&rows[i].Left, &rows[i].Right} {
			for k := range c.Parts {
				n += len(c.Parts[k].Text) / 128
			}
		}
	}
	return n
}

// lister makes rows of one function or data object.
type lister struct {
	p       *pageBuilder
	id      string // of its section
	atoms   [2]*object.Atom
	home    string // the file that its own code is from
	last    [2]elfdiff.Position
	targets [2]map[uint64]bool // where branches lead
}

func (p *pageBuilder) listing(id string, ch *verdict.Change, lines []listing.Line) (*lister, []row) {
	l := &lister{p: p, id: id, atoms: [2]*object.Atom{p.d.Pre.Atom(ch.Pre), p.d.Post.Atom(ch.Post)}}
	for s := range l.targets {
		l.targets[s] = map[uint64]bool{}
	}
	l.findTargets(ch, lines)
	if pos, ok := l.position(1, 0); ok {
		l.home = pos.Name()
	} else if pos, ok := l.position(0, 0); ok {
		l.home = pos.Name()
	}
	var rows []row
	for i := range lines {
		if ch.Kind == object.Func {
			rows = l.source(rows, &lines[i])
		}
		rows = append(rows, l.row(&lines[i]))
	}
	return l, rows
}

// findTargets notes the rows that something leads to: branches, and the first
// reason.
func (l *lister) findTargets(ch *verdict.Change, lines []listing.Line) {
	starts := [2]map[uint64]bool{{}, {}}
	for i := range lines {
		for s, side := range sidesOf(&lines[i]) {
			if side.Size > 0 {
				starts[s][offsetOf(&lines[i], s)] = true
			}
		}
	}
	for i := range lines {
		for s, side := range sidesOf(&lines[i]) {
			if side.Branch >= 0 && starts[s][uint64(side.Branch)] {
				l.targets[s][uint64(side.Branch)] = true
			}
		}
	}
	for _, r := range ch.Reasons[:min(len(ch.Reasons), 1)] {
		for s, off := range [2]uint64{r.PreOffset, r.PostOffset} {
			if starts[s][off] {
				l.targets[s][off] = true
			}
		}
	}
}

func offsetOf(l *listing.Line, side int) uint64 { return [2]uint64{l.PreOffset, l.PostOffset}[side] }

// link leads to a row, where it is one that something may lead to.
func (l *lister) link(side int, off uint64) string {
	if id := l.anchor(side, off); id != "" {
		return "#" + id
	}
	return ""
}

func sidesOf(l *listing.Line) [2]*listing.Side {
	return [2]*listing.Side{&l.PreSide, &l.PostSide}
}

// row shows an instruction, or a piece of data.
func (l *lister) row(n *listing.Line) row {
	r := row{Class: rowClasses[n.Mark], Mark: strings.TrimSpace(n.Mark.String()), differs: n.Mark != listing.Same}
	if n.Mark == listing.Cut {
		r.Left, r.Right = cutCell(n.Pre, n.PreOffset), cutCell(n.Post, n.PostOffset)
		return r
	}
	if n.Mark == listing.Incidental {
		r.Title = incidentalTitles[n.Why]
	}
	a, b := l.tokens(0, n.Pre, n.PreOffset, &n.PreSide), l.tokens(1, n.Post, n.PostOffset, &n.PostSide)
	switch {
	case n.Mark != listing.Changed && n.Mark != listing.Incidental:
	case l.isRaw(0, n.PreOffset, &n.PreSide) && l.isRaw(1, n.PostOffset, &n.PostSide):
		differBytes(a, b)
	default:
		differInstructions(a, b)
	}
	if n.PreSide.Size > 0 {
		r.Left = cell{l.anchor(0, n.PreOffset), fmt.Sprintf("%x", n.PreOffset), join(a)}
	}
	if n.PostSide.Size > 0 {
		r.Right = cell{l.anchor(1, n.PostOffset), fmt.Sprintf("%x", n.PostOffset), join(b)}
	}
	return r
}

// cutCell shows what one side leaves out, if it does.
func cutCell(text string, off uint64) cell {
	if text == "" {
		return cell{}
	}
	return cell{Off: fmt.Sprintf("%x", off), Parts: []part{{Text: text}}}
}

var sideLetters = [2]string{"a", "b"}

// anchor names a place in the listing when something leads there.
func (l *lister) anchor(side int, off uint64) string {
	if !l.targets[side][off] {
		return ""
	}
	return fmt.Sprintf("%s.%s%x", l.id, sideLetters[side], off)
}

func (l *lister) tokens(side int, text string, off uint64, s *listing.Side) []token {
	if l.isRaw(side, off, s) {
		return rawTokens(l.atoms[side].Bytes[off:off+s.Size], web.Name(s.Member))
	}
	list := tokenize(web.Text(text))
	o := [2]*object.Object{l.p.d.Pre, l.p.d.Post}[side]
	for i := range s.Refs {
		name, href := l.p.refName(o, side, &s.Refs[i])
		for k := range list {
			if list[k].text == name && name != "" {
				list[k].class, list[k].href = partSymbol, href
			}
		}
	}
	if n := len(list); s.Branch >= 0 && n >= 2 && list[n-2].text == "+" {
		list[n-2] = token{text: "+" + list[n-1].text, href: l.link(side, uint64(s.Branch))}
		list = list[:n-1]
	}
	return list
}

// isRaw reports whether a row shows plain bytes of data.
func (l *lister) isRaw(side int, off uint64, s *listing.Side) bool {
	a := l.atoms[side]
	return a != nil && a.Kind != object.Func && len(s.Refs) == 0 && s.Size > 0 && s.Size <= 16 && off+s.Size <= uint64(len(a.Bytes))
}

const (
	partASCII  = "t"
	partMember = "m"
)

// rawTokens shows bytes in hexadecimal, and what they are: the name of a member,
// or text.
func rawTokens(b []byte, member string) []token {
	var out []token
	for _, c := range b {
		out = append(out, token{text: fmt.Sprintf("%02x ", c)})
	}
	width := 16
	if member != "" && len(b) <= 8 {
		width = 8
	}
	for range width - len(b) {
		out = append(out, token{text: "   "})
	}
	if member != "" {
		return append(out, token{text: " " + member, class: partMember})
	}
	for _, c := range b {
		if c < ' ' || c > '~' {
			c = '.'
		}
		out = append(out, token{text: string(rune(c)), class: partASCII})
	}
	return out
}

func differBytes(a, b []token) {
	for i := range min(len(a), len(b)) {
		if a[i].class != partMember && b[i].class != partMember && strings.TrimSpace(a[i].text) != strings.TrimSpace(b[i].text) {
			a[i].differ, b[i].differ = true, true
		}
	}
}

// position returns where in the source the code of one side comes from.
func (l *lister) position(side int, off uint64) (elfdiff.Position, bool) {
	p, a := l.p.positions[side], l.atoms[side]
	if p == nil || a == nil || a.Kind != object.Func {
		return elfdiff.Position{}, false
	}
	return p.At(a, off)
}

// source adds a row with the source of the instructions that follow, where it
// is not that of the row before.
func (l *lister) source(rows []row, n *listing.Line) []row {
	var pos [2]elfdiff.Position
	var has [2]bool
	moved := false
	for s, side := range sidesOf(n) {
		if side.Size == 0 {
			continue
		}
		if pos[s], has[s] = l.position(s, offsetOf(n, s)); has[s] && pos[s] != l.last[s] {
			l.last[s], moved = pos[s], true
		}
	}
	if !moved {
		return rows
	}
	var text [2][]part
	var plain [2]string
	for s := range pos {
		if has[s] {
			text[s], plain[s] = l.sourceText(s, pos[s])
		}
	}
	r := row{Class: "s", differs: n.Mark != listing.Same}
	number := func(s int) string { return fmt.Sprint(pos[s].Line) }
	switch {
	case has[0] && has[1] && plain[0] == plain[1] && pos[0].Name() == pos[1].Name():
		r.Wide, r.Left = true, cell{Off: number(1), Parts: text[1]}
	default:
		for s, c := range [2]*cell{&r.Left, &r.Right} {
			if has[s] {
				*c = cell{Off: number(s), Parts: text[s]}
			}
		}
	}
	return append(rows, r)
}

// sourceText shows a line of source, and its file when that is not the
// function's own.
func (l *lister) sourceText(side int, pos elfdiff.Position) (parts []part, plain string) {
	text, ok := l.p.src.file(side, pos).line(pos.Line)
	if name := pos.Name(); name != l.home || !ok {
		parts = append(parts, part{Class: "f", Text: web.Name(baseName(name))})
		plain = name
	}
	if ok {
		text = web.Text(strings.TrimSpace(text))
		class := ""
		if l.p.src.changed(side, pos) {
			class = "n"
		}
		parts = append(parts, part{Class: class, Text: text})
	} else {
		text = fmt.Sprint(pos.Line)
	}
	return parts, plain + "\x00" + text
}

func baseName(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }
