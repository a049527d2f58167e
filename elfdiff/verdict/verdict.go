// Package verdict has the forms in which a comparison of two objects says what it decided:
// the verdict on a function or data object, by which rule pre and post were paired, and
// the reasons.
package verdict

import (
	"encoding/json"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/internal/words"
)

// Status is the verdict on one function or data object.
type Status uint8

// The verdicts.
const (
	Same    Status = iota // nothing but incidental differences
	Changed               // really different
	New                   // only in post
	Removed               // only in pre
)

var statusNames = [...]string{"same", "changed", "new", "removed"}

// String returns the status in lower case.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// MarshalText makes a Status a word in JSON.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word of a Status.
func (s *Status) UnmarshalText(b []byte) error { return words.Parse(s, b, statusNames[:], "status") }

// ReasonCode says in one stable word why something counts as changed, or what
// differs without being a change.
type ReasonCode string

// The reasons for a change, and the incidental differences.
const (
	ReasonInstruction ReasonCode = "instruction" // another instruction or operand
	ReasonLength      ReasonCode = "length"      // one of the two goes on where the other ends
	ReasonTarget      ReasonCode = "target"      // a branch leads to another place
	ReasonReference   ReasonCode = "reference"   // a relocation means another symbol, offset or type
	ReasonString      ReasonCode = "string"      // the text of a string literal
	ReasonConstant    ReasonCode = "constant"    // the content of a constant that the code refers to
	ReasonBytes       ReasonCode = "bytes"       // the content of a data object
	ReasonSize        ReasonCode = "size"        // the size of a data object
	ReasonKind        ReasonCode = "kind"        // writable data became read-only, or the like
	ReasonCold        ReasonCode = "cold"        // its cold part changed
	ReasonParent      ReasonCode = "parent"      // a cold part goes with its parent
	ReasonException   ReasonCode = "exception"   // its exception table

	ReasonLine    ReasonCode = "line"    // incidental: a line number
	ReasonPadding ReasonCode = "padding" // incidental: more or fewer bytes of nops
	ReasonNops    ReasonCode = "nops"    // incidental: as many bytes of other nops
	ReasonJump    ReasonCode = "jump"    // incidental: a short jump for a near one, or the reverse
)

// Reason explains a verdict by the first place at which pre and post differ.
type Reason struct {
	Code ReasonCode `json:"code"`
	// PreOffset and PostOffset are the places, in bytes from the starts of the
	// atoms.
	PreOffset  uint64 `json:"pre_offset"`
	PostOffset uint64 `json:"post_offset"`
	// PreText and PostText show what stands there: an instruction with its
	// references by name, a string, bytes.
	PreText  string `json:"pre"`
	PostText string `json:"post"`
	// Detail says more where the texts do not.
	Detail string `json:"detail"`
}

// String returns the reason on one line.
func (r Reason) String() string {
	s := string(r.Code)
	if r.PreText != "" || r.PostText != "" {
		s += fmt.Sprintf(" at +%#x/+%#x: %s -> %s", r.PreOffset, r.PostOffset, r.PreText, r.PostText)
	}
	if r.Detail != "" {
		s += ": " + r.Detail
	}
	return visible.Text(s)
}

// Change is the verdict on one function or data object.
type Change struct {
	Name    string        `json:"name"`
	Kind    object.Kind   `json:"kind"`
	Pre     object.AtomID `json:"pre"`  // object.NoAtom for what is new
	Post    object.AtomID `json:"post"` // object.NoAtom for what was removed
	Status  Status        `json:"status"`
	Rule    Rule          `json:"rule"`    // by which pre and post were paired
	Reasons []Reason      `json:"reasons"` // of a change; the first is the first difference
	// Incidental lists differences that were found, and proven to be none.
	Incidental []Reason `json:"incidental"`
}

// MarshalJSON writes the change with lists that are never null.
func (ch Change) MarshalJSON() ([]byte, error) {
	type plain Change
	p := plain(ch)
	if p.Reasons == nil {
		p.Reasons = []Reason{}
	}
	if p.Incidental == nil {
		p.Incidental = []Reason{}
	}
	return json.Marshal(p)
}

// Rule says by which rung of the ladder two atoms were paired.
type Rule string

// The rungs, from certain to weak. Each exists for a kind of symbol:
//
//	global    main: there is only one
//	section   parse (static): same name, file and section
//	file      parse (static), which moved to another section
//	local     parse (static) in a file that was renamed
//	stem      count.0 and count.3: the only one of that stem in the file
//	scope     key.1 and key.3: the only ones of that type in one function, by debug information
//	use       key.1 and key.2 in two functions: paired by who uses them
//	content   table.0 and table.1: the only ones with that content
//	place     data without a name: by its place among the nameless of a section
//	order     what is left of one stem when both sides have as many
const (
	RuleNone    Rule = ""
	RuleGlobal  Rule = "global"
	RuleSection Rule = "section"
	RuleFile    Rule = "file"
	RuleLocal   Rule = "local"
	RuleStem    Rule = "stem"
	RuleScope   Rule = "scope"
	RuleUse     Rule = "use"
	RuleContent Rule = "content"
	RulePlace   Rule = "place"
	RuleOrder   Rule = "order"
)
