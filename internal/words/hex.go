package words

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
)

// An Address is an address, or an offset, in JSON.
type Address uint64

// MarshalText writes it as 0x13a0, since numbers in JSON lose precision.
func (a Address) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%#x", uint64(a)), nil }

// UnmarshalText reads what MarshalText writes.
func (a *Address) UnmarshalText(b []byte) error {
	v, err := strconv.ParseUint(string(b), 0, 64)
	*a = Address(v)
	return err
}

// Octets are bytes in JSON: in hexadecimal with spaces between them.
type Octets []byte

// MarshalText writes "e9 5b".
func (o Octets) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "% x", []byte(o)), nil }

// UnmarshalText reads what MarshalText writes.
func (o *Octets) UnmarshalText(b []byte) (err error) {
	*o, err = hex.DecodeString(string(bytes.ReplaceAll(b, []byte(" "), nil)))
	return err
}
