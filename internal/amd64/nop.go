package amd64

// NopLen returns how many bytes at the start of b are padding that executes as
// nothing: NOP instructions of every form that gas, gcc, clang and the kernel
// emit, one after the other. These are 90 and 0f 1f /0 with any operand and
// with any prefixes (`66 90`, `66 66 2e 0f 1f 84 00 ...`), and the older
// `lea 0(%rsi),%rsi` family. Fillers that are not executed (int3, or a jmp over
// them) are not counted. An instruction that is cut off is not counted.
func NopLen(b []byte) int {
	n := 0
	for n < len(b) {
		if b[n] == 0x90 { // by far the most frequent
			n++
			continue
		}
		in, err := Decode(b[n:])
		if err != nil || !isPadding(in, b[n:]) {
			break
		}
		n += int(in.Len)
	}
	return n
}

// isPadding tells whether the instruction b starts with is one of the forms
// that NopLen counts. The hint NOPs other than 0f 1f are not: nobody pads with
// them, and some have been given a meaning since.
func isPadding(in Inst, b []byte) bool {
	switch in.Opcode {
	case opcode(MapOne, 0x90), opcode(Map0F, 0x1f):
		return in.Class == Nop && !in.Prefixes.Has(PrefixLock)
	case opcode(MapOne, 0x8d):
		return isNopLea(in, b)
	}
	return false
}

// isNopLea tells whether a lea computes its destination from the destination
// alone, plus 0, in 64 bits.
func isNopLea(in Inst, b []byte) bool {
	if in.Prefixes&^PrefixSegOld != PrefixREX|PrefixREXW || in.IsRIPRelative() {
		return false
	}
	for _, c := range b[in.DispOff : in.DispOff+in.DispLen] {
		if c != 0 {
			return false
		}
	}
	rex, c := b[in.OpOff-1], b[in.ModRMOff]
	reg := c>>3&7 | rex<<1&8
	base := c&7 | rex<<3&8
	if c&7 == 4 { // SIB: without an index, and with a base
		sib := b[in.ModRMOff+1]
		if sib>>3&7|rex<<2&8 != 4 || sib&7 == 5 && c>>6 == 0 {
			return false
		}
		base = sib&7 | rex<<3&8
	}
	return reg == base
}
