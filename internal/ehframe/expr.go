package ehframe

import "math/bits"

// Opcodes of DWARF expressions (DWARF 5, 7.7.1). Ranges are given by their
// first.
const (
	exAddr       = 0x03
	exDeref      = 0x06
	exConst1u    = 0x08 // then 1s, 2u, 2s, 4u, 4s, 8u, 8s
	exConst8s    = 0x0f
	exConstu     = 0x10
	exConsts     = 0x11
	exDup        = 0x12
	exDrop       = 0x13
	exOver       = 0x14
	exPick       = 0x15
	exSwap       = 0x16
	exRot        = 0x17
	exAbs        = 0x19
	exNeg        = 0x1f
	exNot        = 0x20
	exPlusUconst = 0x23
	exBra        = 0x28
	exSkip       = 0x2f
	exLit0       = 0x30
	exLit31      = 0x4f
	exBreg0      = 0x70
	exBreg31     = 0x8f
	exBregx      = 0x92
	exDerefSize  = 0x94
	exNop        = 0x96
	exCallCFA    = 0x9c
)

// binaryOps lists the operations on the two topmost values: a is below b. ok is
// false for a division by zero.
var binaryOps = map[byte]func(a, b uint64) (v uint64, ok bool){
	0x1a: func(a, b uint64) (uint64, bool) { return a & b, true },
	0x1b: func(a, b uint64) (uint64, bool) { // div is signed
		if b == 0 {
			return 0, false
		}
		if int64(b) == -1 {
			return -a, true
		}
		return uint64(int64(a) / int64(b)), true
	},
	0x1c: func(a, b uint64) (uint64, bool) { return a - b, true },
	0x1d: func(a, b uint64) (uint64, bool) { // mod is unsigned
		if b == 0 {
			return 0, false
		}
		return a % b, true
	},
	0x1e: func(a, b uint64) (uint64, bool) { return a * b, true },
	0x21: func(a, b uint64) (uint64, bool) { return a | b, true },
	0x22: func(a, b uint64) (uint64, bool) { return a + b, true },
	0x24: func(a, b uint64) (uint64, bool) { return a << b, true }, // Go shifts out all for b > 63
	0x25: func(a, b uint64) (uint64, bool) { return a >> b, true },
	0x26: func(a, b uint64) (uint64, bool) { return uint64(int64(a) >> b), true },
	0x27: func(a, b uint64) (uint64, bool) { return a ^ b, true },
	0x29: func(a, b uint64) (uint64, bool) { return truth(a == b), true },
	0x2a: func(a, b uint64) (uint64, bool) { return truth(int64(a) >= int64(b)), true },
	0x2b: func(a, b uint64) (uint64, bool) { return truth(int64(a) > int64(b)), true },
	0x2c: func(a, b uint64) (uint64, bool) { return truth(int64(a) <= int64(b)), true },
	0x2d: func(a, b uint64) (uint64, bool) { return truth(int64(a) < int64(b)), true },
	0x2e: func(a, b uint64) (uint64, bool) { return truth(a != b), true },
}

func truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

const (
	exprSteps = 1000 // an expression may loop
	exprStack = 64
)

// A machine evaluates one DWARF expression.
type machine struct {
	cur   cursor
	stack []uint64
	regs  *Regs
	mem   Memory
	cfa   *uint64 // nil while the CFA itself is computed
	bias  uint64
	err   error // from memory or registers
}

// eval evaluates an expression and returns the topmost value. The CFA, if
// given, is on the stack at the start.
func eval(expr []byte, regs *Regs, mem Memory, bias uint64, cfa *uint64) (uint64, error) {
	m := &machine{cur: cursor{b: expr}, regs: regs, mem: mem, cfa: cfa, bias: bias}
	if cfa != nil {
		m.push(*cfa)
	}
	for steps := 0; m.cur.left() > 0; steps++ {
		at := m.cur.off
		op := m.cur.u8()
		if steps == exprSteps {
			m.cur.fail("does not end")
		} else if !m.step(op) {
			m.cur.fail("unknown operation")
		}
		if m.cur.bad != "" {
			return 0, &ExprError{at, op, m.cur.bad}
		}
		if m.err != nil {
			return 0, m.err
		}
	}
	v := m.pop()
	if m.cur.bad != "" {
		return 0, &ExprError{len(expr), 0, m.cur.bad}
	}
	return v, nil
}

func (m *machine) push(v uint64) {
	if len(m.stack) == exprStack {
		m.cur.fail("stack overflow")
		return
	}
	m.stack = append(m.stack, v)
}

func (m *machine) pop() uint64 {
	if len(m.stack) == 0 {
		m.cur.fail("stack underflow")
		return 0
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v
}

// pick pushes the value that is n below the topmost.
func (m *machine) pick(n int) {
	if n >= len(m.stack) {
		m.cur.fail("stack underflow")
		return
	}
	m.push(m.stack[len(m.stack)-1-n])
}

func (m *machine) step(op byte) bool {
	c := &m.cur
	switch {
	case op >= exLit0 && op <= exLit31:
		m.push(uint64(op - exLit0))
		return true
	case op >= exBreg0 && op <= exBreg31:
		m.register(uint64(op - exBreg0))
		return true
	case op >= exConst1u && op <= exConst8s:
		size := uint64(1) << ((op - exConst1u) / 2)
		v := c.fixed(size)
		if op&1 != 0 {
			v = uint64(signExtend(v, size))
		}
		m.push(v)
		return true
	}
	if f, ok := binaryOps[op]; ok {
		b, a := m.pop(), m.pop()
		v, ok := f(a, b)
		if !ok {
			c.fail("division by zero")
		}
		m.push(v)
		return true
	}
	return m.stepOther(op)
}

func (m *machine) stepOther(op byte) bool {
	c := &m.cur
	switch op {
	case exAddr:
		m.push(c.fixed(8) + m.bias)
	case exConstu:
		m.push(c.uleb())
	case exConsts:
		m.push(uint64(c.sleb()))
	case exPlusUconst:
		m.push(m.pop() + c.uleb())
	case exBregx:
		m.register(c.uleb())
	case exDeref:
		m.load(m.pop(), 8)
	case exDerefSize:
		m.load(m.pop(), uint64(c.u8()))
	case exCallCFA:
		if m.cfa == nil {
			c.fail("CFA is not known yet")
			return true
		}
		m.push(*m.cfa)
	case exAbs:
		if v := int64(m.pop()); v < 0 {
			m.push(uint64(-v))
		} else {
			m.push(uint64(v))
		}
	case exNeg:
		m.push(-m.pop())
	case exNot:
		m.push(^m.pop())
	case exSkip:
		m.jump(c.signed(2))
	case exBra:
		if to := c.signed(2); m.pop() != 0 {
			m.jump(to)
		}
	case exNop:
	default:
		return m.stepStack(op)
	}
	return true
}

func (m *machine) stepStack(op byte) bool {
	switch op {
	case exDup:
		m.pick(0)
	case exDrop:
		m.pop()
	case exOver:
		m.pick(1)
	case exPick:
		m.pick(int(m.cur.u8()))
	case exSwap:
		b, a := m.pop(), m.pop()
		m.push(b)
		m.push(a)
	case exRot:
		c, b, a := m.pop(), m.pop(), m.pop()
		m.push(c)
		m.push(a)
		m.push(b)
	default:
		return false
	}
	return true
}

func (m *machine) register(n uint64) {
	off := m.cur.sleb()
	v, err := m.regs.get(n)
	if err != nil && m.err == nil {
		m.err = err
	}
	m.push(v + uint64(off))
}

func (m *machine) load(addr, size uint64) {
	if m.cur.bad != "" {
		return
	}
	if size == 0 || size > 8 || bits.OnesCount64(size) != 1 {
		m.cur.fail("bad size")
		return
	}
	v, err := readWord(m.mem, addr, size)
	if err != nil && m.err == nil {
		m.err = err
	}
	m.push(v)
}

func (m *machine) jump(delta int64) {
	to := int64(m.cur.off) + delta
	if m.cur.bad == "" && (to < 0 || to > int64(len(m.cur.b))) {
		m.cur.fail("jump out of the expression")
		return
	}
	m.cur.off = int(to)
}
