package main

import "github.com/gosplice/gosplice/elfdiff"

// report is what -json prints. Its lists are never null.
type report struct {
	Outcome   elfdiff.Outcome   `json:"outcome"`
	Functions []verdict         `json:"functions"`
	Data      []verdict         `json:"data"`
	Findings  []elfdiff.Finding `json:"findings"`
	Refusals  []elfdiff.Refusal `json:"refusals"`
}

// verdict is what was found about one function or data object.
type verdict struct {
	Name       string         `json:"name"`
	Kind       string         `json:"kind"`
	Status     elfdiff.Status `json:"status"`
	Reasons    []reason       `json:"reasons"`
	Incidental []reason       `json:"incidental"`
	// Explanations say what in the source is behind it, where that is not the
	// function's own source.
	Explanations []elfdiff.Explanation `json:"explanations"`
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

func reportOf(d *elfdiff.Diff, all bool) report {
	return report{
		Outcome:   d.Outcome(),
		Functions: verdicts(d, d.Functions, all),
		Data:      verdicts(d, d.Data, all),
		Findings:  append([]elfdiff.Finding{}, d.Findings...),
		Refusals:  append([]elfdiff.Refusal{}, d.Refusals...),
	}
}

func verdicts(d *elfdiff.Diff, list []elfdiff.Change, all bool) []verdict {
	out := []verdict{}
	for i := range list {
		if ch := &list[i]; all || ch.Status != elfdiff.Same {
			out = append(out, verdict{
				Name: ch.Name, Kind: ch.Kind.String(), Status: ch.Status,
				Reasons: reasons(ch.Reasons), Incidental: reasons(ch.Incidental),
				Explanations: append([]elfdiff.Explanation{}, d.Explain(ch)...),
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
