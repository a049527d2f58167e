package elfdiff

import "github.com/gosplice/gosplice/elfdiff/verdict"

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
	return len(d.inPlace)+len(d.initials) > 0
}
