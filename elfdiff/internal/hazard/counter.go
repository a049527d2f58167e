package hazard

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// A counter that no function of the kernel looks after, such as an atomic_t, or the number of times that something is
// open, is raised and lowered by an instruction: inc, dec, add and sub of a constant, xadd, and cmpxchg of what was added before. Which counter it is, is
// told by the name of the variable, or by where it is in its structure.

// preemptCounts have in them how often a task may not be preempted, which goes over to new code at no such time.
var preemptCounts = []string{"__preempt_count", "pcpu_hot"}

// counters adds what the instructions of a function do to counters. What does not decode is not looked at further.
func counters(o *object.Object, a *object.Atom, m map[string]balance) {
	for k := range instructions(o, a) {
		if b := counts(k); b.what == Counter {
			if name, ok := placeOf(k); ok {
				name = "counter " + name
				m[name] = m[name].and(b)
			}
		}
	}
}

// counts says what an instruction does to a counter in memory. A compiler may count by another one as well, of which
// nothing tells in which direction: add with a carry, add of a register, or a store of what was added before.
func counts(k *insn.Cursor) balance {
	b, in := k.Bytes(), &k.Inst
	if in.ModRMOff == 0 || b[in.ModRMOff]>>6 == 3 {
		return balance{}
	}
	by := func(n int64) balance {
		if n == 0 {
			return balance{}
		}
		return balance{takes: n > 0, gives: n < 0, what: Counter}
	}
	const add, adc, sbb, sub = 0, 2, 3, 5 // as group 1 has them, and the opcodes with a register; inc and dec are 0 and 1 of groups 4 and 5
	op, reg := in.Opcode.Byte(), b[in.ModRMOff]>>3&7
	switch in.Opcode.Map() {
	case amd64.MapOne:
		switch {
		case op&^1 == 0xfe && reg <= 1:
			return by(1 - 2*int64(reg))
		case op&^3 == 0x80 && (reg == add || reg == sub) && !k.Relocates(in.ImmOff):
			n := number(b[in.ImmOff:], in.ImmLen)
			if reg == sub {
				n = -n
			}
			return by(n)
		case op&^3 == 0x80 && (reg == adc || reg == sbb), op&^0x39 == 0 && slices.Contains([]byte{add, adc, sbb, sub}, op>>3), op&^1 == 0x88:
			return balance{takes: true, gives: true, what: Counter}
		}
	case amd64.Map0F:
		if op&^1 == 0xc0 {
			if n, ok := loadedBefore(k.Atom.Bytes[:k.Off], in.Operands(b).Reg); ok {
				return by(int64(int32(n)))
			}
			return balance{takes: true, gives: true, what: Counter}
		}
		if op&^1 == 0xb0 { // raised where it is not zero, and the like
			return by(addedBefore(k.Atom.Bytes[:k.Off], in.Operands(b).Reg))
		}
	}
	return balance{}
}

// addedBefore returns what code adds to what a comparison that exchanges compares with, in the register that it stores, where one
// of its last few instructions does: lea n(%rax),%reg.
func addedBefore(code []byte, reg int) int64 {
	const (
		near, window    = 4, 24
		lea, disp8, rax = 0x8d, 1, 0
	)
	for size := 3; size <= min(window, len(code)); size++ {
		b := code[len(code)-size:]
		in, err := amd64.Decode(b)
		if err != nil || int(in.Len) > len(b) || in.Opcode.Map() != amd64.MapOne || in.Opcode.Byte() != lea || in.DispLen != disp8 {
			continue
		}
		if o := in.Operands(b); o.Reg == reg && o.Base == rax && o.Index == amd64.NoReg && decodes(b, near) {
			return number(b[in.DispOff:], in.DispLen)
		}
	}
	return 0
}

// placeOf names the place in memory that an instruction changes, such as that of a counter. Those on the stack have no name.
func placeOf(k *insn.Cursor) (string, bool) {
	b, in := k.Bytes(), &k.Inst
	for i := range k.Refs {
		r := &k.Refs[i]
		if in.DispLen == 0 || r.Offset != k.Off+uint64(in.DispOff) {
			continue
		}
		name := k.Object.Symbol(r.Sym).Name
		if r.Target != object.NoAtom {
			name = k.Object.Atoms[r.Target].Name
		}
		if name == "" || slices.Contains(preemptCounts, name) {
			return "", false
		}
		if r.TargetOff != 0 {
			name += offset(r.TargetOff)
		}
		return name, true
	}
	const stack = 4 // RSP
	base, ok := in.Base(b)
	if !ok || base == stack {
		return "", false
	}
	what := "at "
	if slices.Contains(b[:in.OpOff], 0x65) {
		what = "of a processor at "
	}
	return what + offset(number(b[in.DispOff:], in.DispLen)), true
}

// MovedFrom returns how far behind the counter of pre that of post is, of two halves of which each side has one, where
// both are told by where they are in a structure.
func (h Half) MovedFrom(x Half) (by int64, ok bool) {
	kind, at, _ := strings.Cut(h.Kind, " at ")
	other, from, _ := strings.Cut(x.Kind, " at ")
	p, err := strconv.ParseInt(at, 0, 64)
	q, err2 := strconv.ParseInt(from, 0, 64)
	if err != nil || err2 != nil || kind != other {
		return 0, false
	}
	if h.Gained {
		return p - q, true
	}
	return q - p, true
}

func offset(n int64) string { return fmt.Sprintf("%+#x", n) }
