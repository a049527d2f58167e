package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/listing"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/internal/web"
)

// TextOptions say how a comparison is written for people. The zero value writes what
// changed, without colour.
type TextOptions struct {
	// All lists what is the same too.
	All bool
	// Verbose shows incidental differences: padding, jump widths, line numbers.
	Verbose bool
	// Width is that of the listings, in columns; 0 means 100, less than 40 is taken
	// as 40.
	Width int
	// Color marks what matters by ANSI escapes.
	Color bool
	// Escape is what these begin with; "" means ESC. Text has no other: what a
	// terminal would obey is made visible.
	Escape string
	// Flags has hints name the flags of the command elfdiff, not options in Go.
	Flags bool
	// Object names the file that the changes were written to, "" for none.
	Object string
	// Page names the file that has the listings, which are left out then.
	Page string
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

// printer writes the diff for people: the summary, what can't be carried, then
// function by function.
type printer struct {
	*bufio.Writer
	d    *elfdiff.Diff
	opt  TextOptions
	ways *ways
	pen  visible.Pen
}

// Text writes a comparison for people: the summary, what can't be carried and what
// helps, then why each function and object differs, with both sides beside each other.
func Text(w io.Writer, d *elfdiff.Diff, opt TextOptions) error {
	if !given(d) {
		return errNoDiff
	}
	v, pen := opt.output(w)
	p := &printer{bufio.NewWriter(v), d, opt, waysIn(opt.Flags), pen}
	if err := p.all(); err != nil {
		return err
	}
	if err := p.Flush(); err != nil {
		return err
	}
	return v.Flush()
}

func (p *printer) all() error {
	p.summary()
	for i := range p.d.Refusals {
		p.refusal(&p.d.Refusals[i].Finding)
	}
	for i := range p.d.Findings {
		p.finding(p.d.Findings[i].Severity.String(), visible.Yellow, &p.d.Findings[i])
	}
	for _, list := range [][]verdict.Change{p.d.Functions, p.d.Data} {
		for i := range list {
			if err := p.change(&list[i]); err != nil {
				return err
			}
		}
	}
	if p.opt.Verbose {
		for _, a := range p.d.SetAside() {
			fmt.Fprintf(p, "\nset aside %s\n", a)
		}
	}
	if p.opt.Page != "" {
		fmt.Fprintf(p, "\nthe listings are in %s\n", p.opt.Page)
	}
	return nil
}

func (p *printer) summary() {
	fmt.Fprintf(p, "%s: %s\n", p.pen.Paint(visible.Bold, "functions"), counts(p.d.Functions))
	fmt.Fprintf(p, "%s: %s\n", p.pen.Paint(visible.Bold, "data"), counts(p.d.Data))
	if text := loadText(p.d); text != "" {
		fmt.Fprintf(p, "%s: %s\n", p.pen.Paint(visible.Bold, "travels"), text)
	}
	if n := len(p.d.SetAside()); n > 0 {
		fmt.Fprintf(p, "%s: %s\n", p.pen.Paint(visible.Bold, "set aside"), web.Plural(n, "line number"))
	}
	switch p.d.Outcome() {
	case elfdiff.OutcomeRefused:
		fmt.Fprintln(p, p.pen.Paint(visible.Red, fmt.Sprintf("refused: %d reasons why the changes can't be carried", len(p.d.Refusals))))
	case elfdiff.OutcomeJudge:
		fmt.Fprintln(p, p.pen.Paint(visible.Yellow, fmt.Sprintf("judge: %d differences that a person has to accept first", len(p.d.Refusals))))
	case elfdiff.OutcomeIgnored:
		fmt.Fprintln(p, "no change that matters to what runs")
	case elfdiff.OutcomeSame:
		fmt.Fprintln(p, "no change")
	default:
		text := "all changes can be carried"
		if p.opt.Object != "" {
			text += "; written to " + p.opt.Object
		}
		fmt.Fprintln(p, p.pen.Paint(visible.Green, text))
	}
}

func counts(list []verdict.Change) string {
	n := map[verdict.Status]int{}
	for i := range list {
		n[list[i].Status]++
	}
	var parts []string
	for _, s := range []verdict.Status{verdict.Changed, verdict.New, verdict.Removed, verdict.Same} {
		parts = append(parts, fmt.Sprintf("%d %s", n[s], s))
	}
	return strings.Join(parts, ", ")
}

// refusal shows what has to be accepted apart from what can't be.
func (p *printer) refusal(f *elfdiff.Finding) {
	if f.Severity == elfdiff.NeedsJudgement {
		p.finding("judge", visible.Yellow, f)
		fmt.Fprintf(p, "    accept: %s%s, and %s\n", p.ways.accept, f.Code, f.Accept)
		return
	}
	p.finding("refused", visible.Red, f)
}

func (p *printer) finding(word string, s visible.Style, f *elfdiff.Finding) {
	fmt.Fprintf(p, "\n%s %s\n", p.pen.Paint(s, word), f)
	fmt.Fprintf(p, "    hint: %s\n", p.ways.hint(f.Hint))
}

// maxMembersPrinted bounds the members of one variable.
const maxMembersPrinted = 12

var statusStyles = map[verdict.Status]visible.Style{verdict.Changed: visible.Yellow, verdict.New: visible.Green, verdict.Removed: visible.Red}

// change writes one verdict; what is the same only on request.
func (p *printer) change(ch *verdict.Change) error {
	shown := ch.Status != verdict.Same || p.opt.All || p.opt.Verbose && len(ch.Incidental) > 0
	if !shown {
		return nil
	}
	status := ch.Status.String()
	if st, ok := statusStyles[ch.Status]; ok {
		status = p.pen.Paint(st, status)
	}
	fmt.Fprintf(p, "\n%s %s %s  %s\n", status, ch.Kind, p.pen.Paint(visible.Bold, ch.Name), p.pen.Paint(visible.Dim, strings.Replace(sizes(p.d, ch), "→", "->", 1)))
	for _, r := range ch.Reasons {
		p.reason("why", r)
	}
	for i, m := range p.d.DataMembers(ch) {
		if i == maxMembersPrinted {
			fmt.Fprintln(p, "    and other members")
			break
		}
		fmt.Fprintf(p, "    member %s\n", m)
	}
	for _, e := range p.d.Explain(ch) {
		fmt.Fprintf(p, "    because: %s\n", e)
	}
	if p.opt.Verbose {
		for _, r := range ch.Incidental {
			p.reason("incidental", r)
		}
	}
	if ch.Status != verdict.Changed || p.opt.Page != "" {
		return nil
	}
	return listing.Write(p, p.d, ch, listing.Options{Width: p.opt.Width, Context: 3, Color: p.pen.Color, Escape: p.pen.Escape, Indent: "  "})
}

func (p *printer) reason(word string, r verdict.Reason) {
	fmt.Fprintf(p, "    %s: %s\n", word, r)
}
