package flow

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// argRegs pass arguments, and callClobbers are what a function need not restore
// (psABI section 3.2.1).
var (
	argRegs      = [6]int{rDI, rSI, rDX, rCX, 8, 9}
	callClobbers = [9]int{rAX, rCX, rDX, rSI, rDI, 8, 9, 10, 11}
)

// Flows follows addresses through the functions of one object.
type Flows struct {
	o    *object.Object
	cold map[object.AtomID][]object.AtomID
	// jumps are the jump tables and the tables of labels of each function, and jumper
	// is the function of each.
	jumps     map[object.AtomID][]object.AtomID
	jumper    map[object.AtomID]object.AtomID
	summaries map[object.AtomID]*summary // of functions; nil while it is made
	results   map[object.AtomID]dtypes.ResultSize
	depth     int
	budget    int // instructions that may still be looked at
}

// summary is what a function does with its arguments.
type summary struct {
	addr, inner, deep [len(argRegs)]fate
	returned          marks
}

const maxFollowed = 16 // of calls that are followed

// New prepares the object for questions.
func New(o *object.Object) *Flows {
	f := &Flows{o: o, cold: map[object.AtomID][]object.AtomID{}, jumps: map[object.AtomID][]object.AtomID{}, jumper: map[object.AtomID]object.AtomID{}, summaries: map[object.AtomID]*summary{}, budget: flowFloor}
	for i := range o.Atoms {
		a := &o.Atoms[i]
		if a.Kind == object.Func {
			f.budget += flowRounds * len(a.Bytes)
		}
		if a.Kind == object.Func && a.Owner != object.NoAtom {
			f.cold[a.Owner] = append(f.cold[a.Owner], a.ID)
		}
		if root := jumperOf(o, a); root != object.NoAtom {
			f.jumper[a.ID] = root
			f.jumps[root] = append(f.jumps[root], a.ID)
		}
	}
	return f
}

// jumperOf returns the function of a jump table, or of a table that holds places inside
// of one function and nothing else, as static void *labels[] = {&&a, &&b} does; NoAtom
// of everything else.
func jumperOf(o *object.Object, a *object.Atom) object.AtomID {
	if a.Jumps {
		return a.Owner
	}
	root := object.NoAtom
	if a.Kind != object.Const || len(a.Refs) == 0 {
		return object.NoAtom
	}
	for i := range a.Refs {
		r := &a.Refs[i]
		if r.Target == object.NoAtom || r.TargetOff <= 0 || o.Atoms[r.Target].Kind != object.Func {
			return object.NoAtom
		}
		if to := o.Atoms[r.Target].Root(); root == object.NoAtom || root == to {
			root = to
		} else {
			return object.NoAtom
		}
	}
	return root
}

// of prepares to follow things through a function.
func (f *Flows) of(root object.AtomID) *addrFlow {
	p := &addrFlow{Flows: f, root: root, unit: append([]object.AtomID{root}, f.cold[root]...)}
	for _, t := range f.jumps[root] {
		p.tabled = append(p.tabled, p.placesIn(t)...)
	}
	return p
}

// summaryOf follows the arguments of a function, once. It is nil when that can't be
// said.
func (f *Flows) summaryOf(root object.AtomID) *summary {
	if s, ok := f.summaries[root]; ok {
		return s
	}
	if f.depth >= maxFollowed {
		return nil
	}
	f.summaries[root] = nil // it may call itself
	f.depth++
	defer func() { f.depth-- }()
	p := f.of(root)
	p.args, p.words, p.halves = len(argRegs), 1<<len(argRegs)-1, 1<<len(argRegs)-1
	var start flowState
	for i, n := range argRegs {
		start.reg[n].addr = 1 << i
	}
	if !p.run(start) {
		return nil
	}
	s := &summary{returned: p.out.returned}
	copy(s.addr[:], p.out.addr[:])
	copy(s.inner[:], p.out.inner[:])
	copy(s.deep[:], p.out.deep[:])
	f.summaries[root] = s
	return s
}

// transfer does what calls, jumps and returns do.
func (f *addrFlow) transfer(o *touched) {
	switch o.Inst.Class {
	case amd64.Ret:
		f.returns(o)
	case amd64.Syscall:
		f.passes(o, "is passed to the system")
	case amd64.Call:
		f.calls(o)
	case amd64.CallInd:
		f.throughPointer(o)
	case amd64.Jump:
		f.jump(o)
	case amd64.JumpInd:
		if t := o.reg(o.RM).or(f.operandMarks(o)); t.all()&switchBit == 0 {
			f.throughPointer(o)
			f.returns(o)
		}
	}
}

func (f *addrFlow) operandMarks(o *touched) marks {
	if !o.Memory {
		return marks{}
	}
	return f.read(o)
}

// jump may lead out of the function.
func (f *addrFlow) jump(o *touched) {
	switch {
	case len(o.Refs) == 0:
	case f.calleeName(o) == kerneltab.ReturnThunk:
		f.returns(o)
	case f.isIndirect(o.Cursor):
		if m := f.thunked(o); m.all()&switchBit == 0 {
			f.throughPointer(o)
			f.returns(o)
		}
	case len(f.targets(o.Cursor)) == 0:
		f.calls(o)
		f.returns(o)
	}
}

// isIndirect reports whether a branch goes through a thunk to where a register leads.
func (f *addrFlow) isIndirect(k *insn.Cursor) bool {
	return len(k.Refs) > 0 && k.Refs[0].Target == object.NoAtom && strings.HasPrefix(f.o.Symbol(k.Refs[0].Sym).Name, kerneltab.IndirectThunk)
}

var thunkRegs = []string{"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"}

// thunked returns the marks of the register that a thunk goes through.
func (f *addrFlow) thunked(o *touched) marks {
	return o.reg(slices.Index(thunkRegs, strings.TrimPrefix(f.calleeName(o), kerneltab.IndirectThunk)))
}

func (f *addrFlow) calleeName(o *touched) string {
	r := &o.Refs[0]
	if r.Target != object.NoAtom {
		return f.o.Atoms[r.Target].Name
	}
	return f.o.Symbol(r.Sym).Name
}

// returns is the end of the function. DX is a part of the result when something was
// put there for that.
func (f *addrFlow) returns(o *touched) {
	m := o.s.reg[rAX]
	if o.s.fresh>>rDX&1 != 0 {
		m = m.or(o.s.reg[rDX])
	}
	m.addr &^= stackBit
	if m.empty() {
		return
	}
	switch n := f.resultOf(f.root); {
	case n <= dtypes.HalfResult:
		return
	case n <= 8:
		m = o.s.reg[rAX]
		m.addr &^= stackBit
	}
	if f.args > 0 {
		f.out.returned = f.out.returned.or(m)
		return
	}
	f.escapes(m, escapeAt(o.Cursor, "is returned"), asKept)
}

func (f *addrFlow) calls(o *touched) {
	if len(o.Refs) == 0 {
		f.passes(o, "is used by code that can't be followed")
		f.clobber(o, marks{})
		return
	}
	name := f.calleeName(o)
	if rule := calleeOf(name); rule != nil {
		f.knownCall(o, name, rule)
		return
	}
	if f.isIndirect(o.Cursor) {
		f.throughPointer(o)
		return
	}
	if t := o.Refs[0].Target; t != object.NoAtom && f.o.Atoms[t].Kind == object.Func && o.Refs[0].TargetOff == 0 && !isWeak(f.o, &f.o.Atoms[t]) {
		if s := f.summaryOf(f.o.Atoms[t].Root()); s != nil {
			f.localCall(o, name, s)
			return
		}
	}
	f.passes(o, "is passed to "+name)
	f.clobber(o, marks{})
}

// isWeak reports whether another definition may take the place of this one.
func isWeak(o *object.Object, a *object.Atom) bool {
	return slices.ContainsFunc(a.Symbols, func(s elfobj.SymbolIndex) bool { return o.Symbols()[s].Bind() == elf.STB_WEAK })
}

// passes notes that everything in registers for arguments, and on the stack for them,
// leaves the function.
func (f *addrFlow) passes(o *touched, how string) {
	for i, n := range argRegs {
		if m := o.s.reg[n]; !m.empty() {
			f.escapes(m, escapeAt(o.Cursor, fmt.Sprintf("%s as argument %d", how, i+1)), asKept)
		}
	}
	f.escapes(f.outgoing(o), escapeAt(o.Cursor, how+" on the stack"), asKept)
}

// paravirt is a table of functions that are called as instructions are executed: they
// keep nothing, and restore all registers (arch/x86/include/asm/paravirt_types.h).
const paravirt = "pv_ops"

func (f *addrFlow) throughPointer(o *touched) {
	if o.mem != nil && o.mem.Target == object.NoAtom && f.o.Symbol(o.mem.Sym).Name == paravirt {
		return
	}
	f.passes(o, "is passed to a function through a pointer")
	f.clobber(o, marks{})
}

// clobber forgets what a call does not leave in place. Result is what it returns.
func (f *addrFlow) clobber(o *touched, result marks) {
	for _, n := range callClobbers {
		o.s.reg[n] = marks{}
		o.s.fresh &^= 1 << n
	}
	o.s.reg[pushed] = marks{}
	o.set(rAX, result)
}

// knownCall calls a function that the table of callees has.
func (f *addrFlow) knownCall(o *touched, name string, rule *callee) {
	var result marks
	if n := droppedArguments[rule.does&(keepsOthers|dropsFifth|dropsSixth)]; n > 0 {
		o.s.reg[argRegs[n-1]] = marks{}
		f.passes(o, "is passed to "+name)
	}
	if n := readArguments[rule.does&(readsThird|readsFourth|readsFifth)]; n > 0 {
		reg := argRegs[n-1]
		f.escapes(o.s.reg[reg], escapeAt(o.Cursor, fmt.Sprintf("is passed to %s as argument %d, and may be read later", name, n)), asRead)
		o.s.reg[reg] = marks{}
		f.passes(o, "is passed to "+name)
	}
	if rule.does&returnsArgument != 0 {
		for _, n := range argRegs {
			result = result.or(o.s.reg[n])
		}
	}
	if rule.does&copiesContent != 0 {
		m := f.load(o.s.reg[rSI])
		if to := o.s.reg[rDI]; to.addr == stackBit && to.inner == 0 {
			f.put(frame{}, m)
		} else {
			f.escapes(m, escapeAt(o.Cursor, "is copied by "+name), asKept)
		}
	}
	if rule.does&copiesFirst != 0 {
		f.escapes(f.load(o.s.reg[rDI]), escapeAt(o.Cursor, "is copied by "+name), asKept)
	}
	if rule.does&preservesAll == 0 {
		f.clobber(o, result)
	}
}

// localCall calls a function of the object.
func (f *addrFlow) localCall(o *touched, name string, s *summary) {
	var result marks
	for i, n := range argRegs {
		m := o.s.reg[n]
		if m.empty() {
			continue
		}
		in := f.load(m)
		how := escapeAt(o.Cursor, fmt.Sprintf("is passed to %s as argument %d, where it ", name, i+1))
		f.goesOn(m, how, &s.addr[i])
		f.goesOn(in, how, &s.inner[i])
		f.goesOn(f.load(in), how, &s.deep[i])
		if s.returned.addr>>i&1 != 0 {
			result = result.or(m)
		}
		if s.returned.inner>>i&1 != 0 {
			result = result.or(in)
		}
		if s.returned.deep>>i&1 != 0 {
			result = result.or(f.load(in))
		}
	}
	f.escapes(f.outgoing(o), escapeAt(o.Cursor, "is passed to "+name+" on the stack"), asKept)
	f.clobber(o, result)
}

// goesOn has marks escape as a callee has them.
func (f *addrFlow) goesOn(m marks, how Escape, there *fate) {
	for w, e := range [...]*Escape{asKept: there.kept, asCompared: there.compared, asRead: there.read} {
		if e != nil {
			f.escapes(m, Escape{how.At, how.How + e.How}, way(w))
		}
	}
}
