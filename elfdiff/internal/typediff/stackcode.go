package typediff

import (
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// callees is who calls whom in an object.
type callees struct {
	of    map[object.AtomID][]object.AtomID // the callers of each function; of a cold part its owner
	taken map[object.AtomID]bool            // functions whose address is taken
	// foreign are the registers for arguments, a bit for each in their order, that
	// held what came from memory or from another function at a call of each.
	foreign map[object.AtomID]uint8
	// uses are where code takes the address of a function, or of a constant, and
	// tables the constants that have that of a function.
	uses   map[object.AtomID][]addressUse
	tables map[object.AtomID][]object.AtomID
}

// addressUse is a place where an address is taken.
type addressUse struct {
	by object.AtomID
	// walks is set where the address goes, with one on the stack, to a function
	// that calls it before it returns.
	walks bool
}

// onItsWay is an address that was loaded, and a call has not come yet.
type onItsWay struct {
	to       object.AtomID
	reg      uint8
	argument bool // it is in a register for arguments, and went nowhere else
}

// walkers are parts of the names of functions that call what they are given for each of
// many things, and return behind the last: by convention, in the kernel and elsewhere.
var walkers = []string{"_walk", "walk_", "for_each", "foreach", "iterate"}

func walks(name string) bool {
	return slices.ContainsFunc(walkers, func(part string) bool { return strings.Contains(name, part) })
}

// passedOnly reports whether a function is called in no other way than by what walks,
// for some owners, which give it one of their variables.
func (c *callees) passedOnly(o *object.Object, f object.AtomID, owners map[object.AtomID]bool) bool {
	uses := c.uses[f]
	for _, table := range c.tables[f] {
		a := &o.Atoms[table]
		if a.Kind != object.Const || a.Anonymous() || !isStatic(o, a.Name) || c.taken[table] || len(c.uses[table]) == 0 {
			return false
		}
		uses = append(uses, c.uses[table]...)
	}
	return len(c.of[f]) == 0 && len(uses) > 0 && !slices.ContainsFunc(uses, func(u addressUse) bool { return !u.walks || !owners[u.by] })
}

// calleesOf reads all references to functions.
func calleesOf(o *object.Object) *callees {
	c := &callees{of: map[object.AtomID][]object.AtomID{}, taken: map[object.AtomID]bool{}, foreign: map[object.AtomID]uint8{}, uses: map[object.AtomID][]addressUse{}, tables: map[object.AtomID][]object.AtomID{}}
	for i := range o.Atoms {
		a := &o.Atoms[i]
		switch a.Kind {
		case object.Func:
			c.code(o, a)
		case object.Data, object.Const, object.TLS, object.Merge:
			if !a.Jumps {
				for k := range a.Refs {
					c.take(a.Refs[k].Target)
					c.tables[a.Refs[k].Target] = append(c.tables[a.Refs[k].Target], a.ID)
				}
			}
		}
	}
	return c
}

func (c *callees) take(id object.AtomID) {
	if id != object.NoAtom {
		c.taken[id] = true
	}
}

// code reads those of one function. What does not decode takes all that it refers to.
func (c *callees) code(o *object.Object, a *object.Atom) {
	self := a.ID
	if a.Owner != object.NoAtom {
		self = a.Owner
	}
	branch := map[uint64]bool{}
	var held origins
	var pending []onItsWay
	flush := func(walks bool) {
		for _, w := range pending {
			c.uses[w.to] = append(c.uses[w.to], addressUse{self, walks && w.argument})
		}
		pending = pending[:0]
	}
	defer flush(false)
	for k := (insn.Cursor{Object: o, Atom: a}); ; k.Advance() {
		if ok, err := k.Load(); !ok || err != nil {
			break
		}
		for i := range k.Refs {
			if k.Inst.IsBranch() {
				branch[k.Refs[i].Offset] = true
				c.foreign[k.Refs[i].Target] |= held.arguments()
			} else if id := k.Refs[i].Target; id != object.NoAtom {
				reg, ok := held.loads(&k)
				pending = append(pending, onItsWay{id, reg, ok})
			}
		}
		for i := range pending {
			if w := &pending[i]; len(k.Refs) == 0 && held.reads(&k, w.reg) || k.Inst.IsBranch() && k.Inst.Class != amd64.Call {
				w.argument = false // where the branch leads, another call may take it
			}
		}
		if call := k.Inst.Class == amd64.Call; call || k.Inst.Class == amd64.CallInd || k.Inst.EndsFlow() {
			flush(call && walks(calleeName(&k)) && held.passesStack())
		}
		held.step(&k)
	}
	for k := range a.Refs {
		r := &a.Refs[k]
		switch {
		case r.Target == object.NoAtom || o.Atoms[r.Target].Kind != object.Func:
		case branch[r.Offset]:
			c.of[r.Target] = append(c.of[r.Target], self)
		default:
			c.take(r.Target)
		}
	}
}

// gives reports whether a function gives memory, by its name.
func gives(name string) bool {
	return slices.ContainsFunc(allocators, func(part string) bool { return strings.Contains(name, part) })
}

// allocators are parts of the names of functions that give memory.
var allocators = []string{"alloc", "memdup", "cache_create", "strdup", "mmap", "sbrk"}

// copies reports whether a function may copy what it is told the size of: all but those
// that clear.
func copies(name string) bool { return !strings.HasSuffix(name, "memset") }

// handed are the numbers that a function has in registers or memory when it calls the
// next one: as they are, and as parts of sums and products.
type handed struct {
	given  map[int64]bool // to one that gives memory, by either
	copied map[int64]bool // to one that may copy, as they are
}

// maxHanded is how many numbers in front of a call are thought to be for it.
const maxHanded = 16

// read adds those of a piece of code.
func (h *handed) read(o *object.Object, a *object.Atom) {
	var plain, sums []int64
	for k := (insn.Cursor{Object: o, Atom: a}); ; k.Advance() {
		if ok, err := k.Load(); !ok || err != nil {
			return
		}
		if n, sum, ok := numberAt(&k); ok && sum {
			sums = append(sums[max(0, len(sums)-maxHanded+1):], n)
		} else if ok {
			plain = append(plain[max(0, len(plain)-maxHanded+1):], n)
		}
		call := k.Inst.Class == amd64.CallInd || k.Inst.Class == amd64.Call
		if call || k.Inst.Class == amd64.Jump && len(k.Refs) > 0 {
			h.add(calleeName(&k), plain, sums)
		}
		if call {
			plain, sums = plain[:0], sums[:0]
		}
	}
}

// add notes what is handed over to a function.
func (h *handed) add(callee string, plain, sums []int64) {
	for _, n := range plain {
		h.copied[n] = h.copied[n] || copies(callee)
		h.given[n] = h.given[n] || gives(callee)
	}
	for _, n := range sums {
		h.given[n] = h.given[n] || gives(callee)
	}
}

// numberAt returns the number that an instruction puts into a register, memory or on the
// stack: mov (b8+r, c7 /0) and push (68, 6a); or makes part of a sum or product: imul
// (69, 6b), add (81 /0, 83 /0) and lea (8d), but of a place on the stack.
func numberAt(k *insn.Cursor) (n int64, sum, ok bool) {
	b := k.Bytes()
	op, at, size := b[k.Inst.OpOff], k.Inst.ImmOff, k.Inst.ImmLen
	switch {
	case op >= 0xb8 && op <= 0xbf || op == 0xc7 || op == 0x68 || op == 0x6a:
	case op == 0x69 || op == 0x6b:
		sum = true
	case (op == 0x81 || op == 0x83) && k.Inst.ModRMOff != 0 && b[k.Inst.ModRMOff]>>3&7 == 0:
		sum = true
	case op == 0x8d && k.Inst.ModRMOff != 0 && b[k.Inst.ModRMOff]&7 != 4 && b[k.Inst.ModRMOff]&7 != 5:
		sum, at, size = true, k.Inst.DispOff, k.Inst.DispLen
	default:
		return 0, false, false
	}
	if size == 0 || k.Relocates(at) {
		return 0, false, false
	}
	return Signed(b[at : at+size]), sum, true
}

// calleeName names what the branch leads to, "" where nobody knows.
func calleeName(k *insn.Cursor) string {
	for i := range k.Refs {
		if r := &k.Refs[i]; r.Target != object.NoAtom {
			return k.Object.Atoms[r.Target].Name
		} else {
			return k.Object.Symbols()[r.Sym].Name
		}
	}
	return ""
}

// origins says which registers hold what was read from memory, but for the stack, or
// what another function returned: it is followed from one instruction to the next.
type origins struct {
	foreign [16]bool
	frame   [16]bool // an address on the stack
}

// argumentOrder are those of the psABI, section 3.2.3: %rdi, %rsi, %rdx, %rcx, %r8, %r9.
var argumentOrder = [...]uint8{7, 6, 2, 1, 8, 9}

func (h *origins) arguments() (mask uint8) {
	for i, r := range argumentOrder {
		if h.foreign[r] {
			mask |= 1 << i
		}
	}
	return mask
}

// operandsOf returns the opcode and the registers of an instruction with a ModRM byte
// behind it, and whether its operand is a register too.
func operandsOf(k *insn.Cursor) (op, reg, rm uint8, direct, ok bool) {
	b := k.Bytes()
	op = b[k.Inst.OpOff]
	if k.Inst.ModRMOff == 0 || k.Inst.ModRMOff != k.Inst.OpOff+1 {
		return op, 0, op&7 | rexOf(k)&1<<3, false, false
	}
	m := b[k.Inst.ModRMOff]
	return op, m>>3&7 | rexOf(k)&4<<1, m&7 | rexOf(k)&1<<3, m>>6 == 3, true
}

func rexOf(k *insn.Cursor) uint8 {
	if b := k.Bytes(); k.Inst.OpOff > 0 && b[k.Inst.OpOff-1]&0xf0 == 0x40 {
		return b[k.Inst.OpOff-1]
	}
	return 0
}

// loads returns the register for an argument that an instruction loads an address into:
// lea (8d), or mov of a number (b8+r, c7 /0).
func (h *origins) loads(k *insn.Cursor) (reg uint8, ok bool) {
	op, reg, rm, direct, modrm := operandsOf(k)
	switch {
	case op >= 0xb8 && op <= 0xbf && !modrm, op == 0xc7 && modrm && direct:
		reg = rm
	case op != 0x8d || !modrm:
		return 0, false
	}
	return reg, slices.Contains(argumentOrder[:], reg)
}

// reads reports whether an instruction may have a register go somewhere else: any but
// those that load another one with an address or a number.
func (h *origins) reads(k *insn.Cursor, r uint8) bool {
	op, reg, rm, direct, modrm := operandsOf(k)
	switch {
	case k.Inst.Class == amd64.Call || k.Inst.Class == amd64.CallInd || k.Inst.Class == amd64.Nop:
		return false
	case !modrm:
		return op >= 0x50 && op <= 0x57 && rm == r // push
	case op == 0x8b || op == 0x8d:
		return rm == r
	case op == 0x89:
		return reg == r
	case op == 0xc7:
		return !direct && rm == r
	}
	return reg == r || rm == r
}

// step follows mov (89, 8b), lea (8d), xor of a register with itself (31, 33), mov of a
// number (b8+r), and calls. What else is done to a register leaves what is known of it.
func (h *origins) step(k *insn.Cursor) {
	if k.Inst.Class == amd64.Call || k.Inst.Class == amd64.CallInd {
		*h = origins{}
		h.foreign[0] = true // %rax
		return
	}
	op, reg, rm, direct, modrm := operandsOf(k)
	if op >= 0xb8 && op <= 0xbf && !modrm {
		h.set(rm, false, false)
	}
	if !modrm {
		return
	}
	b := k.Bytes()
	m := b[k.Inst.ModRMOff]
	switch {
	case op == 0x89 && direct:
		h.set(rm, h.foreign[reg], h.frame[reg] || reg == regSP)
	case op == 0x8b && direct:
		h.set(reg, h.foreign[rm], h.frame[rm] || rm == regSP)
	case op == 0x8b:
		h.set(reg, !onFrame(m, b[k.Inst.ModRMOff:]), false)
	case op == 0x8d:
		onStack := onFrame(m, b[k.Inst.ModRMOff:])
		h.set(reg, !onStack && m&7 != 4 && h.foreign[rm], onStack)
	case (op == 0x31 || op == 0x33) && direct && reg == rm:
		h.set(reg, false, false)
	}
}

// regSP is the number of %rsp.
const regSP = 4

func (h *origins) set(reg uint8, foreign, frame bool) { h.foreign[reg], h.frame[reg] = foreign, frame }

// passesStack reports whether an argument is an address on the stack.
func (h *origins) passesStack() bool {
	return slices.ContainsFunc(argumentOrder[:], func(r uint8) bool { return h.frame[r] })
}

// onFrame reports whether an operand in memory is addressed by %rsp or %rbp.
func onFrame(m byte, b []byte) bool {
	switch {
	case m&7 == 4: // a SIB byte follows
		return len(b) > 1 && b[1]&7 == 4
	case m&7 == 5:
		return m>>6 != 0
	}
	return false
}
