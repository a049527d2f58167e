package finding

import (
	"fmt"

	"github.com/gosplice/gosplice/internal/words"
)

// Severity says what a finding means for the update.
type Severity uint8

// The severities, from harmless to final.
const (
	// Carried is something to know about what travels.
	Carried Severity = iota
	// Ignored is a difference that is left out without loss: what it is about
	// has run already, or nothing that runs asks for it.
	Ignored
	// NeedsJudgement is a difference that is left out, where only a person can
	// say that the update is right without it: by elfdiff.Options.Accept.
	NeedsJudgement
	// Refused can't be carried, and not be left out either.
	Refused
)

var severityNames = [...]string{"carried", "ignored", "judge", "refused"}

// String returns "carried", "ignored", "judge" or "refused".
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return fmt.Sprintf("severity(%d)", uint8(s))
}

// MarshalText makes a Severity a word in JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word that [Severity.MarshalText] writes.
func (s *Severity) UnmarshalText(b []byte) error {
	return words.Parse(s, b, severityNames[:], "severity")
}
