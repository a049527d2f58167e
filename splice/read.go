package splice

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ErrUpdateFormat is wrapped by the error for a stored update of a format that
// this package does not know, and ErrUpdateDamaged by that for one that is damaged:
// what it says is not what [Update.WriteTo] writes, or does not fit together.
var (
	ErrUpdateFormat  = errors.New("not a format of stored updates that is known here")
	ErrUpdateDamaged = errors.New("damaged update")
)

// MaxUpdate bounds a stored update, in bytes.
const MaxUpdate = 256 << 20

const (
	// partSize is no more than what WriteTo takes for a part, an object or an
	// element of JSON; partsFree is how many there may be in any case.
	partSize  = 8
	partsFree = 1 << 10
	// findingSize is no more than what WriteTo takes for a finding.
	findingSize = 100
)

// ReadUpdate reads what WriteTo wrote. It checks that the parts fit together,
// that the objects in it have the bytes that they speak of, and that the ID is that
// of the update where one is stored; not that the code in it is good. The error
// wraps [ErrUpdateFormat] or [ErrUpdateDamaged], or is that of r.
//
// An update takes up to eight times the memory of its text; one of more than
// [MaxUpdate] bytes is refused.
func ReadUpdate(r io.Reader) (*Update, error) {
	if r == nil {
		return nil, errors.New("read update: nothing is given")
	}
	b, err := io.ReadAll(io.LimitReader(r, MaxUpdate+1))
	if err != nil {
		return nil, fmt.Errorf("read update: %w", err)
	}
	u, err := parseUpdate(b)
	if err != nil {
		return nil, fmt.Errorf("read update: %w", err)
	}
	if err := u.Check(); err != nil {
		return nil, err
	}
	return u, nil
}

// parseUpdate reads JSON.
func parseUpdate(b []byte) (*Update, error) {
	if len(b) > MaxUpdate {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrUpdateDamaged, MaxUpdate)
	}
	// A part takes more memory than text: many of nothing are not what WriteTo wrote.
	if n := max(bytes.Count(b, []byte("{")), bytes.Count(b, []byte(","))); n > len(b)/partSize+partsFree {
		return nil, fmt.Errorf("%w: %d parts in %d bytes", ErrUpdateDamaged, n, len(b))
	}
	var head struct {
		Format   *int            `json:"format"`
		Accepted json.RawMessage `json:"accepted"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUpdateDamaged, err)
	}
	if head.Format == nil || !knownFormat(*head.Format) {
		return nil, formatError(head.Format)
	}
	if n := bytes.Count(head.Accepted, []byte("{")); n > len(head.Accepted)/findingSize {
		return nil, fmt.Errorf("%w: %d findings in %d bytes", ErrUpdateDamaged, n, len(head.Accepted))
	}
	u := storedUpdate{Update: new(Update)}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&u); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUpdateDamaged, err)
	}
	if is := u.Update.ID(); u.ID != "" && u.ID != is {
		return nil, fmt.Errorf("%w: its ID is %s, and it says %.64q", ErrUpdateDamaged, is, u.ID)
	}
	return u.Update, nil
}

func knownFormat(n int) bool { return n == UpdateFormat || n == PadsFormat }

func formatError(format *int) error {
	if format == nil {
		return fmt.Errorf("%w: it names none", ErrUpdateFormat)
	}
	return fmt.Errorf("%w: it is %d, not %d or %d", ErrUpdateFormat, *format, UpdateFormat, PadsFormat)
}
