package listing

import "github.com/gosplice/gosplice/internal/words"

var markNames = [...]string{"same", "incidental", "changed", "pre", "post", "cut"}

// MarshalText makes a Mark a word in JSON: same, incidental, changed, pre, post or cut.
func (m Mark) MarshalText() ([]byte, error) {
	if int(m) < len(markNames) {
		return []byte(markNames[m]), nil
	}
	return []byte(m.String()), nil
}

// UnmarshalText reads the word of a Mark.
func (m *Mark) UnmarshalText(b []byte) error { return words.Parse(m, b, markNames[:], "mark") }
