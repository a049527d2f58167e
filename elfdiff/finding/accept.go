package finding

import (
	"fmt"
	"slices"
	"strings"
)

// An Acceptance is a person's word about findings that need judgement: it takes
// responsibility for what comes of them, see [Finding].Accept.
type Acceptance struct {
	Code Code `json:"code"`
	// Symbol narrows it to findings about one symbol, or type, as [Finding].Symbol has it;
	// "" is all of them.
	Symbol string `json:"symbol,omitempty"`
	// Reason says why. It is kept beside what was accepted, in [Finding].Reason and in the
	// updates and modules that are made.
	Reason string `json:"reason,omitempty"`
}

// ParseAcceptance reads what tools take as -accept: CODE or CODE:SYMBOL, several with
// commas between them, and then, behind an equals sign, the reason for all of them. The
// error names what is no code that can be accepted.
func ParseAcceptance(s string) ([]Acceptance, error) {
	what, reason, _ := strings.Cut(s, "=")
	var list []Acceptance
	for one := range strings.SplitSeq(what, ",") {
		code, symbol, narrow := strings.Cut(one, ":")
		if !Code(code).CanAccept() || narrow == (symbol == "") {
			return nil, fmt.Errorf("%q is no code that can be accepted", one)
		}
		list = append(list, Acceptance{Code(code), symbol, reason})
	}
	return list, nil
}

// String returns the acceptance as [ParseAcceptance] takes it.
func (a Acceptance) String() string {
	s := string(a.Code)
	if a.Symbol != "" {
		s += ":" + a.Symbol
	}
	if a.Reason != "" {
		s += "=" + a.Reason
	}
	return s
}

// CanAccept reports whether a person can accept what a code stands for.
func (c Code) CanAccept() bool { return codes[c].accept != "" }

// accepts reports whether it is about a finding.
func (a *Acceptance) accepts(f *Finding) bool {
	return a.Code == f.Code && (a.Symbol == "" || a.Symbol == f.Symbol)
}

// AcceptedBy takes responsibility for a finding that needs judgement, where one of the
// acceptances is about it, with the first reason that such a one has. It reports whether
// the finding stands in no update's way.
func (f *Finding) AcceptedBy(accept []Acceptance) bool {
	if f.Severity != NeedsJudgement {
		return f.Severity < NeedsJudgement
	}
	for i := range accept {
		if a := &accept[i]; a.accepts(f) {
			f.Accepted = true
			if f.Reason == "" {
				f.Reason = a.Reason
			}
		}
	}
	return f.Accepted
}

// Accepted returns those of a list that a person has accepted.
func Accepted(list []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(list), func(f Finding) bool { return !f.Accepted })
}
