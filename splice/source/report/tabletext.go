package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/internal/web"
	"github.com/gosplice/gosplice/splice/source"
)

// Columns of a table as text.
const (
	outcomeColumn = 16
	nameColumn    = 44
	codeColumn    = 24
)

// TableText writes a table for people: a row for each result, and the counts.
func TableText(w io.Writer, t *Table, opt TextOptions) error {
	if t == nil {
		t = NewTable()
	}
	p := newPrinter(w, opt)
	for i := range t.Rows {
		p.row(&t.Rows[i])
	}
	if len(t.Rows) > 0 {
		p.line("")
	}
	p.counts(t)
	return p.finish()
}

// RowText writes one row of a table for people, as it comes.
func RowText(w io.Writer, r *Row, opt TextOptions) error {
	if r == nil {
		r = new(Row)
	}
	p := newPrinter(w, opt)
	p.row(r)
	return p.finish()
}

// CountsText writes the counts of a table, without its rows.
func CountsText(w io.Writer, t *Table, opt TextOptions) error {
	if t == nil {
		t = NewTable()
	}
	p := newPrinter(w, opt)
	if len(t.Rows) > 0 {
		p.line("")
	}
	p.counts(t)
	return p.finish()
}

// row writes one row: what became of it, of what, and why or what it does.
func (p *printer) row(r *Row) {
	l := outcomeLook(r.Outcome)
	p.line("%s%s %s", pad(p.pen.Paint(cmp.Or(l.style, visible.Dim), l.word), l.word, outcomeColumn), pad(p.pen.Paint(visible.Bold, r.Name), r.Name, nameColumn), visible.Text(r.why()))
}

// pad fills a text, of which plain is what takes room, up to a column.
func pad(text, plain string, column int) string {
	return text + strings.Repeat(" ", max(column-utf8.RuneCountInString(visible.Text(plain)), 0))
}

// why is what a row has to say beside its outcome.
func (r *Row) why() string {
	switch {
	case r.Outcome == source.OutcomeMade:
		text := fmt.Sprintf("%s of %s", count(r.Functions, "function"), strings.Join(r.Targets, " "))
		if n := len(r.Patches); n > 1 {
			text += fmt.Sprintf(", %s", count(n, "patch"))
		}
		if r.Trial != "" {
			text += ", trial " + r.Trial
		}
		text = strings.TrimSpace(text + "  " + r.Module)
		if r.Error != "" {
			text += "  " + r.Error
		}
		return text
	case r.Error != "":
		return r.Error
	}
	return strings.Join(r.Codes, " ")
}

// counts writes the counts of a table.
func (p *printer) counts(t *Table) {
	parts := make([]string, 0, len(t.Outcomes))
	for _, c := range t.Outcomes {
		l := outcomeLook(source.Outcome(c.Word))
		parts = append(parts, fmt.Sprintf("%d %s", c.Rows, p.pen.Paint(cmp.Or(l.style, visible.Bold), l.word)))
	}
	head := fmt.Sprintf("%s: ", count(len(t.Rows), "result"))
	if len(t.Kernels) > 0 {
		head = fmt.Sprintf("%s for %s: ", count(len(t.Rows), "result"), visible.Text(strings.Join(t.Kernels, ", ")))
	}
	p.line("%s%s", head, strings.Join(parts, ", "))
	if text := t.share(); text != "" {
		p.line("%s", text)
	}
	p.failure(t.Failure)
	if text := t.tried(); text != "" {
		p.line("%s", text)
	}
	for _, c := range t.Codes {
		p.line("  %s %s", pad(visible.Text(c.Word), c.Word, codeColumn), count(c.Rows, "result"))
	}
}

// tried says what the trials came to, "" when there were none.
func (t *Table) tried() string {
	var parts []string
	for _, c := range t.Trials {
		parts = append(parts, fmt.Sprintf("%d %s", c.Rows, web.Name(c.Word)))
	}
	if len(parts) == 0 {
		return ""
	}
	return "tried in guests: " + strings.Join(parts, ", ")
}

// share says how many of those that have something to carry are carried.
func (t *Table) share() string {
	made := t.Has(source.OutcomeMade)
	all := made + t.Has(source.OutcomeJudge, source.OutcomeRefused)
	if all == 0 {
		return ""
	}
	return fmt.Sprintf("carried: %s of %s with something to carry, %.1f %%", web.Thousands(made), web.Thousands(all), 100*float64(made)/float64(all))
}
