package elfdiff

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/visible"
)

// ErrRefused is what [Extract] returns, wrapped in a [*RefusedError], when a
// change can't be carried. It is the one of package splice too.
var ErrRefused = errors.New("refused")

// A Finding is something that a person should know about a diff.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Symbol   string   `json:"symbol"`  // "" when it concerns the object as a whole
	Section  string   `json:"section"` // "" likewise
	Offset   uint64   `json:"offset"`  // from the start of the section, in bytes
	Message  string   `json:"message"`
	Hint     string   `json:"hint"` // what the user can do
	// Accept says what comes of accepting it with [Options].Accept; "" when it
	// can't be accepted, or need not be.
	Accept string `json:"accept"`
	// Accepted is set for what was accepted: it is no refusal any more.
	Accepted bool `json:"accepted"`
}

// String returns the finding on one line, without the hint. Control characters are
// made visible.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", f.Code)
	if f.Symbol != "" {
		fmt.Fprintf(&b, "%s: ", f.Symbol)
	}
	b.WriteString(f.Message)
	if f.Section != "" {
		fmt.Fprintf(&b, " (%s+%#x)", f.Section, f.Offset)
	}
	if f.Accepted {
		b.WriteString(" [accepted]")
	}
	return visible.Text(b.String())
}

// A Refusal is a reason why a change can't be carried: not at all, or not until
// a person accepts what comes of it.
type Refusal struct{ Finding }

// Error returns the refusal on one line.
func (r *Refusal) Error() string { return r.String() }

// Is makes the refusal an [ErrRefused], and its [Code].
func (r *Refusal) Is(target error) bool { return target == ErrRefused || target == r.Code }

// RefusedError lists all the refusals of a diff. It is [ErrRefused].
type RefusedError struct{ Refusals []Refusal }

// Error returns the first refusal, and how many more there are.
func (e *RefusedError) Error() string {
	s := "refused: " + e.Refusals[0].Error()
	if n := len(e.Refusals) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// Is makes the error an [ErrRefused], and the [Code] of each of its refusals.
func (e *RefusedError) Is(target error) bool {
	return target == ErrRefused || slices.ContainsFunc(e.Refusals, func(r Refusal) bool { return target == r.Code })
}

// finding makes a finding about a place in an atom of the object.
func (o *Object) finding(code Code, id AtomID, off uint64, format string, args ...any) Finding {
	f := newFinding(code)
	f.Message = fmt.Sprintf(format, args...)
	if id != NoAtom {
		a := &o.Atoms[id]
		f.Symbol, f.Section, f.Offset = a.Name, o.sectionName(a.Section), a.Offset+off
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
func newFinding(code Code) Finding {
	row := codes[code]
	return Finding{Code: code, Severity: row.severity, Hint: row.hint, Accept: row.accept}
}

// firmly makes a finding one that can't be accepted.
func (f Finding) firmly() Finding {
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
		j.Refusals = append(j.Refusals, Refusal{f})
	}
}
