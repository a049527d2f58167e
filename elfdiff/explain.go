package elfdiff

import (
	"sync"

	"github.com/gosplice/gosplice/elfdiff/explain"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// What in the source is behind a change, as package explain has it.
type (
	// Explanation says what in the source is behind a change of the code.
	Explanation = explain.Explanation
	// ExplanationCode says in one stable word what an [Explanation] is about.
	ExplanationCode = explain.Code
)

// The explanations.
const (
	ExplainInlined  = explain.Inlined
	ExplainInlining = explain.Inlining
	ExplainRenamed  = explain.Renamed
	ExplainLayout   = explain.Layout
)

// Explain looks for reasons in the source why a function differs, or is new or
// gone. It lists none when the function's own source explains it, and when
// there is no debug information.
//
// It reads the debug information about the function, and is safe for concurrent
// use.
func (d *Diff) Explain(ch *verdict.Change) []Explanation { return d.explained().Explain(ch) }

// explainer is what explanations have to know of a diff, once one was asked for.
type explainer struct {
	once sync.Once
	pair explain.Pair
}

func (d *Diff) explained() *explain.Pair {
	e := &d.explainer
	e.once.Do(func() {
		e.pair.Pre, e.pair.Post, e.pair.Functions = d.Pre, d.Post, d.Functions
		e.pair.PreOf, e.pair.PostOf, e.pair.Types = d.twins.Pre, d.twins.Post, d.Types
	})
	return &e.pair
}
