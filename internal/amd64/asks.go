package amd64

import "encoding/binary"

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

// Where [JccRel32] has its displacement, and its size, bytes.
const (
	JccRel32Disp = 2
	JccRel32Size = 6
)

// Conditions of [JccRel32] behind [CmpZero].
const (
	CondZero    Cond = 4
	CondNotZero Cond = 5
)

// JccRel32 returns the near branch that, standing at from, goes to to where the condition holds; to
// has to be within 2 GiB:
//
//	0f 8c d32    jcc to
func JccRel32(c Cond, from, to uint64) [JccRel32Size]byte {
	b := [JccRel32Size]byte{0x0f, 0x80 | byte(c)}
	binary.LittleEndian.PutUint32(b[JccRel32Disp:], uint32(to-from-JccRel32Size))
	return b
}

// NearSize is how long the near form of a short jmp or jcc is, bytes, without its prefixes.
func NearSize(c Class) uint64 {
	if c == Jcc {
		return JccRel32Size
	}
	return JmpRel32Size
}

// AppendNear appends the near form of a short jmp or jcc, with its prefixes and another displacement.
func AppendNear(dst, b []byte, in Inst, d uint32) []byte {
	dst = append(dst, b[:in.OpOff]...)
	if in.Class == Jcc {
		dst = append(dst, 0x0f, 0x80|byte(in.Cond))
	} else {
		dst = append(dst, 0xe9)
	}
	return binary.LittleEndian.AppendUint32(dst, d)
}
