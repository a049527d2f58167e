package hazard

import (
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/symname"
)

// A code is the instructions of a function, to look backwards in.
type code struct {
	o     *object.Object
	list  []insn.Cursor  // one at each instruction
	index map[uint64]int // by their offsets
	led   map[uint64]bool
}

// maxCode bounds the instructions of a function that is looked at.
const maxCode = 1 << 14

// codeOf decodes a function. It is nil where that does not decode, or is very long.
func codeOf(o *object.Object, a *object.Atom) *code {
	c := &code{o: o, index: map[uint64]int{}, led: map[uint64]bool{}}
	k := insn.Cursor{Object: o, Atom: a}
	for len(c.list) < maxCode {
		ok, err := k.Load()
		if err != nil {
			return nil
		}
		if !ok {
			return c
		}
		c.index[k.Off] = len(c.list)
		c.list = append(c.list, k)
		if to, ok := c.branch(len(c.list) - 1); ok {
			c.led[to] = true
		}
		k.Advance()
	}
	return nil
}

// branch returns where a branch of the function leads in it.
func (c *code) branch(i int) (uint64, bool) {
	k := &c.list[i]
	if !k.Inst.IsBranch() || k.Inst.Class == amd64.Call || len(k.Refs) > 0 {
		return 0, false
	}
	return k.Inst.Target(k.Bytes(), k.Off)
}

// argument is the register of the first argument.
const argument = 7 // RDI

// kept are the registers that functions give back as they were: RBX, RBP, R12 to R15.
var kept = []int{3, 5, 12, 13, 14, 15}

// place says what the first argument of the call at an instruction leads to: the name of a variable, or where something is behind a
// pointer; "" where nothing tells.
func (c *code) place(call int) string {
	reg, add := argument, int64(0)
	for i := call - 1; i >= 0; i-- {
		if c.led[c.list[i+1].Off] || c.list[i].Inst.IsBranch() && c.list[i].Inst.Class != amd64.Call {
			return c.only(reg, add)
		}
		k := &c.list[i]
		if k.Inst.Class == amd64.Call || k.Inst.Class == amd64.CallInd {
			if !slices.Contains(kept, reg) {
				return ""
			}
			continue
		}
		switch what, from, n := sets(k, reg); what {
		case byCopy:
			reg = from
		case bySum:
			add += n
		case byAddress:
			return c.name(k, n+add)
		case byElse:
			return ""
		}
	}
	return ""
}

// only is place for a register that one instruction of the function sets, besides those that restore it.
func (c *code) only(reg int, add int64) string {
	if !slices.Contains(kept, reg) {
		return ""
	}
	found := ""
	for i := range c.list {
		k := &c.list[i]
		switch what, _, n := sets(k, reg); what {
		case byCopy, bySum, byElse:
			return ""
		case byAddress:
			at := c.name(k, n+add)
			if at == "" || found != "" && at != found {
				return ""
			}
			found = at
		}
	}
	return found
}

// name tells the place that an instruction loads the address of.
func (c *code) name(k *insn.Cursor, n int64) string {
	if len(k.Refs) > 0 {
		r := &k.Refs[0]
		name := c.o.Symbol(r.Sym).Name
		if r.Target != object.NoAtom {
			name = c.o.Atoms[r.Target].Name
		}
		if name != "" && r.TargetOff != 0 {
			return symname.Variable(name) + offset(r.TargetOff)
		}
		return symname.Variable(name)
	}
	if b := k.Inst.Operands(k.Bytes()); b.Memory && b.Base != amd64.NoReg && b.Base != stackReg && b.Index == amd64.NoReg {
		return offset(n)
	}
	return ""
}

const stackReg = 4

// How an instruction sets a register.
type setting uint8

const (
	byNothing setting = iota
	byCopy            // of another one
	bySum             // adds a number
	byAddress         // of a variable, or of what is behind a pointer
	byElse
)

// sets says how an instruction sets a register, and whether it may: what is not known is byElse.
func sets(k *insn.Cursor, reg int) (what setting, from int, n int64) {
	const (
		mov, load, lea, movImm, movImmTo, group1 = 0x89, 0x8b, 0x8d, 0xc7, 0xb8, 0x83
		push, pop                                = 0x50, 0x58
	)
	b, in := k.Bytes(), &k.Inst
	o, op := in.Operands(b), in.Opcode.Byte()
	if in.Class == amd64.Nop || in.Class == amd64.Endbr || in.Class == amd64.Trap {
		return byNothing, 0, 0
	}
	if in.Opcode.Map() == amd64.MapOne {
		switch {
		case op == mov && o.RM == reg && !o.Memory:
			return byCopy, o.Reg, 0
		case op == load && o.Reg == reg && !o.Memory:
			return byCopy, o.RM, 0
		case op == lea && o.Reg == reg:
			return byAddress, 0, number(b[in.DispOff:], in.DispLen)
		case op == movImm && o.RM == reg && len(k.Refs) > 0, op&^7 == movImmTo && o.Low == reg && len(k.Refs) > 0:
			return byAddress, 0, 0
		case (op == group1 || op == group1-2) && o.RM == reg && b[in.ModRMOff]>>3&7 == 0:
			return bySum, 0, number(b[in.ImmOff:], in.ImmLen)
		case isGroup(op): // the other field of registers is a part of the opcode
			if o.RM == reg {
				return byElse, 0, 0
			}
			return byNothing, 0, 0
		case op >= 0xa4 && op <= 0xaf && op&^1 != 0xa8: // strings
			return byElse, 0, 0
		case op&^7 == push, op&^7 == pop, onlyReads(op):
			return byNothing, 0, 0
		case op == mov || op == mov-1: // to another register, or to memory
			return byNothing, 0, 0
		}
	}
	if o.RM == reg && !o.Memory || o.Reg == reg || in.ModRMOff == 0 && o.Low == reg {
		return byElse, 0, 0
	}
	return byNothing, 0, 0
}

// onlyReads reports whether an opcode of the first map is a comparison or a test.
func onlyReads(op byte) bool { return op&^3 == 0x38 || op&^1 == 0x84 }

// isGroup reports whether an opcode of the first map has a part of it in ModRM, and one operand there.
func isGroup(op byte) bool {
	return op&^3 == 0x80 || op&^1 == 0xc0 || op&^3 == 0xd0 || op&^1 == 0xc6 || op&^1 == 0xf6 || op&^1 == 0xfe
}
