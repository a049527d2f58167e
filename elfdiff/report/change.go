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

// section is one function or data object of the page.
type section struct {
	ID, Name, Kind, Status string
	Where, Short           string // file and line, with the path and without
	Sizes                  string
	Pairing                string // how it was paired, when not by name
	Why                    []why
	Because                []because
	Members                []memberView // of data, with another initial value
	Notes                  []string
	Source                 []sourceBlock
	Code                   []block
	CodeTitle              string
	Open                   bool
	Href                   string
	// Pre, Post and Both count the lines of the listing that only one side
	// has, and those that differ.
	Pre, Post, Both int

	follows bool // another function, which is the one that changed
}

func (s *section) count(lines []listing.Line) {
	for i := range lines {
		switch lines[i].Mark {
		case listing.Pre:
			s.Pre++
		case listing.Post:
			s.Post++
		case listing.Changed:
			s.Both++
		}
	}
}

// because is what in the source is behind a change; Short is for the index.
type because struct {
	Short string
	Text  []part
	Where string
}

// memberView is a member of a variable with both values.
type memberView struct {
	Off, Name string
	Pre, Post []part
}

// members lists the members of a variable that differ. Where elements were put in
// between, the listing tells more.
func (p *pageBuilder) members(ch *verdict.Change) (list []memberView) {
	if a, b := p.d.Pre.Atom(ch.Pre), p.d.Post.Atom(ch.Post); a == nil || b == nil || a.Size != b.Size {
		return nil
	}
	for _, m := range p.d.DataMembers(ch) {
		list = append(list, memberView{
			Off: fmt.Sprintf("+%#x", m.Offset), Name: web.Name(m.Name), Pre: p.linked(m.Pre), Post: p.linked(m.Post),
		})
	}
	return list
}

// why is one reason, with the places.
type why struct {
	Code, Text    string
	Pre, Post     []part
	PreAt, PostAt string
	PreHref, Href string
	Detail        []part
}

// sourceBlock is what differs in one file.
type sourceBlock struct {
	Name   string
	Note   string
	Blocks []block
}

// reasonTexts say the reason codes in words.
var reasonTexts = map[verdict.ReasonCode]string{
	verdict.ReasonInstruction: "another instruction or operand",
	verdict.ReasonLength:      "one goes on where the other ends",
	verdict.ReasonTarget:      "a branch leads to another place",
	verdict.ReasonReference:   "a relocation means something else",
	verdict.ReasonString:      "the text of a string",
	verdict.ReasonConstant:    "the content of a constant",
	verdict.ReasonBytes:       "the content",
	verdict.ReasonSize:        "the size",
	verdict.ReasonKind:        "writable or not",
	verdict.ReasonCold:        "its cold part changed",
	verdict.ReasonParent:      "goes with its parent",
	verdict.ReasonException:   "the exception table",
	verdict.ReasonLine:        "a line number",
	verdict.ReasonPadding:     "padding",
	verdict.ReasonJump:        "the width of a jump",
}

// section shows a change.
func (p *pageBuilder) section(id string, ch *verdict.Change) section {
	s := section{
		ID: id, Href: "#" + id, Name: web.Name(ch.Name), Kind: ch.Kind.String(), Status: ch.Status.String(),
		Sizes: sizes(p.d, ch), Where: p.where(ch), Open: ch.Status == verdict.Changed,
	}
	s.follows = follows(ch)
	s.Short = s.Where[strings.LastIndexByte(s.Where, '/')+1:]
	for i := range ch.Reasons {
		s.Why = append(s.Why, p.why(&ch.Reasons[i]))
	}
	s.Members = p.members(ch)
	for _, e := range p.d.Explain(ch) {
		b := because{Short: web.Name(string(e.Code) + ": " + e.Symbol), Text: p.linked(e.Text)}
		if e.File != "" && !strings.Contains(e.Text, e.File) {
			b.Where = web.Name(fmt.Sprintf("%s:%d", e.File, e.Line))
		}
		s.Because = append(s.Because, b)
	}
	if ch.Pre != object.NoAtom && ch.Post != object.NoAtom {
		if a, b := p.d.Pre.Atom(ch.Pre).Name, p.d.Post.Atom(ch.Post).Name; a != b {
			s.Pairing = fmt.Sprintf("%s in pre, paired by %s", web.Name(a), ch.Rule)
		}
	}
	p.body(&s, ch)
	return s
}

// follows reports whether a function counts as changed for what another one, or
// a constant that it uses, is.
func follows(ch *verdict.Change) bool {
	return len(ch.Reasons) > 0 && ch.Reasons[0].PreText == "" && ch.Reasons[0].PostText == ""
}

// body adds source and code, as far as there is room on the page.
func (p *pageBuilder) body(s *section, ch *verdict.Change) {
	lines := listing.Of(p.d, ch)
	if p.room < len(lines) || p.room <= 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("The listing, %s, would make the page too large; %s writes it.", web.Plural(len(lines), "line"), p.ways.text))
		return
	}
	if ch.Kind == object.Func {
		p.sourceOf(s, ch, lines)
	}
	s.count(lines)
	l, rows := p.listing(s.ID, ch, lines)
	if len(s.Why) > 0 {
		r := &ch.Reasons[0]
		s.Why[0].PreHref, s.Why[0].Href = l.link(0, r.PreOffset), l.link(1, r.PostOffset)
	}
	p.room -= cost(rows)
	what := "equal instruction"
	s.CodeTitle = "Machine code"
	if ch.Kind != object.Func {
		what, s.CodeTitle = "equal line", "Content"
	}
	if ch.Status != verdict.Changed {
		s.Code = []block{{Rows: rows}}
		return
	}
	s.Code = fold(rows, what)
}

// why shows one reason.
func (p *pageBuilder) why(r *verdict.Reason) why {
	w := why{Code: string(r.Code), Text: reasonTexts[r.Code], Detail: p.linked(r.Detail)}
	if r.PreText == "" && r.PostText == "" {
		return w
	}
	a, b := tokenize(web.Text(r.PreText)), tokenize(web.Text(r.PostText))
	differInstructions(a, b)
	w.Pre, w.Post = join(a), join(b)
	if r.Code == verdict.ReasonSize || r.Code == verdict.ReasonKind {
		return w // of the whole object
	}
	w.PreAt, w.PostAt = fmt.Sprintf("+%#x", r.PreOffset), fmt.Sprintf("+%#x", r.PostOffset)
	return w
}

// sizes shows how large it was and is.
func sizes(d *elfdiff.Diff, ch *verdict.Change) string {
	a, b := d.Pre.Atom(ch.Pre), d.Post.Atom(ch.Post)
	switch {
	case a == nil:
		return fmt.Sprintf("%d bytes", b.Size)
	case b == nil || a.Size == b.Size:
		return fmt.Sprintf("%d bytes", a.Size)
	}
	return fmt.Sprintf("%d → %d bytes", a.Size, b.Size)
}

// where names the line that a function starts at.
func (p *pageBuilder) where(ch *verdict.Change) string {
	if ch.Kind != object.Func {
		return ""
	}
	for s, a := range [2]*object.Atom{p.d.Post.Atom(ch.Post), p.d.Pre.Atom(ch.Pre)} {
		if pos := p.positions[1-s]; pos != nil && a != nil {
			if rows := pos.Rows(a); len(rows) > 0 {
				return web.Name(rows[0].String())
			}
		}
	}
	return ""
}

// sourceOf shows what differs in the source that a function was made from: its
// own, and what was inlined into it.
func (p *pageBuilder) sourceOf(s *section, ch *verdict.Change, lines []listing.Line) {
	var reaches [2][]*reach
	for side, a := range [2]*object.Atom{p.d.Pre.Atom(ch.Pre), p.d.Post.Atom(ch.Post)} {
		if a == nil || p.positions[side] == nil {
			continue
		}
		var offsets []uint64
		for i := range lines {
			if sidesOf(&lines[i])[side].Size > 0 {
				offsets = append(offsets, offsetOf(&lines[i], side))
			}
		}
		reaches[side] = reachOf(p.positions[side], a, offsets)
	}
	for side, a := range [2]*object.Atom{p.d.Pre.Atom(ch.Pre), p.d.Post.Atom(ch.Post)} {
		if len(reaches[side]) > 0 {
			p.checkSource(s, side, a.Name, reaches[side][0])
		}
	}
	switch {
	case len(reaches[0]) > 0 && len(reaches[1]) > 0:
		p.sourceChanges(s, reaches)
	case len(reaches[1]) > 0:
		p.sourceBody(s, 1, reaches[1][0])
	case len(reaches[0]) > 0:
		p.sourceBody(s, 0, reaches[0][0])
	}
}

// checkSource notes when the text that was found is not what was compiled.
func (p *pageBuilder) checkSource(s *section, side int, name string, r *reach) {
	f := p.src.file(side, r.pos)
	if f == nil || f.begins(name, r.lo) {
		return
	}
	s.Notes = append(s.Notes, fmt.Sprintf("%s seems to be another version than the one that %s was compiled from: %s does not begin in line %d. What is shown as source may be wrong.",
		web.Name(f.path), [2]string{"pre", "post"}[side], web.Name(name), r.lo))
}

// sourceChanges shows the differences in all files that lent a function code.
func (p *pageBuilder) sourceChanges(s *section, reaches [2][]*reach) {
	by := map[string]*reach{}
	for _, r := range reaches[1] {
		by[r.pos.Name()] = r
	}
	missing := false
	for i, a := range reaches[0] {
		b := by[a.pos.Name()]
		if b == nil {
			continue
		}
		d := p.src.diff(a.pos, b.pos)
		if d == nil {
			missing = missing || i == 0
			continue
		}
		if i == 0 && d.pre.path == d.post.path {
			s.Notes = append(s.Notes, "One source file stands for pre and post; name the folder of post's with "+p.ways.postSource+".")
		}
		if list := d.touched(a, b); len(list) > 0 {
			rows := d.rows(list)
			p.room -= cost(rows)
			s.Source = append(s.Source, sourceBlock{Name: web.Name(a.pos.Name()), Blocks: fold(rows, "equal line")})
		}
	}
	switch {
	case missing:
		s.Notes = append(s.Notes, fmt.Sprintf("The source text of %s was not found; name its folder with %s.", web.Name(reaches[0][0].pos.Name()), p.ways.preSource))
	case len(s.Source) == 0 && len(s.Notes) == 0 && len(s.Because) == 0 && !s.follows:
		s.Notes = append(s.Notes, "No line of its source differs: what it includes, a macro, or a choice of the compiler does.")
	}
}

// maxBody bounds the lines of source that are shown of what only one side has.
const maxBody = 400

// sourceBody shows the source of a function that only one side has.
func (p *pageBuilder) sourceBody(s *section, side int, r *reach) {
	f := p.src.file(side, r.pos)
	if f == nil {
		return
	}
	var rows []row
	for n := head(f, r.lo); n <= min(r.hi, len(f.lines), r.lo+maxBody); n++ {
		c := cell{Off: fmt.Sprint(n), Parts: sourceParts(f.lines[n-1])}
		if side == 0 {
			rows = append(rows, row{Class: "l", Mark: "<", Left: c, differs: true})
		} else {
			rows = append(rows, row{Class: "r", Mark: ">", Right: c, differs: true})
		}
	}
	p.room -= cost(rows)
	s.Source = append(s.Source, sourceBlock{Name: web.Name(r.pos.Name()), Blocks: []block{{Rows: rows}}})
}

// maxHead bounds the lines of a function's head.
const maxHead = 12

// head returns the line where the head of a function begins: debug information
// has that of its name, or of its brace.
func head(f *sourceFile, line int) int {
	for n := line; n > max(1, line-maxHead); n-- {
		above, _ := f.line(n - 1)
		switch above = strings.TrimSpace(above); {
		case above == "", strings.HasSuffix(above, "}"), strings.HasSuffix(above, ";"), strings.HasSuffix(above, "*/"), above[0] == '#':
			return n
		}
	}
	return line
}

func sourceParts(line string) []part {
	return []part{{Text: web.Text(strings.TrimRight(line, "\r"))}}
}
