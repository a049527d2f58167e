package flow

import "encoding/binary"

// frame is a place in the frame of a function, as a distance from where the stack
// pointer was when it was entered; ok is false where that is not known.
type frame struct {
	off int32
	ok  bool
}

// plus is a place n bytes on.
func (p frame) plus(n int32) frame {
	if !p.ok {
		return frame{}
	}
	return frame{p.off + n, true}
}

// maxSlots bounds the places that are told apart.
const maxSlots = 1 << 10

// put notes that a place in the frame holds something.
func (f *addrFlow) put(at frame, m marks) {
	if m.empty() {
		return
	}
	f.grow(&f.stack, m)
	old, known := f.slots[at.off]
	if !at.ok || !known && len(f.slots) >= maxSlots {
		f.grow(&f.wild, m)
		return
	}
	f.grow(&old, m)
	f.slots[at.off] = old
}

func (f *addrFlow) grow(to *marks, m marks) {
	if n := to.or(m); n != *to {
		*to = n
		f.grown++
	}
}

// get returns what a place in the frame may hold.
func (f *addrFlow) get(at frame) marks {
	if !at.ok {
		return f.stack
	}
	return f.slots[at.off].or(f.wild)
}

// slot returns the place that the memory operand means, when it is known to be in the
// frame.
func (o *touched) slot() frame {
	if !o.Memory || o.Index >= 0 || o.mem != nil {
		return frame{}
	}
	switch o.Base {
	case rSP:
		return o.s.sp.plus(o.displacement())
	case rBP:
		return o.s.bp.plus(o.displacement())
	}
	return frame{}
}

func (o *touched) displacement() int32 {
	b := o.Bytes()[o.Inst.DispOff:]
	switch o.Inst.DispLen {
	case 1:
		return int32(int8(b[0]))
	case 4:
		return int32(binary.LittleEndian.Uint32(b))
	}
	return 0
}

// immediate returns a number that is added, and whether it is one.
func (o *touched) immediate() (int32, bool) {
	b := o.Bytes()[o.Inst.ImmOff:]
	switch {
	case o.imm != nil:
	case o.Inst.ImmLen == 1:
		return int32(int8(b[0])), true
	case o.Inst.ImmLen == 4:
		return int32(binary.LittleEndian.Uint32(b)), true
	}
	return 0, false
}

// moveFrame follows SP and BP through mov and lea; at is where the value leads.
func (o *touched) moveFrame(to int, at frame) {
	switch to {
	case rSP:
		o.s.sp = at
	case rBP:
		o.s.bp = at
	}
}

// frameOf returns where a register leads in the frame.
func (o *touched) frameOf(n int) frame {
	switch n {
	case rSP:
		return o.s.sp
	case rBP:
		return o.s.bp
	}
	return frame{}
}

// adjust follows an addition to SP, which op is by its number in group 1.
func (o *touched) adjust(op byte) {
	n, ok := o.immediate()
	switch {
	case ok && op == 0:
		o.s.sp = o.s.sp.plus(n)
	case ok && op == 5:
		o.s.sp = o.s.sp.plus(-n)
	default:
		o.s.sp = frame{}
	}
}

// maxStackArguments bounds the arguments that are passed on the stack, bytes.
const maxStackArguments = 64

// outgoing returns what a callee may find on the stack: what was pushed, and what was
// stored where the stack pointer is.
func (f *addrFlow) outgoing(o *touched) marks {
	m := o.s.reg[pushed]
	if !o.s.sp.ok {
		return m.or(f.stack)
	}
	for n := int32(0); n < maxStackArguments; n += 8 {
		m = m.or(f.get(o.s.sp.plus(n)))
	}
	return m
}
