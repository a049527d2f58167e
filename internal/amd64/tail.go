package amd64

// A tail says what follows the displacement of a RIP-relative operand whose
// ModRM byte stands behind an opcode byte, in the two legacy maps.
type tail struct{ one, two int8 } // bytes, or one of these

const (
	tailNone    = -1 // the opcode has no ModRM byte, or does not exist
	tailUnknown = -2 // it depends on more than the opcode and the ModRM byte
	tailZ       = 4  // immZ: 4 unless there is a prefix 66
)

// tails is by opcode byte.
var tails = func() (t [256]tail) {
	for op := range t {
		t[op] = tail{tailOf(formsOne[op]), tailOf(forms0F[op])}
	}
	return t
}()

func tailOf(f form) int8 {
	if f&modrm == 0 {
		return tailNone
	}
	switch f & immMask {
	case immNone:
		return 0
	case immB:
		return 1
	case immZ:
		return tailZ
	}
	return tailUnknown
}

// A PCRelField is what is known of the instruction around a PC-relative field.
type PCRelField struct {
	Tail    int  // bytes from the start of the field to the end of the instruction
	Operand bool // a RIP-relative operand, not a branch
	Op      byte // the opcode byte, of an operand
}

// PCRelTail tells what the bytes in front of a PC-relative field of four bytes
// at b[off] say about its instruction, without a look at where that starts.
// b has to begin at the start of some instruction in front of the field
// or of its own. ok is false when the bytes could be read in more than one way.
//
// The byte in front of a RIP-relative field is a ModRM byte with mod 0 and r/m
// 5, which no opcode of a direct branch looks like. The one before is an opcode
// byte. Which map it is of, the bytes in front of it tell, but 0F may also be
// the end of another instruction: both maps have to agree then.
func PCRelTail(b []byte, off int) (f PCRelField, ok bool) {
	if off < 1 || off > len(b) {
		return PCRelField{}, false
	}
	back := func(i int) byte { // the byte i in front of the field
		if i > off {
			return 0
		}
		return b[off-i]
	}
	last, op := back(1), back(2)
	switch {
	case last == 0xe8 || last == 0xe9 || op == 0x0f && last&0xf0 == 0x80:
		return PCRelField{Tail: 4}, true
	case last&0xc7 != 0x05 || off < 2:
		return PCRelField{}, false
	}
	first := 3 // of what stands in front of the opcode
	t := tails[op].one
	if back(3) == 0x0f {
		first = 4
		two := tails[op].two
		if t != tailNone && t != two {
			return PCRelField{}, false
		}
		t = two
	}
	if t < 0 || vectorBefore(back) {
		return PCRelField{}, false
	}
	if t == tailZ {
		for i := first; i <= off && (legacyPrefix[back(i)] != 0 || back(i)&0xf0 == 0x40); i++ {
			if back(i) == 0x66 {
				return PCRelField{}, false
			}
		}
	}
	return PCRelField{4 + int(t), true, op}, true
}

// vectorBefore reports whether the opcode byte may be one of another map than
// the two legacy ones: back(2) is the opcode byte.
func vectorBefore(back func(int) byte) bool {
	switch back(4) {
	case 0x0f: // 0F 38 and 0F 3A
		if back(3) == 0x38 || back(3) == 0x3a {
			return true
		}
	case 0xc5, 0xd5: // VEX of two bytes, REX2
		return true
	}
	return back(5) == 0xc4 || back(5) == 0x8f || back(6) == 0x62
}

// fieldBehind says what PC-relative field may start behind a byte of code.
type fieldBehind uint8

const (
	fieldNone    fieldBehind = iota
	fieldRel8                // an opcode with a displacement of one byte
	fieldRel32               // an opcode with one of four
	fieldJcc                 // the same when 0F stands in front
	fieldXbegin              // the same when C7 stands in front
	fieldOperand             // ModRM with mod 0 and r/m 5, in every map
)

// fieldsBehind is by the byte in front of the field.
var fieldsBehind = func() (t [256]fieldBehind) {
	for b := range t {
		switch {
		case b&0xf0 == 0x70 || b&0xfc == 0xe0 || b == 0xeb:
			t[b] = fieldRel8
		case b == 0xe8 || b == 0xe9:
			t[b] = fieldRel32
		case b&0xf0 == 0x80:
			t[b] = fieldJcc
		case b == 0xf8:
			t[b] = fieldXbegin
		case b&0xc7 == 0x05:
			t[b] = fieldOperand
		}
	}
	return t
}()

// MayLeave reports whether any PC-relative field in code leads out of it, as it
// stands there. It does not know where instructions start, and takes every byte
// for one that may be in front of a field: false is certain, true is not.
func MayLeave(code []byte) bool {
	const maxImm = 4 // bytes between a RIP-relative field and the end of its instruction
	n := int64(len(code))
	for i, b := range code {
		kind := fieldsBehind[b]
		if kind == fieldNone {
			continue
		}
		at := int64(i) + 1 // of the field
		if kind == fieldRel8 {
			if at < n {
				if to := at + 1 + int64(int8(code[at])); to < 0 || to >= n {
					return true
				}
			}
			continue
		}
		if at+4 > n || kind == fieldJcc && (i == 0 || code[i-1] != 0x0f) || kind == fieldXbegin && (i == 0 || code[i-1] != 0xc7) {
			continue
		}
		to := at + 4 + int64(int32(le32(code[at:])))
		if to < 0 || to >= n || kind == fieldOperand && to+maxImm >= n {
			return true
		}
	}
	return false
}
