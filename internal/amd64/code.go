package amd64

// Decodes reports whether code decodes to its end.
func Decodes(code []byte) bool {
	for len(code) > 0 {
		in, err := Decode(code)
		if err != nil {
			return false
		}
		code = code[in.Len:]
	}
	return true
}

// PCRelTarget returns what the PC-relative field of an instruction at pc leads
// to: the target of a branch or the address of an operand.
func PCRelTarget(in Inst, b []byte, pc uint64) (uint64, bool) {
	if in.IsBranch() {
		return in.Target(b, pc)
	}
	return in.Operand(b, pc)
}

// IsPadding reports whether b is nothing but nops, traps and zeros, as
// assemblers and linkers fill code with.
func IsPadding(b []byte) bool {
	for len(b) > 0 {
		n := NopLen(b)
		if n == 0 && (b[0] == 0xcc || b[0] == 0) {
			n = 1
		}
		if n == 0 {
			return false
		}
		b = b[n:]
	}
	return true
}
