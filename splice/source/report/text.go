package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/splice/source"
)

// TextOptions say how a document is written for people. The zero value writes it without
// colour, with options in Go for hints.
type TextOptions struct {
	// All lists also what does not differ, and patches that are in as a whole.
	All bool
	// Color marks what matters by ANSI escapes.
	Color bool
	// Escape is what these begin with; "" means ESC. Text has no other: what a terminal
	// would obey is made visible.
	Escape string
	// Flags has hints name the flags of the command mkupdate, not options in Go.
	Flags bool
}

// output returns where text goes that is to be shown, and what paints it.
func (o *TextOptions) output(w io.Writer) (*visible.Writer, visible.Pen) {
	escape := ""
	if o.Color {
		escape = cmp.Or(o.Escape, visible.Esc)
	}
	v := visible.NewWriter(w, escape)
	return v, v.Pen()
}

// printer writes for people.
type printer struct {
	*bufio.Writer
	out  *visible.Writer
	opt  TextOptions
	ways *ways
	pen  visible.Pen
}

func newPrinter(w io.Writer, opt TextOptions) *printer {
	v, pen := opt.output(w)
	return &printer{bufio.NewWriter(v), v, opt, waysIn(opt.Flags), pen}
}

func (p *printer) finish() error {
	if err := p.Flush(); err != nil {
		return err
	}
	return p.out.Flush()
}

// line writes one line: what is in the arguments can't break it.
func (p *printer) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Fprintln(p, strings.TrimRight(strings.ReplaceAll(text, "\n", `\n`), " "))
}

// Text writes a document for people: the patches, what changed and why, what is in the way
// and what helps, and what the update does.
func Text(w io.Writer, d *Document, opt TextOptions) error {
	d = given(d)
	p := newPrinter(w, opt)
	r := d.Result
	p.patches(r)
	p.files(r)
	p.objects(r)
	for _, x := range r.Refusals {
		p.refusal(x)
	}
	if r.Update != nil {
		p.update(d)
	}
	p.programs(d)
	p.trial(d.Trial)
	p.failure(d.Failure)
	p.end(d)
	return p.finish()
}

// patches lists the patches; of many, those that are not in as a whole.
func (p *printer) patches(r *source.Result) {
	for i := range r.Patches {
		x := &r.Patches[i]
		if len(r.Patches) > maxListed && x.In == source.Whole && !p.opt.All {
			continue
		}
		p.patch(x, r.Outcome)
	}
	if len(r.Patches) > 1 && r.Outcome == source.OutcomeMade {
		p.line("%s", presences(r))
	}
}

// maxListed is how many of a kind are listed one by one.
const maxListed = 12

func (p *printer) patch(x *source.PatchResult, o source.Outcome) {
	text := p.pen.Paint(visible.Bold, x.Name)
	if x.Subject != "" {
		text += "  " + visible.Text(x.Subject)
	}
	if len(x.CVEs) > 0 {
		text += "  [" + visible.Text(strings.Join(x.CVEs, " ")) + "]"
	}
	p.line("%s", text)
	if x.In != source.Whole && o == source.OutcomeMade {
		l := presenceLooks[x.In]
		p.line("  %s", p.pen.Paint(l.style, l.text))
	}
	for _, why := range x.Reasons {
		p.line("  %s", visible.Text(why))
	}
	if len(x.Needs) > 0 {
		p.line("  it stands on %s", visible.Text(strings.Join(x.Needs, ", ")))
	}
}

// presences counts patches by how much of them is in.
func presences(r *source.Result) string {
	n := map[source.Presence]int{}
	for i := range r.Patches {
		n[r.Patches[i].In]++
	}
	text := fmt.Sprintf("%s: %d in as a whole", count(len(r.Patches), "patch"), n[source.Whole])
	for _, in := range []source.Presence{source.Partly, source.Nothing} {
		if n[in] > 0 {
			text += fmt.Sprintf(", %d %s", n[in], presenceLooks[in].text)
		}
	}
	return text
}

// files lists what the patches change, where more is to be said of it than an object says,
// or where there are few. Of many of which the same is to be said, it lists the first.
func (p *printer) files(r *source.Result) {
	few := p.opt.All || len(r.Files) <= maxListed
	alike := map[string]int{} // files that no object is made of, by their notes
	for i := range r.Files {
		if f := &r.Files[i]; f.Objects == 0 && f.Note != "" && !few {
			alike[f.Note]++
		}
	}
	told := map[string]bool{}
	for i := range r.Files {
		f := &r.Files[i]
		n := alike[f.Note]
		switch {
		case f.Objects == 0 && told[f.Note]:
		case f.Objects == 0 && n > maxAlike:
			told[f.Note] = true
			p.line("  %s, and %s: %s", visible.Text(f.Path), count(n-1, "more file"), visible.Text(f.Note))
		case f.Note != "" || few && (p.opt.All || f.Kind != source.FileSource || f.Objects != 1):
			p.file(f)
		}
	}
}

// maxAlike is how many files of which the same is to be said are listed one by one where there are many.
const maxAlike = 2

func (p *printer) file(f *source.FileResult) {
	what := count(f.Objects, "object")
	if f.Change != "modified" {
		what = f.Change + ", " + what
	}
	if f.Note != "" {
		what += ": " + f.Note
	}
	p.line("  %s  %s", visible.Text(f.Path), visible.Text(what))
}

// objects lists what differs.
func (p *printer) objects(r *source.Result) {
	same, spared := 0, 0
	for i := range r.Objects {
		o := &r.Objects[i]
		quiet := len(o.Changes) == 0 && len(o.Findings) == 0 && len(o.Refusals) == 0
		if quiet && len(r.Objects) > maxListed && !p.opt.All {
			if same++; o.NotCompiled != "" {
				spared++
			}
			continue
		}
		p.object(o)
	}
	if same > 0 {
		p.line("%s: %d compiled, and the same; %d have nothing of what changed", count(same, "more object"), same-spared, spared)
	}
}

func (p *printer) object(o *source.ObjectResult) {
	text := p.pen.Paint(visible.Bold, o.Object)
	if o.Target != "" {
		text += " of " + visible.Text(o.Target)
	}
	p.line("%s", text)
	if len(o.Changes) == 0 && (o.Outcome == elfdiff.OutcomeSame || o.Outcome == elfdiff.OutcomeIgnored) {
		p.line("  no change")
	}
	if o.NotCompiled != "" {
		p.line("  not compiled: %s", visible.Text(o.NotCompiled))
	}
	for _, c := range o.Changes {
		text := fmt.Sprintf("  %s %s %s", c.Status, c.Kind, p.pen.Paint(visible.Cyan, c.Name))
		if c.Why != "" {
			text += fmt.Sprintf("  [%s]", visible.Text(c.Why))
		}
		p.line("%s", text)
	}
	if n := len(o.SetAside); n > 0 {
		p.line("  set aside: %s", count(n, "line number"))
	}
	for i := range o.Findings {
		p.finding("  ", &o.Findings[i])
	}
}

func (p *printer) finding(indent string, f *elfdiff.Finding) {
	l := severityLooks[f.Severity]
	p.line("%s%s %s", indent, p.pen.Paint(l.style, l.word), f)
}

// refusal shows what is in the way, and what helps.
func (p *printer) refusal(x *finding.Refusal) {
	l := severityLooks[x.Severity]
	where := strings.TrimSpace(x.Symbol + " " + x.Section)
	if where != "" {
		where += ": "
	}
	message := x.Text()
	if x.Severity == elfdiff.NeedsJudgement && x.Accept != "" {
		message = fmt.Sprintf("%s (with %s %s: %s)", message, p.ways.accept, x.Code, x.Accept)
	}
	p.line("%s %s: %s%s", p.pen.Paint(l.style, l.word), x.Code, visible.Text(where), visible.Text(message))
	if x.Hint != "" {
		p.line("  %s", visible.Text(p.ways.hint(x.Hint)))
	}
}

// end says what became of it when there is no update, and how long it took.
func (p *printer) end(d *Document) {
	r := d.Result
	if l := outcomeLook(r.Outcome); r.Outcome != source.OutcomeMade && r.Outcome != "" && d.Failure == nil {
		p.line("%s: %s", p.pen.Paint(cmp.Or(l.style, visible.Bold), l.word), l.text)
	}
	var parts []string
	for _, s := range r.Stages {
		if s.Elapsed > 0 {
			parts = append(parts, s.Name+" "+short(s.Elapsed))
		}
	}
	if len(parts) > 0 {
		p.line("  %s: %s", short(d.Elapsed()), visible.Text(strings.Join(parts, ", ")))
	}
}
