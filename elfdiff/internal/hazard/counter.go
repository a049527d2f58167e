package hazard

import (
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// A counter that no function of the kernel looks after, such as an atomic_t, or the number of times that something is
// open, is raised and lowered by an instruction: inc, dec, add and sub of a constant, and xadd. Which counter it is, is
// told by the name of the variable, or by where it is in its structure.

// preemptCounts have in them how often a task may not be preempted, which goes over to new code at no such time.
var preemptCounts = []string{"__preempt_count", "pcpu_hot"}

// counters adds what the instructions of a function do to counters. What does not decode is not looked at further.
func counters(o *object.Object, a *object.Atom, m map[string]balance) {
	k := insn.Cursor{Object: o, Atom: a}
	for {
		if ok, err := k.Load(); !ok || err != nil {
			return
		}
		if up, ok := counts(&k); ok {
			if name, ok := counterOf(&k); ok {
				m[name] = m[name].and(balance{takes: up, gives: !up, counter: true})
			}
		}
		k.Advance()
	}
}

// counts reports whether an instruction adds to memory, and whether what it adds is more than nothing.
func counts(k *insn.Cursor) (up, ok bool) {
	b, in := k.Bytes(), &k.Inst
	if in.ModRMOff == 0 || b[in.ModRMOff]>>6 == 3 {
		return false, false
	}
	const add, sub = 0, 5 // of group 1; inc and dec are 0 and 1 of groups 4 and 5
	reg := b[in.ModRMOff] >> 3 & 7
	switch op := in.Opcode; {
	case op.Map() == amd64.MapOne && op.Byte()&^1 == 0xfe && reg <= 1:
		return reg == 0, true
	case op.Map() == amd64.MapOne && op.Byte()&^3 == 0x80 && (reg == add || reg == sub) && !k.Relocates(in.ImmOff):
		n := number(b[in.ImmOff:], in.ImmLen)
		return (n > 0) == (reg == add), n != 0
	case op.Map() == amd64.Map0F && op.Byte()&^1 == 0xc0:
		n, ok := loadedBefore(k.Atom.Bytes[:k.Off], in.Operands(b).Reg)
		return int32(n) > 0, ok && n != 0
	}
	return false, false
}

// counterOf names the counter that an instruction counts. Those on the stack are none.
func counterOf(k *insn.Cursor) (string, bool) {
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
		return "counter " + name, true
	}
	const stack = 4 // RSP
	base, ok := in.Base(b)
	if !ok || base == stack {
		return "", false
	}
	what := "counter"
	if slices.Contains(b[:in.OpOff], 0x65) {
		what = "counter of a processor"
	}
	return what + " at " + offset(number(b[in.DispOff:], in.DispLen)), true
}

func offset(n int64) string { return fmt.Sprintf("%+#x", n) }
