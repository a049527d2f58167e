package amd64

import "encoding/binary"

// Relocate appends to dst the first instruction of b, which stands at from,
// re-encoded so that it does the same at to, and returns the extended slice.
// Branches keep their absolute target and RIP-relative operands their absolute
// address:
//
//	jmp rel8, jcc rel8   become the rel32 forms
//	loop, jrcxz          become three instructions that change no flags:
//	                         loop 1f; jmp 2f; 1: jmp target; 2:
//	call                 stays a call; the return address it pushes is behind
//	                     the new place
//	everything else      is copied, with its displacement adjusted
//
// Prefixes are kept. So the result may be longer than the original, by 7 bytes
// at most. The target of a branch is taken as it is: if it lies in
// the bytes that are about to be overwritten, the caller has to know.
//
// The errors are those of [Decode], and a [ReachError] when the displacement
// does not fit from the new place; dst is returned unchanged then.
func Relocate(dst []byte, b []byte, from, to uint64) ([]byte, error) {
	in, err := Decode(b)
	if err != nil {
		return dst, err
	}
	b = b[:in.Len]
	switch {
	case in.PCRelLen == 0:
		return append(dst, b...), nil
	case in.IsRIPRelative():
		return relocateOperand(dst, b, in, from, to)
	}
	target, _ := in.Target(b, from)
	fail := &ReachError{What: branchNames[in.Class], From: to, To: target}
	switch {
	case in.Class == LoopCC:
		return relocateLoop(dst, b, to, target, fail)
	case in.PCRelLen == 1:
		return relocateShort(dst, b, in, to, target, fail)
	}
	d, ok := rel32(to+uint64(in.Len), target)
	if !ok {
		return dst, fail
	}
	return appendPatched(dst, b, in.PCRelOff, d), nil
}

var branchNames = [numClasses]string{
	Jump: "jmp", Jcc: "jcc", LoopCC: "loop", Call: "call", TxBegin: "xbegin",
}

func relocateOperand(dst, b []byte, in Inst, from, to uint64) ([]byte, error) {
	old := le32(b[in.PCRelOff:])
	if in.Prefixes.Has(PrefixAddrSize) {
		// The sum is cut off at 32 bits, so that it can always be kept.
		return appendPatched(dst, b, in.PCRelOff, old+uint32(from)-uint32(to)), nil
	}
	operand, _ := in.Operand(b, from)
	d, ok := rel32(to+uint64(in.Len), operand)
	if !ok {
		return dst, &ReachError{What: "rip-relative operand", From: to, To: operand}
	}
	return appendPatched(dst, b, in.PCRelOff, d), nil
}

// relocateShort widens jmp and jcc:
//
//	[prefixes] eb d8  ->  [prefixes] e9 d32
//	[prefixes] 7x d8  ->  [prefixes] 0f 8x d32
func relocateShort(dst, b []byte, in Inst, to, target uint64, fail error) ([]byte, error) {
	size := uint64(in.OpOff) + NearSize(in.Class)
	d, ok := rel32(to+size, target)
	if !ok || size > MaxLen {
		return dst, fail
	}
	return AppendNear(dst, b, in, d), nil
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

// relocateLoop rewrites the branches that have no long form:
//
//	[prefixes] e0..e3 02    loop 1f
//	eb 05                   jmp 2f
//	e9 d32               1: jmp target
//	                     2:
func relocateLoop(dst, b []byte, to, target uint64, fail error) ([]byte, error) {
	size := uint64(len(b)) + 7
	d, ok := rel32(to+size, target)
	if !ok {
		return dst, fail
	}
	dst = append(dst, b[:len(b)-1]...)
	dst = append(dst, 0x02, 0xeb, 0x05, 0xe9)
	return binary.LittleEndian.AppendUint32(dst, d), nil
}

// appendPatched appends b with the four bytes at off replaced by d.
func appendPatched(dst, b []byte, off uint8, d uint32) []byte {
	dst = append(dst, b...)
	binary.LittleEndian.PutUint32(dst[len(dst)-len(b)+int(off):], d)
	return dst
}
