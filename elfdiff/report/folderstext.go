package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/internal/web"
)

// Text writes a line for each pair in which something differs, with opt.All for
// every pair, and how many there are of each outcome.
func (f *Folders) Text(w io.Writer, opt TextOptions) error {
	v, pen := opt.output(w)
	b := bufio.NewWriter(v)
	n := map[elfdiff.Outcome]int{}
	for i := range f.Pairs {
		r := &f.Pairs[i]
		n[r.Outcome]++
		if r.Outcome == elfdiff.OutcomeSame && !opt.All {
			continue
		}
		fmt.Fprintf(b, "%s %s  %s\n", pen.Paint(outcomeStyles[r.Outcome], fmt.Sprintf("%-8s", r.Outcome)), visible.Text(r.Path), r.summary())
	}
	for _, name := range f.Alone {
		fmt.Fprintf(b, "%-8s %s\n", "alone", visible.Text(name))
	}
	var parts []string
	for _, o := range outcomes {
		if n[o] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[o], o))
		}
	}
	fmt.Fprintf(b, "\n%s: %s\n", web.Plural(len(f.Pairs), "pair"), strings.Join(parts, ", "))
	if opt.Page != "" {
		fmt.Fprintf(b, "%s\n", opt.Page)
	}
	if err := b.Flush(); err != nil {
		return err
	}
	return v.Flush()
}

var outcomeStyles = map[elfdiff.Outcome]visible.Style{
	OutcomeError: visible.Red, elfdiff.OutcomeRefused: visible.Red, elfdiff.OutcomeJudge: visible.Yellow, elfdiff.OutcomeCarried: visible.Green,
}

// summary says in some words what was found.
func (r *Pair) summary() string {
	if r.Error != "" {
		return r.Error
	}
	parts := r.codes()
	if names := r.names(4); len(names) > 0 {
		parts = append(parts, strings.Join(names, " "))
	}
	return strings.Join(parts, ": ")
}

// codes lists the codes of what can't be carried, each once, and the number of
// types to judge.
func (r *Pair) codes() []string {
	var out []string
	for i := range r.Refusals {
		if c := string(r.Refusals[i].Code); !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	isType := func(code string) bool { return strings.HasPrefix(code, "type-") }
	if r.types > 0 && !slices.ContainsFunc(out, isType) {
		out = append(out, web.Plural(r.types, "type"))
	}
	return out
}

// names lists what changed, and how many more there are.
func (r *Pair) names(most int) []string {
	var out []string
	more := 0
	for _, list := range [][]Change{r.Functions, r.Data} {
		for i := range list {
			switch v := &list[i]; {
			case v.Status == verdict.Same:
			case len(out) >= most:
				more++
			default:
				out = append(out, sign(v.Status)+v.Name)
			}
		}
	}
	if more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

// sign tells what is new and what is gone from what changed.
func sign(s verdict.Status) string {
	return map[verdict.Status]string{verdict.New: "+", verdict.Removed: "-"}[s]
}
