package flow

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// General registers by number.
const (
	rAX = 0
	rCX = 1
	rDX = 2
	rBX = 3
	rSP = 4
	rBP = 5
	rSI = 6
	rDI = 7
)

// touched is one instruction with what it names.
type touched struct {
	*insn.Cursor
	amd64.Operands
	s        *flowState
	mem, imm *object.Ref // of the memory operand, and of the immediate
	memM     marks       // of the thing that the memory operand's reference means
	immM     marks       // likewise of the immediate
	wide     bool        // the operand has 4 or 8 bytes
	got      bool        // the memory operand holds the address that memM is about
}

// step does to the state what the instruction does.
func (f *addrFlow) step(k *insn.Cursor, s *flowState) {
	o := touched{Cursor: k, Operands: k.Inst.Operands(k.Bytes()), s: s}
	f.references(&o)
	switch k.Inst.Class {
	case amd64.Call, amd64.CallInd, amd64.Jump, amd64.JumpInd, amd64.Ret, amd64.Syscall:
		f.transfer(&o)
		return
	case amd64.Nop, amd64.Endbr, amd64.Trap:
		return
	}
	f.effect(&o, effectOf(k.Inst.Opcode))
}

// references finds what the fields of the instruction mean.
func (f *addrFlow) references(o *touched) {
	b := o.Bytes()
	o.wide = !o.Inst.Prefixes.Has(amd64.PrefixOpSize) && (o.Inst.Opcode.Map() != amd64.MapOne || b[o.Inst.OpOff]&1 != 0 || o.Inst.Opcode.Byte()&0xf8 == 0xb8)
	for i := range o.Refs {
		r := &o.Refs[i]
		at := r.Offset - o.Off
		switch {
		case o.Inst.DispLen > 0 && at == uint64(o.Inst.DispOff):
			o.mem, o.memM = r, f.marksOf(r)
			o.got = isGOT(r.Type)
		case o.Inst.ImmLen > 0 && at == uint64(o.Inst.ImmOff):
			o.imm, o.immM = r, f.marksOf(r)
		case o.Inst.IsBranch():
		default:
			f.escapes(f.marksOf(r), escapeAt(o.Cursor, "is used by code that can't be followed"), asKept)
		}
	}
}

func isGOT(t uint32) bool { return amd64.TypeClass(t) == uint32(elf.R_X86_64_GOTPCREL) }

// marksOf returns the marks of what a reference means.
func (f *addrFlow) marksOf(r *object.Ref) marks {
	if r.Target != object.NoAtom {
		var m marks
		if root, ok := f.jumper[r.Target]; ok && root == f.root {
			m.addr |= switchBit
		}
		if i, ok := f.bits[r.Target]; ok {
			m.addr |= 1 << i
		}
		return m
	}
	if len(f.syms) > 0 && !r.Implicit {
		if i, ok := f.syms[f.o.Symbol(r.Sym).Name]; ok {
			return marks{addr: 1 << i}
		}
	}
	return marks{}
}

// address returns the marks of the address of the memory operand.
func (o *touched) address() marks {
	m := o.memM
	if o.got {
		m = marks{}
	}
	return m.or(o.reg(o.Base)).or(o.reg(o.Index))
}

func (o *touched) reg(n int) marks {
	if n < 0 {
		return marks{}
	}
	return o.s.reg[n]
}

// read returns what the r/m operand may hold.
func (f *addrFlow) read(o *touched) marks {
	if !o.Memory {
		return o.reg(o.RM)
	}
	o.stale()
	if o.got {
		return o.memM
	}
	wide := o.Inst.Prefixes.Has(amd64.PrefixREXW)
	if at := o.slot(); at.ok {
		return f.get(at)
	}
	return f.loadWide(o.address(), wide)
}

// stale notes that the registers of the memory operand were used to read through.
func (o *touched) stale() {
	for _, n := range [2]int{o.Base, o.Index} {
		if n >= 0 {
			o.s.fresh &^= 1 << n
		}
	}
}

// load returns what may stand where an address leads.
func (f *addrFlow) load(m marks) marks {
	return f.loadWide(m, true).or(f.loadWide(m, false))
}

// loadWide is load of 8 bytes, or of 4: of things whose addresses have the other size,
// it reads no address.
func (f *addrFlow) loadWide(m marks, wide bool) marks {
	holds := f.halves
	if wide {
		holds = f.words
	}
	out := marks{inner: m.addr & (holds | switchBit), deep: m.inner | m.deep}
	if m.addr&stackBit != 0 {
		out = out.or(f.stack)
	}
	return out
}

// set gives a register marks.
func (o *touched) set(n int, m marks) {
	o.moveFrame(n, frame{})
	if n < 0 || n == rSP && m.addr&stackBit == 0 {
		return
	}
	o.s.reg[n] = m
	o.s.fresh &^= 1 << n
	if !m.empty() {
		o.s.fresh |= 1 << n
	}
}

func (o *touched) add(n int, m marks) { o.set(n, o.reg(n).or(m)) }

// write stores marks in the r/m operand.
func (f *addrFlow) write(o *touched, m marks) {
	if !o.Memory {
		if o.wide {
			o.set(o.RM, m)
		} else {
			o.add(o.RM, m)
		}
		return
	}
	if at := o.slot(); at.ok {
		f.put(at, m)
	} else if !m.empty() {
		f.store(o, o.mem, o.memM, o.reg(o.Base), m)
	}
}

// store notes that a value is stored: in the frame, in something that travels, or
// where others find it. ref is the place by its name, mem its marks, and base are
// those of a register that leads there.
func (f *addrFlow) store(o *touched, ref *object.Ref, mem, base, m marks) {
	e := escapeAt(o.Cursor, "is stored")
	to := mem.or(base)
	if to.addr&stackBit != 0 {
		f.put(frame{}, m)
	}
	for id, i := range f.bits {
		if to.addr>>i&1 != 0 {
			f.intoAtom(id, m)
		}
	}
	named := ref != nil && ref.Target != object.NoAtom && f.travels != nil && f.travels(ref.Target)
	if named {
		f.intoAtom(ref.Target, m)
	}
	if f.args > 0 && to.addr&^stackBit != 0 || to.inner|to.deep != 0 || to.addr == 0 && !named {
		f.escapes(m, e, asKept)
	}
}

func (f *addrFlow) intoAtom(id object.AtomID, m marks) {
	if f.out.into == nil {
		f.out.into = map[object.AtomID]marks{}
	}
	f.out.into[id] = f.out.into[id].or(m)
}

// compare notes that two values are compared. A thing compared with itself is a
// distance; one compared with a number is a test.
func (f *addrFlow) compare(o *touched, a, b marks) {
	shared := a.addr & b.addr
	a.addr &^= shared
	b.addr &^= shared
	m := a.or(b)
	m.addr &^= stackBit
	f.escapes(m, escapeAt(o.Cursor, "is compared with another address"), asCompared)
}

// effect does what the table says.
func (f *addrFlow) effect(o *touched, fx effect) {
	if do := effects[fx]; do != nil {
		do(f, o)
		return
	}
	f.lose(o)
}

// lose is for an instruction that is not known: what it names is lost.
func (f *addrFlow) lose(o *touched) {
	m := o.immM.or(o.reg(o.Reg)).or(o.reg(o.RM)).or(o.reg(o.Inst.Vvvv(o.Bytes())))
	if o.Inst.ModRMOff == 0 {
		m = m.or(o.reg(o.Low))
	}
	if o.Memory {
		m = m.or(f.load(o.address()))
	}
	m.addr &^= stackBit
	f.escapes(m, escapeAt(o.Cursor, "is used by code that can't be followed"), asKept)
	o.s.sp, o.s.bp = frame{}, frame{}
}

// effects are the effects as code; nil for what is not followed.
var effects = [...]func(f *addrFlow, o *touched){
	fxNone: func(*addrFlow, *touched) {},
	fxMovRM: func(f *addrFlow, o *touched) {
		at := o.frameOf(o.Reg)
		f.write(o, o.reg(o.Reg))
		if !o.Memory {
			o.moveFrame(o.RM, at)
		}
	},
	fxMovR: func(f *addrFlow, o *touched) {
		m := f.read(o)
		if isNarrow(f.o, o) {
			m = o.reg(o.Reg).or(m)
		}
		at := o.frameOf(o.RM)
		o.set(o.Reg, m)
		o.moveFrame(o.Reg, at)
	},
	fxMovImm: func(f *addrFlow, o *touched) { f.write(o, o.immM) },
	fxMovLow: func(_ *addrFlow, o *touched) {
		if o.Inst.Opcode.Byte() >= 0xb8 {
			o.set(o.Low, o.immM)
		}
	},
	fxLea: func(_ *addrFlow, o *touched) {
		at := o.slot()
		o.set(o.Reg, o.address())
		o.moveFrame(o.Reg, at)
	},
	fxOpAImm:  func(_ *addrFlow, o *touched) { o.add(rAX, o.immM) },
	fxOpRM:    opRM,
	fxOpR:     opR,
	fxCmpRM:   func(f *addrFlow, o *touched) { f.compare(o, f.read(o), o.reg(o.Reg)) },
	fxCmpImm:  func(f *addrFlow, o *touched) { f.compare(o, o.s.reg[rAX], o.immM) },
	fxGroup1:  group1,
	fxXchg:    xchg,
	fxXchgA:   func(f *addrFlow, o *touched) { a, b := o.s.reg[rAX], o.reg(o.Low); o.set(rAX, b); o.set(o.Low, a) },
	fxMul:     mul,
	fxPush:    func(f *addrFlow, o *touched) { f.push(o, o.reg(o.Low)) },
	fxPushImm: func(f *addrFlow, o *touched) { f.push(o, o.immM) },
	fxPop:     func(f *addrFlow, o *touched) { o.set(o.Low, f.pop(o)) },
	fxPopRM:   func(f *addrFlow, o *touched) { f.write(o, f.pop(o)) },
	fxLeave: func(f *addrFlow, o *touched) {
		o.s.sp = o.s.bp
		o.set(rBP, f.pop(o))
	},
	fxMovs:   func(f *addrFlow, o *touched) { f.store(o, nil, marks{}, o.s.reg[rDI], f.load(o.s.reg[rSI])) },
	fxStos:   func(f *addrFlow, o *touched) { f.store(o, nil, marks{}, o.s.reg[rDI], o.s.reg[rAX]) },
	fxLods:   func(f *addrFlow, o *touched) { o.add(rAX, f.load(o.s.reg[rSI])) },
	fxGroup5: group5,
	fxCmpxchg: func(f *addrFlow, o *touched) {
		old := f.read(o)
		f.compare(o, old, o.s.reg[rAX])
		f.write(o, o.reg(o.Reg))
		o.add(rAX, old)
	},
	fxCmpxchg2: func(f *addrFlow, o *touched) {
		if o.Memory {
			f.write(o, o.s.reg[rBX].or(o.s.reg[rCX]))
		}
	},
	fxClearAD: func(f *addrFlow, o *touched) { o.set(rAX, marks{}); o.set(rDX, marks{}) },
	fxCpuid: func(f *addrFlow, o *touched) {
		o.s.reg[rAX], o.s.reg[rBX], o.s.reg[rCX], o.s.reg[rDX] = marks{}, marks{}, marks{}, marks{}
	},
	fxMovabsR:  func(f *addrFlow, o *touched) { o.set(rAX, f.load(o.memM)) },
	fxMovabsRM: func(f *addrFlow, o *touched) { f.store(o, o.mem, o.memM, marks{}, o.s.reg[rAX]) },
	fxVecLoad:  vecLoad,
	fxVecStore: vecStore,
	fxVecFromR: func(f *addrFlow, o *touched) { f.grow(&f.vector, f.read(o)) },
	fxVecToR:   vecToR,
	fxVecBoth:  func(f *addrFlow, o *touched) { vecLoad(f, o); vecStore(f, o) },
}

// isNarrow reports whether a load leaves a part of the register as it was.
func isNarrow(o *object.Object, p *touched) bool {
	return p.Inst.Opcode.Map() == amd64.MapOne && !p.wide && p.Inst.Opcode.Byte() != 0x63
}

func opRM(f *addrFlow, o *touched) {
	a, b := f.read(o), o.reg(o.Reg)
	if o.Memory {
		f.write(o, b)
		return
	}
	o.set(o.RM, combine(o, a, b, o.RM == o.Reg))
}

func opR(f *addrFlow, o *touched) {
	o.set(o.Reg, combine(o, o.reg(o.Reg), f.read(o), o.RM == o.Reg))
}

// combine returns what an operation makes of two values: of two places in one thing,
// sub makes a distance, and xor and sub of a register with itself make 0.
func combine(o *touched, a, b marks, same bool) marks {
	if op := o.Inst.Opcode; op.Map() == amd64.MapOne {
		switch op.Byte() >> 3 {
		case 5: // sub
			if shared := a.addr & b.addr; same || shared != 0 && a == b {
				return marks{}
			}
		case 6: // xor
			if same {
				return marks{}
			}
		}
	}
	return a.or(b)
}

func group1(f *addrFlow, o *touched) {
	if o.Bytes()[o.Inst.ModRMOff]>>3&7 == 7 {
		f.compare(o, f.read(o), o.immM)
		return
	}
	f.read(o)
	if o.Memory {
		f.write(o, o.immM)
		return
	}
	at, bp := o.s.sp, o.s.bp
	o.add(o.RM, o.immM)
	if o.s.bp = bp; o.RM == rBP {
		o.s.bp = frame{}
	}
	if o.s.sp = at; o.RM == rSP {
		o.adjust(o.Bytes()[o.Inst.ModRMOff] >> 3 & 7)
	}
}

// xchg is for xchg and xadd.
func xchg(f *addrFlow, o *touched) {
	a, b := f.read(o), o.reg(o.Reg)
	f.write(o, b)
	o.add(o.Reg, a)
}

func mul(f *addrFlow, o *touched) {
	if o.Bytes()[o.Inst.ModRMOff]>>3&7 < 4 { // test, not, neg
		f.read(o)
		return
	}
	m := f.read(o).or(o.s.reg[rAX])
	if o.Bytes()[o.Inst.ModRMOff]>>3&7 >= 6 {
		m = m.or(o.s.reg[rDX])
	}
	o.set(rAX, m)
	o.set(rDX, m)
}

// push is where saved registers go, and arguments.
func (f *addrFlow) push(o *touched, m marks) {
	o.s.sp = o.s.sp.plus(-8)
	f.put(o.s.sp, m)
	o.s.reg[pushed] = o.s.reg[pushed].or(m)
}

func (f *addrFlow) pop(o *touched) marks {
	m := f.get(o.s.sp)
	o.s.sp = o.s.sp.plus(8)
	return m
}

func group5(f *addrFlow, o *touched) {
	switch o.Bytes()[o.Inst.ModRMOff] >> 3 & 7 {
	case 0, 1:
		f.read(o)
	case 6:
		f.push(o, f.read(o))
	default:
		f.lose(o)
	}
}

func vecLoad(f *addrFlow, o *touched) {
	if o.Memory && !o.got {
		o.stale()
		f.grow(&f.vector, f.load(o.address()))
	}
}

func vecStore(f *addrFlow, o *touched) {
	if o.Memory && !f.vector.empty() {
		f.store(o, o.mem, o.memM, o.reg(o.Base), f.vector)
	}
}

// vecToR is movd and the like; with F3 it is a load of a vector.
func vecToR(f *addrFlow, o *touched) {
	switch {
	case o.Inst.Opcode.Byte() == 0x7e && o.Inst.Prefixes.Has(amd64.PrefixRep) || o.Inst.Opcode.Map() == amd64.VEX0F && o.Inst.Opcode.Byte() == 0x7e && o.Bytes()[o.Inst.OpOff-1]&3 == 2:
		vecLoad(f, o)
	case o.Memory:
		vecStore(f, o)
	default:
		o.set(o.RM, f.vector)
	}
}
