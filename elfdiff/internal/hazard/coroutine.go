package hazard

import (
	"bytes"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// AlikeButConstants reports whether the code of two functions differs in constants alone that instructions take into
// registers, or calculate registers with, and in what they call: what it finds in memory, and where, is the same.
func AlikeButConstants(pre, post *object.Object, p, q object.AtomID) bool {
	a, b := &pre.Atoms[p], &post.Atoms[q]
	if a.Size != b.Size || len(a.Refs) != len(b.Refs) {
		return false
	}
	for at := 0; at < len(a.Bytes) && at < len(b.Bytes); {
		x, err := amd64.Decode(a.Bytes[at:])
		y, other := amd64.Decode(b.Bytes[at:])
		if err != nil || other != nil || x != y {
			return false
		}
		n := int(x.Len)
		if !bytes.Equal(a.Bytes[at:at+n], b.Bytes[at:at+n]) && !constantDiffers(a.Bytes[at:at+n], b.Bytes[at:at+n], x) {
			return false
		}
		at += n
	}
	return true
}

// constantDiffers reports whether two instructions of one shape differ in an immediate that goes into a register.
func constantDiffers(a, b []byte, in amd64.Inst) bool {
	const compare, group1 = 7, 0x80 // CMP of group 1: what is compared may be a place to go on at
	op := a[in.OpOff]
	if r := in.Operands(a); in.ImmLen == 0 || r.Memory || op&0xfc == group1 && r.Reg&7 == compare || op == 0x3c || op == 0x3d {
		return false
	}
	from, to := int(in.ImmOff), int(in.ImmOff+in.ImmLen)
	return bytes.Equal(a[:from], b[:from]) && bytes.Equal(a[to:], b[to:])
}
