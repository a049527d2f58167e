package elfdiff

import (
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/amd64"
)

// callees is who calls whom in an object.
type callees struct {
	of    map[AtomID][]AtomID // the callers of each function; of a cold part its owner
	taken map[AtomID]bool     // functions whose address is taken
	// foreign are the registers for arguments, a bit for each in their order, that
	// held what came from memory or from another function at a call of each.
	foreign map[AtomID]uint8
}

// callees reads all references to functions.
func (o *Object) callees() *callees {
	c := &callees{of: map[AtomID][]AtomID{}, taken: map[AtomID]bool{}, foreign: map[AtomID]uint8{}}
	for i := range o.Atoms {
		a := &o.Atoms[i]
		switch a.Kind {
		case Func:
			c.code(o, a)
		case Data, Const, TLS, Merge:
			if !a.Jumps {
				for k := range a.Refs {
					c.take(a.Refs[k].Target)
				}
			}
		}
	}
	return c
}

func (c *callees) take(id AtomID) {
	if id != NoAtom {
		c.taken[id] = true
	}
}

// code reads those of one function. What does not decode takes all that it refers to.
func (c *callees) code(o *Object, a *Atom) {
	self := a.ID
	if a.Owner != NoAtom {
		self = a.Owner
	}
	branch := map[uint64]bool{}
	var held origins
	for k := (cursor{o: o, a: a}); ; k.advance() {
		if ok, err := k.load(); !ok || err != nil {
			break
		}
		for i := range k.refs {
			if k.in.IsBranch() {
				branch[k.refs[i].Offset] = true
				c.foreign[k.refs[i].Target] |= held.arguments()
			}
		}
		held.step(&k)
	}
	for k := range a.Refs {
		r := &a.Refs[k]
		switch {
		case r.Target == NoAtom || o.Atoms[r.Target].Kind != Func:
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
func (h *handed) read(o *Object, a *Atom) {
	var plain, sums []int64
	for k := (cursor{o: o, a: a}); ; k.advance() {
		if ok, err := k.load(); !ok || err != nil {
			return
		}
		if n, sum, ok := k.number(); ok && sum {
			sums = append(sums[max(0, len(sums)-maxHanded+1):], n)
		} else if ok {
			plain = append(plain[max(0, len(plain)-maxHanded+1):], n)
		}
		call := k.in.Class == amd64.CallInd || k.in.Class == amd64.Call
		if call || k.in.Class == amd64.Jump && len(k.refs) > 0 {
			h.add(k.calleeName(), plain, sums)
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

// number returns the number that an instruction puts into a register, memory or on the
// stack: mov (b8+r, c7 /0) and push (68, 6a); or makes part of a sum or product: imul
// (69, 6b), add (81 /0, 83 /0) and lea (8d), but of a place on the stack.
func (k *cursor) number() (n int64, sum, ok bool) {
	b := k.bytes()
	op, at, size := b[k.in.OpOff], k.in.ImmOff, k.in.ImmLen
	switch {
	case op >= 0xb8 && op <= 0xbf || op == 0xc7 || op == 0x68 || op == 0x6a:
	case op == 0x69 || op == 0x6b:
		sum = true
	case (op == 0x81 || op == 0x83) && k.in.ModRMOff != 0 && b[k.in.ModRMOff]>>3&7 == 0:
		sum = true
	case op == 0x8d && k.in.ModRMOff != 0 && b[k.in.ModRMOff]&7 != 4 && b[k.in.ModRMOff]&7 != 5:
		sum, at, size = true, k.in.DispOff, k.in.DispLen
	default:
		return 0, false, false
	}
	if size == 0 || k.relocates(at) {
		return 0, false, false
	}
	return signed(b[at : at+size]), sum, true
}

// calleeName names what the branch leads to, "" where nobody knows.
func (k *cursor) calleeName() string {
	for i := range k.refs {
		if r := &k.refs[i]; r.Target != NoAtom {
			return k.o.Atoms[r.Target].Name
		} else {
			return k.o.symbols[r.Sym].Name
		}
	}
	return ""
}

// origins says which registers hold what was read from memory, but for the stack, or
// what another function returned: it is followed from one instruction to the next.
type origins [16]bool

// argumentOrder are those of the psABI, section 3.2.3: %rdi, %rsi, %rdx, %rcx, %r8, %r9.
var argumentOrder = [...]uint8{7, 6, 2, 1, 8, 9}

func (h *origins) arguments() (mask uint8) {
	for i, r := range argumentOrder {
		if h[r] {
			mask |= 1 << i
		}
	}
	return mask
}

// step follows mov (89, 8b), lea (8d), xor of a register with itself (31, 33), mov of a
// number (b8+r), and calls. What else is done to a register leaves what is known of it.
func (h *origins) step(k *cursor) {
	if k.in.Class == amd64.Call || k.in.Class == amd64.CallInd {
		*h = origins{0: true} // %rax
		return
	}
	b := k.bytes()
	op, rex := b[k.in.OpOff], uint8(0)
	if k.in.OpOff > 0 && b[k.in.OpOff-1]&0xf0 == 0x40 {
		rex = b[k.in.OpOff-1]
	}
	if op >= 0xb8 && op <= 0xbf {
		h[op&7|rex&1<<3] = false
		return
	}
	if k.in.ModRMOff == 0 || k.in.ModRMOff != k.in.OpOff+1 {
		return
	}
	m := b[k.in.ModRMOff]
	reg, rm, direct := m>>3&7|rex&4<<1, m&7|rex&1<<3, m>>6 == 3
	switch {
	case op == 0x89 && direct:
		h[rm] = h[reg]
	case op == 0x8b && direct:
		h[reg] = h[rm]
	case op == 0x8b:
		h[reg] = !onFrame(m, b[k.in.ModRMOff:])
	case op == 0x8d:
		h[reg] = !onFrame(m, b[k.in.ModRMOff:]) && m&7 != 4 && h[rm]
	case (op == 0x31 || op == 0x33) && direct && reg == rm:
		h[reg] = false
	}
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
