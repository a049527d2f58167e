package report

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// JSONOptions say what a document has beside what changed.
type JSONOptions struct {
	// All lists what is the same too.
	All bool
	// Explain adds what debug information tells: [Change.Explanations] and
	// [Diff.Types]. It is read for nothing else.
	Explain bool
}

// JSON writes a comparison as a JSON document with the version [Schema].
func JSON(w io.Writer, d *elfdiff.Diff, opt JSONOptions) error {
	if !given(d) {
		return errNoDiff
	}
	return write(w, New(d, opt))
}

var errNoDiff = errors.New("report: no comparison is given, or one that was not made")

func given(d *elfdiff.Diff) bool { return d != nil && d.Pre != nil && d.Post != nil }

// write writes a document indented, without escaping what only HTML needs escaped.
func write(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// Diff is what [JSON] writes. Its lists are never null.
type Diff struct {
	Schema    int               `json:"schema,omitempty"` // [Schema]; left out within [Folders]
	Outcome   elfdiff.Outcome   `json:"outcome"`
	Functions []Change          `json:"functions"`
	Data      []Change          `json:"data"`
	Findings  []elfdiff.Finding `json:"findings"`
	Refusals  []elfdiff.Refusal `json:"refusals"`
	// SetAside are line numbers that differ in what is the same otherwise.
	SetAside []elfdiff.Aside `json:"set_aside"`
	// Types are those that mean something else in post; with
	// [JSONOptions].Explain only.
	Types []types.Change `json:"types,omitempty"`
}

// Change is what was found about one function or data object.
type Change struct {
	Name   string         `json:"name"`
	Kind   object.Kind    `json:"kind"`
	Status verdict.Status `json:"status"`
	// Reasons are the differences, the first one first. Incidental are those that do
	// not matter: padding, the width of a jump, line numbers.
	Reasons    []verdict.Reason `json:"reasons"`
	Incidental []verdict.Reason `json:"incidental"`
	// Explanations say what in the source is behind it, where that is not the
	// function's own source; with [JSONOptions].Explain only.
	Explanations []elfdiff.Explanation `json:"explanations,omitempty"`
}

// New returns the document of a comparison; one without changes where none is given.
func New(d *elfdiff.Diff, opt JSONOptions) *Diff {
	if d == nil {
		d = new(elfdiff.Diff)
	}
	r := &Diff{
		Schema:    Schema,
		Outcome:   d.Outcome(),
		Functions: changes(d.Functions, opt.All),
		Data:      changes(d.Data, opt.All),
		Findings:  listOf(d.Findings),
		Refusals:  listOf(d.Refusals),
		SetAside:  listOf(d.SetAside()),
	}
	if opt.Explain {
		r.explain(d, opt.All)
	}
	return r
}

// listOf returns a copy that is not nil.
func listOf[T any](list []T) []T { return append([]T{}, list...) }

func (r *Diff) explain(d *elfdiff.Diff, all bool) {
	r.Types, _ = d.Types() // without debug information there are none
	i := 0
	for k := range d.Functions {
		if ch := &d.Functions[k]; all || ch.Status != verdict.Same {
			r.Functions[i].Explanations = d.Explain(ch)
			i++
		}
	}
}

func changes(list []verdict.Change, all bool) []Change {
	out := []Change{}
	for i := range list {
		if ch := &list[i]; all || ch.Status != verdict.Same {
			out = append(out, Change{
				Name: ch.Name, Kind: ch.Kind, Status: ch.Status,
				Reasons: listOf(ch.Reasons), Incidental: listOf(ch.Incidental),
			})
		}
	}
	return out
}
