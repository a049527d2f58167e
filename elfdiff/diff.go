package elfdiff

import (
	"context"
	"errors"
	"sync"

	"github.com/gosplice/gosplice/elfdiff/explain"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/internal/compare"
	"github.com/gosplice/gosplice/elfdiff/internal/correlate"
	"github.com/gosplice/gosplice/elfdiff/internal/extraction"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// What a comparison says of each function and data object, as package verdict has it.
type (
	// Change is the verdict on one function or data object.
	Change = verdict.Change
	// Status says whether it is the same.
	Status = verdict.Status
	// Reason is the first place at which pre and post differ.
	Reason = verdict.Reason
	// Rule is how pre and post were paired.
	Rule = verdict.Rule
)

// The verdicts.
const (
	Same    = verdict.Same
	Changed = verdict.Changed
	New     = verdict.New
	Removed = verdict.Removed
)

// What an update carries, as package extract has it.
type (
	// Extracted is the object with the changes.
	Extracted = extract.Extracted
	// Kept is what others may keep the address of.
	Kept = extract.Kept
)

// Diff is what really differs between two objects. It is immutable.
type Diff struct {
	Pre, Post *object.Object
	// Functions and Data hold a verdict for every function and data object:
	// those of pre in file order, then the new ones of post.
	Functions, Data []verdict.Change
	// Findings are things that a person should know, and what was accepted.
	Findings []Finding
	// Refusals are things that make it impossible to carry the changes, or that
	// a person has to accept first, by their Severity. When there is one, Extract
	// fails.
	Refusals []Refusal

	twins     correlate.Twins
	carried   extraction.Carried
	typed     bool    // Options.Types
	aside     []Aside // of records without a verdict of their own
	explainer explainer
	types     typeChanges
	leaves    bool   // code for the removal of the module is carried
	stays     string // why it is not, or not all
	alike     alike
}

// Changes returns the number of functions and data objects that are not the
// same. Zero means that post needs no update.
func (d *Diff) Changes() int {
	n := 0
	for _, list := range [][]verdict.Change{d.Functions, d.Data} {
		for i := range list {
			if list[i].Status != verdict.Same {
				n++
			}
		}
	}
	return n
}

// PostOf returns the twin in post of an atom of pre, or NoAtom.
func (d *Diff) PostOf(pre object.AtomID) object.AtomID {
	if pre < 0 || int(pre) >= len(d.twins.Post) {
		return object.NoAtom
	}
	return d.twins.Post[pre]
}

// PreOf returns the twin in pre of an atom of post, or NoAtom.
func (d *Diff) PreOf(post object.AtomID) object.AtomID {
	if post < 0 || int(post) >= len(d.twins.Pre) {
		return object.NoAtom
	}
	return d.twins.Pre[post]
}

// Included reports whether an atom of post travels in the update.
func (d *Diff) Included(post object.AtomID) bool {
	return post >= 0 && int(post) < len(d.carried.Included) && d.carried.Included[post]
}

// SameReference returns what tells whether a reference of pre and one of post mean the
// same, by what Compare goes by. It remembers what it has compared, and is for one
// goroutine.
func (d *Diff) SameReference() func(pre, post *object.Ref) bool {
	if !d.given() {
		return func(*object.Ref, *object.Ref) bool { return false }
	}
	c := compare.NewComparer(d.Pre, d.Post, d.twins)
	return func(pre, post *object.Ref) bool {
		if pre == nil || post == nil {
			return pre == post
		}
		c.Pending = c.Pending[:0]
		return c.Refs(pre, post) == ""
	}
}

// Extract makes the object that carries the changes of d. It fails with a
// [*RefusedError] when d has refusals, and with [ErrDamaged] where post makes no sense.
//
// A call from carried code to a changed function goes to the new one. The
// address of a changed function, where it is not called, stays that of the old
// one, which leads to the new: so the function keeps one identity for code
// that compares or stores its address.
func Extract(d *Diff) (*extract.Extracted, error) { return ExtractFor(d, nil) }

// ExtractFor is Extract for one target, in which run knows where atoms of pre are. A literal that
// both objects have is referred to there, and does not travel: old code may have stored its
// address, and new code may compare that.
func ExtractFor(d *Diff, run extract.Located) (*extract.Extracted, error) {
	if !d.given() {
		return nil, errNoDiff
	}
	if len(d.Refusals) > 0 {
		return nil, &RefusedError{Refusals: d.Refusals}
	}
	return d.plan().Extract(run)
}

// Sides makes two objects of the functions that d has changed: one as pre has them, and one
// as post does. They are for finding out which of the two runs (package reloc), and
// need not be fit to be carried: refusals are not in the way. Functions that are new in post,
// or gone in it, are on one side.
func Sides(ctx context.Context, d *Diff) (pre, post *extract.Extracted, err error) {
	if !d.given() {
		return nil, nil, errNoDiff
	}
	back, err := CompareContext(ctx, d.Post, d.Pre, Options{Tables: d.carried.Tables})
	if err != nil {
		return nil, nil, err
	}
	if pre, err = back.plan().Extract(nil); err != nil {
		return nil, nil, err
	}
	post, err = d.plan().Extract(nil)
	return pre, post, err
}

// plan is what an extraction has to know of the diff.
func (d *Diff) plan() *extraction.Plan {
	return &extraction.Plan{Pre: d.Pre, Post: d.Post, Functions: d.Functions, PreOf: d.twins.Pre, Carried: &d.carried}
}

// Outcome is the verdict on a pair of objects as a whole.
type Outcome string

// The outcomes.
const (
	OutcomeSame    Outcome = "same"    // nothing but incidental differences
	OutcomeCarried Outcome = "carried" // there is something to carry, and all of it can be
	OutcomeIgnored Outcome = "ignored" // what differs has no bearing on what runs
	OutcomeJudge   Outcome = "judge"   // a person has to accept something first
	OutcomeRefused Outcome = "refused"
)

// Outcome sums up the findings and refusals.
func (d *Diff) Outcome() Outcome {
	judge := false
	for i := range d.Refusals {
		if d.Refusals[i].Severity != NeedsJudgement {
			return OutcomeRefused
		}
		judge = true
	}
	switch {
	case judge:
		return OutcomeJudge
	case d.carries():
		return OutcomeCarried
	case d.Changes() > 0 || len(d.Findings) > 0:
		return OutcomeIgnored
	}
	return OutcomeSame
}

// carries reports whether anything in the running program is replaced.
func (d *Diff) carries() bool {
	for i := range d.Functions {
		if ch := &d.Functions[i]; ch.Status == verdict.Changed && d.Included(ch.Post) {
			return true
		}
	}
	for i := range d.Data {
		ch := &d.Data[i]
		if ch.Status == verdict.New && d.Included(ch.Post) && d.isHook(ch.Post) {
			return true
		}
	}
	return len(d.carried.InPlace)+len(d.carried.Initials) > 0
}

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
func (d *Diff) Explain(ch *verdict.Change) []Explanation {
	if !d.given() || ch == nil {
		return nil
	}
	return d.explained().Explain(ch)
}

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

var (
	errNoObject = errors.New("no object is given, or one that was not opened")
	errNoDiff   = errors.New("no comparison is given, or one that Compare has not made")
)

// given reports whether there is an object that was read.
func given(o *object.Object) bool { return o != nil && o.File != nil }

func (d *Diff) given() bool { return d != nil && given(d.Pre) && given(d.Post) }
