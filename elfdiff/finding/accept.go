package finding

import (
	"slices"
	"strings"
)

// CanAccept reports whether a person can accept what a code stands for, with
// elfdiff.Options.Accept. It takes CODE:SYMBOL too.
func (c Code) CanAccept() bool {
	code, symbol, narrow := strings.Cut(string(c), ":")
	return codes[Code(code)].accept != "" && narrow == (symbol != "")
}

// accepts reports whether what a person wrote, CODE or CODE:SYMBOL, accepts a
// finding.
func (c Code) accepts(f *Finding) bool {
	if c == f.Code {
		return true
	}
	code, symbol, narrow := strings.Cut(string(c), ":")
	return narrow && Code(code) == f.Code && symbol == f.Symbol
}

// AcceptedBy takes responsibility for a finding that needs judgement, where one of
// the codes is about it, as elfdiff.Options.Accept does. It reports whether the finding
// stands in no update's way.
func (f *Finding) AcceptedBy(accept []Code) bool {
	if f.Severity == NeedsJudgement && slices.ContainsFunc(accept, func(c Code) bool { return c.accepts(f) }) {
		f.Accepted = true
	}
	return f.Severity < NeedsJudgement || f.Accepted
}
