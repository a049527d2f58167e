package module

import (
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// accept collects what a person has accepted: for the comparisons, and here. A reason has to
// be one line, as everything in .modinfo.
func (b *builder) accept(pairs []Pair) {
	for i := range pairs {
		b.words = append(b.words, finding.Accepted(pairs[i].Diff.Findings)...)
	}
	b.words = append(b.words, finding.Accepted(b.found)...)
	for i := range b.words {
		if f := &b.words[i]; strings.ContainsAny(f.Reason, "\x00\n") {
			b.refused.add(refuse(CodeNotOneLine, f.Symbol, kerneltab.Modinfo, 0, "the reason %q is not one line", f.Reason))
		}
	}
}

// reasons lists the reasons for what was accepted, each once, as .modinfo has them.
func (b *builder) reasons() []string {
	var list []string
	for i := range b.words {
		f := &b.words[i]
		a := finding.Acceptance{Code: f.Code, Symbol: f.Symbol, Reason: f.Reason}
		if s := a.String(); f.Reason != "" && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}
