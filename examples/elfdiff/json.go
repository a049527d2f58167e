package main

import "github.com/gosplice/gosplice/elfdiff"

// report is what -json prints. Its lists are never null.
type report struct {
	Outcome   elfdiff.Outcome   `json:"outcome"`
	Functions []verdict         `json:"functions"`
	Data      []verdict         `json:"data"`
	Findings  []elfdiff.Finding `json:"findings"`
	Refusals  []elfdiff.Refusal `json:"refusals"`
	// SetAside are line numbers that differ in what is the same otherwise.
	SetAside []aside `json:"set_aside"`
	// Types are those that mean something else in post; with -explain only.
	Types []elfdiff.TypeChange `json:"types,omitempty"`
}

// verdict is what was found about one function or data object.
type verdict struct {
	Name       string         `json:"name"`
	Kind       string         `json:"kind"`
	Status     elfdiff.Status `json:"status"`
	Reasons    []reason       `json:"reasons"`
	Incidental []reason       `json:"incidental"`
	// Explanations say what in the source is behind it, where that is not the
	// function's own source; with -explain only.
	Explanations []elfdiff.Explanation `json:"explanations,omitempty"`
}

// reason is one difference. Offsets are in bytes from the starts of the
// function or object in pre and in post.
type reason struct {
	Code       elfdiff.ReasonCode `json:"code"`
	PreOffset  uint64             `json:"pre_offset"`
	PostOffset uint64             `json:"post_offset"`
	Pre        string             `json:"pre"`
	Post       string             `json:"post"`
	Detail     string             `json:"detail"`
}

// aside is a line number that was set aside, and where it is.
type aside struct {
	Symbol string `json:"symbol"`
	reason
}

func asides(list []elfdiff.Aside) []aside {
	out := []aside{}
	for _, a := range list {
		out = append(out, aside{a.Symbol, reasons([]elfdiff.Reason{a.Reason})[0]})
	}
	return out
}

func reportOf(d *elfdiff.Diff, opt options) report {
	r := report{
		Outcome:   d.Outcome(),
		Functions: verdicts(d.Functions, opt.all),
		Data:      verdicts(d.Data, opt.all),
		Findings:  append([]elfdiff.Finding{}, d.Findings...),
		Refusals:  append([]elfdiff.Refusal{}, d.Refusals...),
		SetAside:  asides(d.SetAside()),
	}
	if opt.explain {
		r.explain(d, opt.all)
	}
	return r
}

// explain adds what debug information tells. It is read for nothing else, so
// that a pipeline asks for it.
func (r *report) explain(d *elfdiff.Diff, all bool) {
	r.Types, _ = d.Types() // without debug information there are none
	i := 0
	for k := range d.Functions {
		if ch := &d.Functions[k]; all || ch.Status != elfdiff.Same {
			r.Functions[i].Explanations = d.Explain(ch)
			i++
		}
	}
}

func verdicts(list []elfdiff.Change, all bool) []verdict {
	out := []verdict{}
	for i := range list {
		if ch := &list[i]; all || ch.Status != elfdiff.Same {
			out = append(out, verdict{
				Name: ch.Name, Kind: ch.Kind.String(), Status: ch.Status,
				Reasons: reasons(ch.Reasons), Incidental: reasons(ch.Incidental),
			})
		}
	}
	return out
}

func reasons(list []elfdiff.Reason) []reason {
	out := []reason{}
	for _, r := range list {
		out = append(out, reason{r.Code, r.PreOffset, r.PostOffset, r.PreText, r.PostText, r.Detail})
	}
	return out
}
