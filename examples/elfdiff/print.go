package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/cli"
)

// printer writes the diff for people: the summary, what can't be carried, then
// function by function.
type printer struct {
	*bufio.Writer
	d    *elfdiff.Diff
	opt  options
	term cli.Terminal
}

func printDiff(w io.Writer, d *elfdiff.Diff, opt options, term cli.Terminal) error {
	p := &printer{bufio.NewWriter(w), d, opt, term}
	p.summary()
	for i := range d.Refusals {
		p.refusal(&d.Refusals[i].Finding)
	}
	for i := range d.Findings {
		p.finding(d.Findings[i].Severity.String(), cli.Yellow, &d.Findings[i])
	}
	for _, list := range [][]elfdiff.Change{d.Functions, d.Data} {
		for i := range list {
			if err := p.change(&list[i]); err != nil {
				return err
			}
		}
	}
	if p.opt.verbose {
		for _, a := range p.d.SetAside() {
			fmt.Fprintf(p, "\nset aside %s\n", a)
		}
	}
	if p.opt.html != "" {
		fmt.Fprintf(p, "\nthe listings are in %s\n", p.opt.html)
	}
	return p.Flush()
}

func (p *printer) summary() {
	fmt.Fprintf(p, "%s: %s\n", p.term.Paint(cli.Bold, "functions"), counts(p.d.Functions))
	fmt.Fprintf(p, "%s: %s\n", p.term.Paint(cli.Bold, "data"), counts(p.d.Data))
	if text := loadText(p.d); text != "" {
		fmt.Fprintf(p, "%s: %s\n", p.term.Paint(cli.Bold, "travels"), text)
	}
	if n := len(p.d.SetAside()); n > 0 {
		fmt.Fprintf(p, "%s: %s\n", p.term.Paint(cli.Bold, "set aside"), plural(n, "line number"))
	}
	switch p.d.Outcome() {
	case elfdiff.OutcomeRefused:
		fmt.Fprintln(p, p.term.Paint(cli.Red, fmt.Sprintf("refused: %d reasons why the changes can't be carried", len(p.d.Refusals))))
	case elfdiff.OutcomeJudge:
		fmt.Fprintln(p, p.term.Paint(cli.Yellow, fmt.Sprintf("judge: %d differences that a person has to accept first", len(p.d.Refusals))))
	case elfdiff.OutcomeIgnored:
		fmt.Fprintln(p, "no change that matters to what runs")
	case elfdiff.OutcomeSame:
		fmt.Fprintln(p, "no change")
	default:
		text := "all changes can be carried"
		if p.opt.out != "" {
			text += "; written to " + p.opt.out
		}
		fmt.Fprintln(p, p.term.Paint(cli.Green, text))
	}
}

func counts(list []elfdiff.Change) string {
	n := map[elfdiff.Status]int{}
	for i := range list {
		n[list[i].Status]++
	}
	var parts []string
	for _, s := range []elfdiff.Status{elfdiff.Changed, elfdiff.New, elfdiff.Removed, elfdiff.Same} {
		parts = append(parts, fmt.Sprintf("%d %s", n[s], s))
	}
	return strings.Join(parts, ", ")
}

// refusal shows what has to be accepted apart from what can't be.
func (p *printer) refusal(f *elfdiff.Finding) {
	if f.Severity == elfdiff.NeedsJudgement {
		p.finding("judge", cli.Yellow, f)
		fmt.Fprintf(p, "    accept: -accept %s, and %s\n", f.Code, f.Accept)
		return
	}
	p.finding("refused", cli.Red, f)
}

func (p *printer) finding(word string, s cli.Style, f *elfdiff.Finding) {
	fmt.Fprintf(p, "\n%s %s\n", p.term.Paint(s, word), f)
	fmt.Fprintf(p, "    hint: %s\n", cli.Hint(f.Hint))
}

// maxMembersPrinted bounds the members of one variable.
const maxMembersPrinted = 12

var statusStyles = map[elfdiff.Status]cli.Style{elfdiff.Changed: cli.Yellow, elfdiff.New: cli.Green, elfdiff.Removed: cli.Red}

// change writes one verdict; what is the same only on request.
func (p *printer) change(ch *elfdiff.Change) error {
	shown := ch.Status != elfdiff.Same || p.opt.all || p.opt.verbose && len(ch.Incidental) > 0
	if !shown {
		return nil
	}
	status := ch.Status.String()
	if st, ok := statusStyles[ch.Status]; ok {
		status = p.term.Paint(st, status)
	}
	fmt.Fprintf(p, "\n%s %s %s  %s\n", status, ch.Kind, p.term.Paint(cli.Bold, ch.Name), p.term.Paint(cli.Dim, strings.Replace(sizes(p.d, ch), "→", "->", 1)))
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
	if p.opt.verbose {
		for _, r := range ch.Incidental {
			p.reason("incidental", r)
		}
	}
	if ch.Status != elfdiff.Changed || p.opt.html != "" {
		return nil
	}
	return p.d.WriteListing(p, ch, elfdiff.ListingOptions{Width: p.term.Width, Context: 3, Color: p.term.Color, Escape: p.term.Escape(), Indent: "  "})
}

func (p *printer) reason(word string, r elfdiff.Reason) {
	fmt.Fprintf(p, "    %s: %s\n", word, r)
}
