package flow

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/internal/tables"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// This package follows addresses through the code of a function:
// what is done with the address of a table, a string, a variable? Is nothing but
// its content read, or is the address stored, returned, compared, passed on? It is
// an analysis of one function with its cold parts, over decoded instructions, that
// takes what it can't follow for the worst. Registers are followed along every path,
// the stack as one whole.

// marks says whose address a value may be, or may be made of.
type marks struct {
	// addr has the bit of each thing whose address it is, or a place inside.
	addr uint64
	// inner has the bit of each thing that it was read from: it may be one of the
	// addresses in there. deep has it of those that it was read from in more steps.
	inner, deep uint64
}

func (m marks) or(n marks) marks { return marks{m.addr | n.addr, m.inner | n.inner, m.deep | n.deep} }
func (m marks) all() uint64      { return m.addr | m.inner | m.deep }
func (m marks) empty() bool      { return m.all() == 0 }

const (
	stackBit = uint64(1) << 63 // of addr: the address is one in the frame
	// switchBit marks what jump tables of the function are made of, of addr and inner.
	switchBit = uint64(1) << 62
	maxBits   = 62 // things that are followed at once
)

// flowRegs are the general registers, and one for what was pushed since the last call.
const (
	flowRegs = 17
	pushed   = 16
)

type flowState struct {
	reg [flowRegs]marks
	// fresh are the registers that nothing was read through since they were set.
	fresh uint32
	// sp and bp are where these registers lead in the frame.
	sp, bp frame
}

// join adds what s may hold to t, and reports whether that was new.
func (t *flowState) join(s *flowState) bool {
	before := *t
	for i := range t.reg {
		t.reg[i] = t.reg[i].or(s.reg[i])
	}
	t.fresh |= s.fresh
	if t.sp != s.sp {
		t.sp = frame{}
	}
	if t.bp != s.bp {
		t.bp = frame{}
	}
	return *t != before
}

// An Escape is one way in which an address leaves the code that has it.
type Escape struct {
	At  Place
	How string // "is stored", and the like
}

// Place is an instruction.
type Place struct {
	Atom object.AtomID
	Off  uint64
}

// fate is what becomes of an address. Reads of the content are not in it.
type fate struct {
	kept     *Escape // it is, or may be, where it can be found later
	compared *Escape // it is compared with another address
	read     *Escape // it can be found later, by who reads what is there, and nothing else
}

// way is how an address gets out.
type way uint8

const (
	asKept way = iota
	asCompared
	asRead
)

func (f *fate) add(e Escape, how way) {
	p := [...]**Escape{asKept: &f.kept, asCompared: &f.compared, asRead: &f.read}[how]
	if *p == nil {
		*p = &e
	}
}

// Any returns one way in which the address is more than a way to its content.
func (f *fate) Any() *Escape {
	if f == nil {
		return nil
	}
	return cmp.Or(f.kept, f.compared)
}

// Held returns one way in which the address can be found later, if only to read from it.
func (f *fate) Held() *Escape {
	if f == nil {
		return nil
	}
	return cmp.Or(f.kept, f.read)
}

// addrFlow follows up to 62 things through one function.
type addrFlow struct {
	*Flows
	root object.AtomID
	unit []object.AtomID // the function, and its cold parts
	bits map[object.AtomID]int
	syms map[string]int // likewise of symbols that the object does not define
	// words are the things that hold addresses of 8 bytes, and halves of 4.
	words, halves uint64
	args          int     // how many arguments are followed instead
	tabled        []Place // where jump tables of the function lead
	// travels reports whether an atom is a part of the update; nil where that is
	// not the question.
	travels func(object.AtomID) bool
	blocks  []block
	index   map[Place]int // of blocks, by their starts
	edges   map[Place][]Place
	work    []int
	any     flowState // all that is possible somewhere

	stack  marks           // what the frame may hold
	slots  map[int32]marks // by the place in it
	wild   marks           // at a place that is not known
	vector marks           // what vector registers may hold
	grown  int             // how often one of these grew

	frameOut *Escape
	broken   bool // a branch leads to where no block starts
	out      flowResult
}

// flowResult says what becomes of the address of each thing, and of what it holds.
type flowResult struct {
	addr, inner, deep [maxBits]fate
	returned          marks                   // what the function returns
	into              map[object.AtomID]marks // what is stored in things that travel
}

// block is a stretch of instructions that is entered at its start only.
type block struct {
	at      Place
	state   flowState
	reached bool
	queued  bool
}

const (
	maxFlowCode   = 1 << 19 // bytes of a function that is followed
	maxFlowBlocks = 1 << 14
	flowRounds    = 16 // how many instructions are looked at for a byte of an object's code
	flowFloor     = 1 << 16
)

// run follows the marks of start through the function until nothing is new.
// It is false when the function can't be followed.
func (f *addrFlow) run(start flowState) bool {
	if !f.cut() {
		return false
	}
	start.reg[rSP].addr |= stackBit
	start.sp, f.slots = frame{0, true}, map[int32]marks{}
	f.enter(f.index[Place{f.root, 0}], &start)
	if !f.drain() {
		return false
	}
	for i := range f.blocks { // what no path leads to that is known
		if !f.blocks[i].reached {
			f.enter(i, &f.any)
			if !f.drain() {
				return false
			}
		}
	}
	if f.frameOut != nil {
		f.escapes(f.stack, *f.frameOut, asKept)
	}
	return true
}

func (f *addrFlow) size() int {
	n := 64
	for _, id := range f.unit {
		n += int(f.o.Atoms[id].Size)
	}
	return n
}

func (f *addrFlow) enter(i int, s *flowState) {
	b := &f.blocks[i]
	switch {
	case !b.reached:
		b.reached, b.state = true, *s
	case !b.state.join(s):
		return
	}
	if !b.queued {
		b.queued = true
		f.work = append(f.work, i)
	}
}

// drain goes over blocks until no state grows. What the frame and the vector
// registers hold is kept for all of the function: when that grows, all starts anew.
func (f *addrFlow) drain() bool {
	for len(f.work) > 0 {
		i := f.work[len(f.work)-1]
		f.work = f.work[:len(f.work)-1]
		f.blocks[i].queued = false
		grown := f.grown
		if !f.block(i) || f.broken {
			return false
		}
		if grown == f.grown {
			continue
		}
		for k := range f.blocks {
			if b := &f.blocks[k]; b.reached && !b.queued {
				b.queued = true
				f.work = append(f.work, k)
			}
		}
	}
	return true
}

// block goes over one block, and enters those behind it.
func (f *addrFlow) block(i int) bool {
	s := f.blocks[i].state
	k := insn.Cursor{Object: f.o, Atom: &f.o.Atoms[f.blocks[i].at.Atom], Off: f.blocks[i].at.Off}
	for {
		if f.budget--; f.budget < 0 {
			return false
		}
		f.any.join(&s)
		ok, err := k.Load()
		if err != nil {
			return false
		}
		if !ok {
			return true
		}
		here := Place{k.Atom.ID, k.Off}
		for _, to := range f.edges[here] {
			f.goTo(to, &s)
		}
		f.step(&k, &s)
		f.branch(&k, &s)
		if k.Inst.EndsFlow() {
			return true
		}
		k.Advance()
		if n, ok := f.index[Place{k.Atom.ID, k.Off}]; ok {
			f.enter(n, &s)
			return true
		}
	}
}

// branch enters where the instruction may lead.
func (f *addrFlow) branch(k *insn.Cursor, s *flowState) {
	for _, to := range f.targets(k) {
		f.goTo(to, s)
	}
}

// goTo enters the block at a place. Where none starts, as behind code that was read
// from the middle of an instruction, the function can't be followed.
func (f *addrFlow) goTo(to Place, s *flowState) {
	if i, ok := f.index[to]; ok {
		f.enter(i, s)
	} else {
		f.broken = true
	}
}

// escapes notes what becomes of the marks of a value.
func (f *addrFlow) escapes(m marks, e Escape, how way) {
	if m.addr&stackBit != 0 && f.frameOut == nil && how != asCompared {
		f.frameOut = &e
	}
	for b := m.addr &^ (stackBit | switchBit); b != 0; b &= b - 1 {
		f.out.addr[bits.TrailingZeros64(b)].add(e, how)
	}
	for b := m.inner &^ switchBit; b != 0; b &= b - 1 {
		f.out.inner[bits.TrailingZeros64(b)].add(e, how)
	}
	for b := m.deep &^ switchBit; b != 0; b &= b - 1 {
		f.out.deep[bits.TrailingZeros64(b)].add(e, how)
	}
}

// lost is what becomes of everything in a function that can't be followed.
func (f *addrFlow) lost() {
	e := Escape{Place{f.root, 0}, "is used by code that can't be followed"}
	all := uint64(1)<<f.count() - 1
	f.escapes(marks{all, all, all}, e, asKept)
	f.escapes(marks{all, all, all}, e, asCompared)
	f.out.returned = marks{}
}

func (f *addrFlow) count() int { return max(len(f.bits)+len(f.syms), f.args) }

// escapeAt says that something happens to an address at an instruction.
func escapeAt(k *insn.Cursor, how string) Escape { return Escape{Place{k.Atom.ID, k.Off}, how} }

// cut finds the blocks.
func (f *addrFlow) cut() bool {
	if f.size() > maxFlowCode+64 {
		return false
	}
	starts := map[Place]bool{{f.root, 0}: true}
	for _, id := range f.unit {
		if !f.cutAtom(&f.o.Atoms[id], starts) {
			return false
		}
	}
	f.described(starts)
	if len(starts) > maxFlowBlocks {
		return false
	}
	f.blocks, f.index = make([]block, 0, len(starts)), make(map[Place]int, len(starts))
	for at := range starts {
		f.blocks = append(f.blocks, block{at: at})
	}
	slices.SortFunc(f.blocks, func(a, b block) int { return a.at.compare(b.at) })
	for i := range f.blocks {
		f.index[f.blocks[i].at] = i
	}
	return true
}

func (p Place) compare(q Place) int {
	if p.Atom != q.Atom {
		return int(p.Atom) - int(q.Atom)
	}
	return int(int64(p.Off) - int64(q.Off))
}

func (f *addrFlow) cutAtom(a *object.Atom, starts map[Place]bool) bool {
	k := insn.Cursor{Object: f.o, Atom: a}
	for {
		ok, err := k.Load()
		if err != nil || len(starts) > maxFlowBlocks {
			return false
		}
		if !ok {
			return true
		}
		for _, to := range f.targets(&k) {
			starts[to] = true
		}
		ends := k.Inst.EndsFlow()
		if k.Advance(); ends && k.Off < a.Size {
			starts[Place{a.ID, k.Off}] = true
		}
	}
}

// targets are the places in the function that an instruction may go to, beside the
// next one.
func (f *addrFlow) targets(k *insn.Cursor) []Place {
	switch {
	case k.Inst.Class == amd64.Jump || k.Inst.Class == amd64.Jcc || k.Inst.Class == amd64.LoopCC || k.Inst.Class == amd64.TxBegin:
		if len(k.Refs) == 0 {
			to, ok := k.Inst.Target(k.Bytes(), k.Off)
			return f.inside(nil, k.Atom.ID, int64(to), ok)
		}
		if t := k.Refs[0].Target; t != object.NoAtom && f.o.Atoms[t].Kind != object.Func { // code of alternatives: it comes back
			return f.placesIn(t)
		}
		if f.isIndirect(k) {
			return f.tabled
		}
		return f.inside(nil, k.Refs[0].Target, k.Refs[0].TargetOff, true)
	case k.Inst.Class == amd64.JumpInd:
		return f.tabled
	}
	return nil
}

// inside appends a place when it is in the function.
func (f *addrFlow) inside(list []Place, id object.AtomID, off int64, ok bool) []Place {
	if !ok || id == object.NoAtom || off < 0 || uint64(off) >= f.o.Atoms[id].Size || f.o.Atoms[id].Kind != object.Func || f.o.Atoms[id].Root() != f.root {
		return list
	}
	return append(list, Place{id, uint64(off)})
}

// placesIn lists the places in the function that an atom refers to.
func (f *addrFlow) placesIn(id object.AtomID) (list []Place) {
	for i := range f.o.Atoms[id].Refs {
		r := &f.o.Atoms[id].Refs[i]
		list = f.inside(list, r.Target, r.TargetOff, true)
	}
	return list
}

// described adds the places that tables lead to: switches, static branches, fix-ups.
func (f *addrFlow) described(starts map[Place]bool) {
	for _, to := range f.tabled {
		starts[to] = true
	}
	f.edges = map[Place][]Place{}
	for _, id := range f.unit {
		list := tables.Of(f.o).Of(id)
		for i := range list {
			f.describedBy(&list[i], starts)
		}
	}
}

func (f *addrFlow) describedBy(e *tables.Entry, starts map[Place]bool) {
	if !e.Form.Row.Has(kerneltab.Leading) {
		return
	}
	from := f.inside(nil, e.Site().Target, e.Site().TargetOff, true)
	for i := range e.Refs {
		to := f.inside(nil, e.Refs[i].Target, e.Refs[i].TargetOff, i != e.Owner)
		if len(from) == 0 || len(to) == 0 {
			continue
		}
		starts[from[0]], starts[to[0]] = true, true
		f.edges[from[0]] = append(f.edges[from[0]], to[0])
	}
}
