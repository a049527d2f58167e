// Package finding has what all packages say about an update to a person: findings,
// refusals, and the codes by which tools know them.
//
//	Finding   something to know, or to judge: a code, a severity, a place, and a hint
//	Refusal   a finding that is an error: it is [ErrRefused], and its [Code]
//
// One question is enough for the errors of all packages:
//
//	if errors.Is(err, finding.ErrRefused) {
//		for _, r := range finding.Refusals(err) {
//			fmt.Println(r.Code, r.Symbol, r.Hint)
//		}
//	}
//
// All of it comes back from JSON as it was, but for names that are no UTF-8, whose bytes
// encoding/json replaces, and for the causes of refusals, of which the text comes back.
//
// Package elfdiff and package splice have the same types under the same names.
package finding

import (
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/internal/visible"
)

// A Finding is something that a person should know about a change.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Symbol   string   `json:"symbol"` // "" when it concerns the object, or the update, as a whole
	// Section is a section of the object that holds the symbol, or the mapped file
	// (program, library, kernel module) that the symbol lies in; "" when none is concerned.
	Section string `json:"section"`
	// Offset is from the start of the section, in bytes; of a mapped file, it is a run
	// address or a link address.
	Offset  uint64 `json:"offset"`
	Message string `json:"message"`
	Hint    string `json:"hint"` // what the user can do
	// Accept says what comes of accepting it with elfdiff.Options.Accept; "" when it
	// can't be accepted, or need not be.
	Accept string `json:"accept"`
	// Accepted is set for what was accepted: it is no refusal any more.
	Accepted bool `json:"accepted"`
	// Reason is the one that was given for that, see [Acceptance].
	Reason string `json:"reason,omitempty"`
}

// New makes a finding with the severity, the hint and what comes of accepting it that
// the table of codes of this package has. A code that is not in the table makes one
// without a hint that is [Refused].
func New(code Code) Finding {
	row, ok := codes[code]
	if !ok {
		row.severity = Refused
	}
	return Finding{Code: code, Severity: row.severity, Hint: row.hint, Accept: row.accept}
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
	switch {
	case f.Accepted && f.Reason != "":
		fmt.Fprintf(&b, " [accepted: %s]", f.Reason)
	case f.Accepted:
		b.WriteString(" [accepted]")
	}
	return visible.Text(b.String())
}
