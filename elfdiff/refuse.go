package elfdiff

import (
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// ErrRefused is what [Extract] returns, wrapped in a [*RefusedError], when a
// change can't be carried. It is the one of all packages.
var ErrRefused = finding.ErrRefused

// What is found and refused, as package finding has it.
type (
	// Finding is something that a person should know about a diff.
	Finding = finding.Finding
	// Refusal is a reason why a change can't be carried: not at all, or not until a
	// person accepts what comes of it.
	Refusal = finding.Refusal
	// RefusedError lists all the refusals of a diff. It is [ErrRefused].
	RefusedError = finding.RefusedError
	// Code names a kind of finding or refusal.
	Code = finding.Code
	// Acceptance is a person's word about findings that need judgement.
	Acceptance = finding.Acceptance
	// Severity says what a finding means for the update.
	Severity = finding.Severity
)

// The severities, from harmless to final.
const (
	Carried        = finding.Carried
	Ignored        = finding.Ignored
	NeedsJudgement = finding.NeedsJudgement
	Refused        = finding.Refused
)

// finding makes a finding about a place in an atom of the object.
func findingAt(o *object.Object, code Code, id object.AtomID, off uint64, format string, args ...any) Finding {
	f := newFinding(code)
	f.Message = fmt.Sprintf(format, args...)
	if id != object.NoAtom {
		a := &o.Atoms[id]
		f.Symbol, f.Section, f.Offset = a.Name, o.SectionName(a.Section), a.Offset+off
	}
	return f
}

// NewFinding makes a finding of a target's own about a symbol, with the severity, the
// hint and what comes of accepting it that the code has.
func NewFinding(code Code, symbol, message string) Finding {
	f := newFinding(code)
	f.Symbol, f.Message = symbol, message
	return f
}

// newFinding fills in what the table of codes says.
func newFinding(code Code) Finding { return finding.New(code) }

// firmly makes a finding one that can't be accepted.
func firmly(f Finding) Finding {
	f.Severity, f.Accept = Refused, ""
	return f
}

// report adds a finding, once per code and place: to the refusals, when its
// severity makes it one.
func (j *judge) report(f Finding) {
	key := Finding{Code: f.Code, Symbol: f.Symbol, Section: f.Section, Offset: f.Offset}
	if j.reported[key] {
		return
	}
	j.reported[key] = true
	if f.AcceptedBy(j.accept) {
		j.Findings = append(j.Findings, f)
	} else {
		j.Refusals = append(j.Refusals, Refusal{Finding: f})
	}
}
