package finding

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/visible"
)

// ErrRefused is what every refusal of every package is: errors.Is finds it in a
// [*Refusal], a [*RefusedError], and whatever wraps one.
var ErrRefused = errors.New("refused")

// A Refusal is a finding that is an error: it says why a change can't be carried, or an
// update not be built, linked, applied or reverted: not at all, or, by its Severity, not
// until a person accepts what comes of it. Nothing was changed when it is returned.
type Refusal struct {
	Finding
	Err error // the cause, or nil
}

// Refuse makes a refusal of severity [Refused]. The hint is that of the table of codes of
// this package, if the code is in it; packages with codes of their own set theirs.
func Refuse(code Code, symbol, section string, offset uint64, format string, args ...any) *Refusal {
	f := Finding{Code: code, Severity: Refused, Symbol: symbol, Section: section, Offset: offset}
	f.Message, f.Hint = fmt.Sprintf(format, args...), codes[code].hint
	return &Refusal{Finding: f}
}

// refusalJSON is a refusal in JSON: the cause is its text.
type refusalJSON struct {
	Finding
	Cause string `json:"cause,omitempty"`
}

// MarshalJSON writes the finding, with the text of the cause as "cause" where there is one.
func (r Refusal) MarshalJSON() ([]byte, error) {
	return json.Marshal(refusalJSON{r.Finding, causeText(r.Err)})
}

// UnmarshalJSON reads what MarshalJSON writes. Of the cause it is the text that comes back.
func (r *Refusal) UnmarshalJSON(b []byte) error {
	var j refusalJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*r = Refusal{Finding: j.Finding}
	if j.Cause != "" {
		r.Err = errors.New(j.Cause)
	}
	return nil
}

// Error returns the refusal on one line, without the hint.
func (r *Refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "refused (%s): ", r.Code)
	if r.Symbol != "" {
		fmt.Fprintf(&b, "%s: ", r.Symbol)
	}
	b.WriteString(r.Message)
	if r.Section != "" {
		fmt.Fprintf(&b, " (%s, %#x)", r.Section, r.Offset)
	}
	text := visible.Text(b.String())
	if cause := causeText(r.Err); cause != "" {
		text += ": " + cause
	}
	return text
}

// Text returns the message with its cause, for those who show the code, the symbol
// and the place beside it.
func (r *Refusal) Text() string {
	if cause := causeText(r.Err); cause != "" {
		return r.Message + ": " + cause
	}
	return r.Message
}

// causeText is the text of a cause. One that is a refusal too has its code and symbol
// left out: that it is refused is said already.
func causeText(err error) string {
	if r, ok := err.(*Refusal); ok {
		return r.Text()
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// Is makes the refusal an [ErrRefused], and its [Code].
func (r *Refusal) Is(target error) bool { return target == ErrRefused || target == r.Code }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// RefusedError lists all the refusals of a diff. It is [ErrRefused].
type RefusedError struct{ Refusals []Refusal }

// Error returns the first refusal, and how many more there are.
func (e *RefusedError) Error() string {
	if len(e.Refusals) == 0 {
		return "refused"
	}
	s := "refused: " + e.Refusals[0].String()
	if n := len(e.Refusals) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// Is makes the error an [ErrRefused], and the [Code] of each of its refusals.
func (e *RefusedError) Is(target error) bool {
	return target == ErrRefused || slices.ContainsFunc(e.Refusals, func(r Refusal) bool { return target == r.Code })
}

// Unwrap returns the refusals.
func (e *RefusedError) Unwrap() []error {
	list := make([]error, len(e.Refusals))
	for i := range e.Refusals {
		list[i] = &e.Refusals[i]
	}
	return list
}

// Refusals lists the refusals in a tree of errors, outer before inner ones, and what an
// error joins in its order. The cause of a refusal is part of that, and not listed.
func Refusals(err error) []*Refusal {
	switch e := err.(type) {
	case nil:
	case *Refusal:
		return []*Refusal{e}
	case interface{ Unwrap() []error }:
		var list []*Refusal
		for _, x := range e.Unwrap() {
			list = append(list, Refusals(x)...)
		}
		return list
	case interface{ Unwrap() error }:
		return Refusals(e.Unwrap())
	}
	return nil
}
