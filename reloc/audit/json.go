package audit

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
)

// Schema is the version of the JSON of a [Report]. Keys may be added to a version.
const Schema = 1

// findingJSON is a Finding in JSON: addresses and offsets are strings such as "0x13a0",
// since numbers in JSON lose precision; bytes are in hexadecimal with spaces between
// them.
type findingJSON struct {
	At     string `json:"at"`
	Symbol string `json:"symbol,omitempty"`
	Offset string `json:"offset"`
	Linked string `json:"linked"`
	Run    string `json:"run"`
}

// MarshalJSON writes the finding with addresses and offsets as strings such as
// "0x13a0", and bytes in hexadecimal.
func (f Finding) MarshalJSON() ([]byte, error) {
	return json.Marshal(findingJSON{
		fmt.Sprintf("%#x", f.Addr), f.Symbol, fmt.Sprintf("%#x", f.Offset), fmt.Sprintf("% x", f.Linked), fmt.Sprintf("% x", f.Run),
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *Finding) UnmarshalJSON(b []byte) error {
	var j findingJSON
	err := json.Unmarshal(b, &j)
	out := Finding{Symbol: j.Symbol}
	for _, x := range []struct {
		to   *uint64
		from string
	}{{&out.Addr, j.At}, {&out.Offset, j.Offset}} {
		if err == nil {
			*x.to, err = strconv.ParseUint(x.from, 0, 64)
		}
	}
	for _, x := range []struct {
		to   *[]byte
		from string
	}{{&out.Linked, j.Linked}, {&out.Run, j.Run}} {
		if err == nil {
			*x.to, err = hex.DecodeString(string(bytes.ReplaceAll([]byte(x.from), []byte(" "), nil)))
		}
	}
	if err != nil {
		return fmt.Errorf("a finding of an audit: %w", err)
	}
	*f = out
	return nil
}
