package reloc

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/words"
)

// MarshalText makes a Verdict a word in JSON.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the word of a Verdict.
func (v *Verdict) UnmarshalText(b []byte) error {
	return words.Parse(v, b, verdictNames[:], "verdict")
}

// MarshalText makes an Evidence a word in JSON.
func (e Evidence) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads the word of an Evidence.
func (e *Evidence) UnmarshalText(b []byte) error {
	return words.Parse(e, b, evidenceNames[:], "evidence")
}

// MarshalText makes a Reason a word in JSON.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the word of a Reason.
func (r *Reason) UnmarshalText(b []byte) error {
	return words.Parse(r, b, reasonNames[:], "reason of a mismatch")
}

var useNames = [...]string{"address", "plt", "got", "tpoff", "tls", "tlsslot"} // by bit

// String returns the words of the set, in the order of the constants, with commas
// between them: "address,got".
func (u Use) String() string {
	var list []string
	for i, name := range useNames {
		if u&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return strings.Join(list, ",")
}

// MarshalText makes a Use its words in JSON.
func (u Use) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText reads what String returns.
func (u *Use) UnmarshalText(b []byte) error {
	*u = 0
	if len(b) == 0 {
		return nil
	}
	for name := range strings.SplitSeq(string(b), ",") {
		i := slices.Index(useNames[:], name)
		if i < 0 {
			return fmt.Errorf("no use of a symbol: %.64q", name)
		}
		*u |= 1 << i
	}
	return nil
}
