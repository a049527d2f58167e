package module

import (
	"errors"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// judgement is what is found about an update, and what a person says of it.
type judgement struct {
	words    []elfdiff.Acceptance // what a person says
	refused  refusals
	found    []elfdiff.Finding // that is in nothing's way
	accepted []elfdiff.Finding // of the comparisons too
}

// accept collects what a person has accepted: for the comparisons, and here. A reason has to
// be one line, as everything in .modinfo.
func (j *judgement) accept(pairs []Pair) {
	for i := range pairs {
		j.accepted = append(j.accepted, finding.Accepted(pairs[i].Diff.Findings)...)
	}
	j.accepted = append(j.accepted, finding.Accepted(j.found)...)
	for i := range j.accepted {
		if f := &j.accepted[i]; strings.ContainsAny(f.Reason, "\x00\n") {
			j.refused.add(refuse(CodeNotOneLine, f.Symbol, kerneltab.Modinfo, 0, "the reason %q is not one line", f.Reason))
		}
	}
}

// reasons lists the reasons for what was accepted, each once, as .modinfo has them.
func (j *judgement) reasons() []string {
	var list []string
	for i := range j.accepted {
		f := &j.accepted[i]
		a := finding.Acceptance{Code: f.Code, Symbol: f.Symbol, Reason: f.Reason}
		if s := a.String(); f.Reason != "" && !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// report notes a finding. One that needs judgement refuses the module, unless
// [Options].Accept has it.
func (j *judgement) report(f elfdiff.Finding) {
	if f.AcceptedBy(j.words) {
		j.found = append(j.found, f)
	} else {
		j.refused.add(&elfdiff.RefusedError{Refusals: []elfdiff.Refusal{{Finding: f}}})
	}
}

// between judges what functions of several objects do in halves.
func (j *judgement) between(pairs []Pair) {
	var diffs []*elfdiff.Diff
	for i := range pairs {
		if d := pairs[i].Diff; !slices.Contains(diffs, d) {
			diffs = append(diffs, d)
		}
	}
	for _, f := range elfdiff.Between(diffs...) {
		j.report(f)
	}
}

// refusals collects them, so that one run tells all.
type refusals []error

func (r *refusals) add(err error) { *r = append(*r, err) }

// addOnce adds a refusal unless there is one of that code, symbol and message.
func (r *refusals) addOnce(x *finding.Refusal) {
	for _, err := range *r {
		if is, ok := err.(*finding.Refusal); ok && is.Code == x.Code && is.Symbol == x.Symbol && is.Message == x.Message {
			return
		}
	}
	r.add(x)
}

func (r refusals) err() error { return errors.Join(r...) }
