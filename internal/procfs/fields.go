package procfs

import "bytes"

// fields cuts a line into fields. The first failure wins; later calls return
// zero values, so that one check at the end is enough.
type fields struct {
	rest []byte
	bad  string
}

// until returns the bytes before the separator and skips both. The last field
// of a line needs no separator.
func (f *fields) until(sep byte) []byte {
	if f.bad != "" {
		return nil
	}
	i := bytes.IndexByte(f.rest, sep)
	if i < 0 {
		field := f.rest
		f.rest = nil
		return field
	}
	field := f.rest[:i]
	f.rest = f.rest[i+1:]
	return field
}

func (f *fields) hex(sep byte) uint64 { return f.number(16, 64, sep) }

// number parses an unsigned number that fits in bits. It takes bytes, so that
// a line costs no allocation.
func (f *fields) number(base, bits uint64, sep byte) uint64 {
	n, ok := parseUint(f.until(sep), base, bits)
	if !ok && f.bad == "" {
		f.bad = "bad number"
	}
	return n
}

func parseUint(b []byte, base, bits uint64) (uint64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	limit := ^uint64(0) >> (64 - bits)
	n := uint64(0)
	for _, c := range b {
		d := digit(c)
		if d >= base || n > (limit-d)/base {
			return 0, false
		}
		n = n*base + d
	}
	return n, true
}

// digit returns the value of a lower-case digit, 255 for any other byte.
func digit(c byte) uint64 {
	switch {
	case '0' <= c && c <= '9':
		return uint64(c - '0')
	case 'a' <= c && c <= 'f':
		return uint64(c-'a') + 10
	}
	return 255
}
