package amd64

import (
	"encoding/binary"
	"math"
	"slices"
)

// Instructions of one byte that fill room: FillNop is for where execution passes, FillInt3 for
// where it must not.
const (
	FillNop  = 0x90
	FillInt3 = 0xcc
)

// EndbrSize is the size of ENDBR64, bytes.
const EndbrSize = 4

// Endbr64 is what an indirect branch may lead to with CET.
const Endbr64 = "\xf3\x0f\x1e\xfa"

// sealed is what the kernel makes of an ENDBR64 that nothing may branch to
// (arch/x86/include/asm/ibt.h, gen_endbr_poison).
var sealed = [...]string{
	"\x66\x0f\x1f\x00", // nopw (%rax)
	"\x0f\x1f\x40\xd6", // nopl -42(%rax), since 6.15
}

// IsSealed reports whether code is the poison that an ENDBR64 becomes which nothing may branch to.
func IsSealed(b []byte) bool { return slices.Contains(sealed[:], string(b)) }

// EndbrLen returns the length of the ENDBR64 that code begins with, sealed or not, in bytes: 0 or
// [EndbrSize].
func EndbrLen(b []byte) int {
	if len(b) >= EndbrSize && (string(b[:EndbrSize]) == Endbr64 || IsSealed(b[:EndbrSize])) {
		return EndbrSize
	}
	return 0
}

// JmpRel32Size is the size of [JmpRel32], bytes.
const JmpRel32Size = 5

// JmpRel32 returns the near jump that, standing at from, goes to to, or a
// [ReachError] when that is further than 2 GiB away:
//
//	e9 d32    jmp to
func JmpRel32(from, to uint64) ([5]byte, error) {
	d, ok := rel32(from+5, to)
	if !ok {
		return [5]byte{}, &ReachError{What: "jmp", From: from, To: to}
	}
	b := [5]byte{0xe9}
	binary.LittleEndian.PutUint32(b[1:], d)
	return b, nil
}

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

// JmpRel8Size is the size of [JmpRel8], bytes.
const JmpRel8Size = 2

// JmpRel8 returns the short jump that, standing at from, goes to to. It is false when that
// is out of reach, 128 bytes:
//
//	eb d8    jmp to
func JmpRel8(from, to uint64) (b [JmpRel8Size]byte, ok bool) {
	d := int64(to - from - JmpRel8Size)
	return [JmpRel8Size]byte{0xeb, byte(d)}, d >= math.MinInt8 && d <= math.MaxInt8
}

// JmpSlotSize is the size of [JmpSlot], bytes.
const JmpSlotSize = 6

// JmpSlot returns the jump that, standing at from, goes to the address that is kept in
// slot, which has to be within 2 GiB:
//
//	ff 25 d32    jmp *slot(%rip)
func JmpSlot(from, slot uint64) [JmpSlotSize]byte {
	b := [JmpSlotSize]byte{0xff, 0x25}
	binary.LittleEndian.PutUint32(b[2:], uint32(slot-from-JmpSlotSize))
	return b
}

// JmpAbs64 returns a jump that reaches every address from everywhere and
// changes no register; the address follows the instruction as data:
//
//	ff 25 00 00 00 00    jmp *0x0(%rip)
//	d64                  .quad to
func JmpAbs64(to uint64) [14]byte {
	b := [14]byte{0xff, 0x25}
	binary.LittleEndian.PutUint64(b[6:], to)
	return b
}

// rel32 returns the displacement from the end of an instruction to its target.
// Addresses wrap: the top of the address space is next to 0.
func rel32(end, to uint64) (uint32, bool) {
	d := int64(to - end)
	return uint32(d), d >= math.MinInt32 && d <= math.MaxInt32
}
