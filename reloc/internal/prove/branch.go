package prove

import "github.com/gosplice/gosplice/internal/amd64"

// csPrefix fills up a branch to a thunk (-mindirect-branch-cs-prefix of gcc).
const csPrefix = 0x2e

// branchAt returns the extent of the branch whose 4-byte displacement is at an
// offset of a function's code, with its prefix.
func branchAt(code []byte, field uint64) (off, size uint64, ok bool) {
	switch {
	case field > uint64(len(code)):
		return 0, 0, false
	case field >= 1 && (code[field-1] == 0xe8 || code[field-1] == 0xe9):
		off = field - 1
	case field >= 2 && code[field-2] == 0x0f && code[field-1]&0xf0 == 0x80:
		off = field - 2
	default:
		return 0, 0, false
	}
	if off >= 1 && code[off-1] == csPrefix && startsAt(code, off-1) {
		off--
	}
	return off, field + 4 - off, true
}

// startsAt reports whether an instruction of a function starts at an offset: the byte
// there may be the end of another, such as that of a short jump by so many bytes.
func startsAt(code []byte, off uint64) bool {
	at := uint64(0)
	for at < off {
		in, err := amd64.Decode(code[at:])
		if err != nil {
			at++ // instructions find back to each other behind what is none
			continue
		}
		at += uint64(in.Len)
	}
	return at == off
}
