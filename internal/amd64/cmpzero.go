package amd64

// Where [CmpZero] has its displacement, and its size, bytes.
const (
	CmpZeroDisp = 2
	CmpZeroSize = 7
)

// CmpZero compares the four bytes at a place within 2 GiB with 0. The displacement counts from the
// end, five bytes behind its own start, and is for a relocation:
//
//	83 3d d32 00    cmpl $0x0, d32(%rip)
func CmpZero() [CmpZeroSize]byte { return [CmpZeroSize]byte{0x83, 0x3d} }
