package insn

import (
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// ArgumentOf returns the register that an instruction loads a constant into, or
// onStack for push $imm and for mov $imm,n(%rsp).
func ArgumentOf(k *Cursor) (reg byte, ok bool) {
	b := k.Bytes()
	switch op := b[k.Inst.OpOff]; {
	case op&^7 == opMovImm32 && k.Inst.ImmLen == 4:
		reg = loaded(k)
		return reg, slices.Contains(ArgumentRegisters[:], reg)
	case op == opPushImm8 || op == opPushImm32:
		return OnStack, true
	case op == opMovMemImm && int(k.Inst.OpOff)+2 < len(b):
		modrm, sib := b[k.Inst.OpOff+1], b[k.Inst.OpOff+2]
		return OnStack, modrm&0xc0 != 0xc0 && modrm&7 == 4 && sib&7 == 4
	}
	return 0, false
}

// loadsConstant reports whether an instruction is mov $imm32 to a register.
func loadsConstant(k *Cursor, reg byte) bool {
	return k.Inst.ImmLen == 4 && k.Bytes()[k.Inst.OpOff]&^7 == opMovImm32 && loaded(k) == reg
}

// CallAfter returns a cursor at the call that the mov $imm32,%r32 at off loads
// an argument of; with text set, any instruction that loads an address.
func CallAfter(o *object.Object, a *object.Atom, off uint64, text bool) (k Cursor, seen []object.Ref, ok bool) {
	k = Cursor{Object: o, Atom: a, Off: off}
	if ok, err := k.Load(); !ok || err != nil {
		return k, nil, false
	}
	reg, argument := ArgumentOf(&k)
	if !text && !argument {
		return k, nil, false
	}
	k.Advance()
	for range MaxArguments {
		ok, err := k.Load()
		switch {
		case !ok || err != nil:
			return k, nil, false
		case k.Inst.Class == amd64.Call || k.Inst.Class == amd64.CallInd:
			return k, seen, true
		case k.Inst.Class == amd64.Jump && len(k.Refs) == 1: // a call in the end
			return k, seen, true
		case k.Inst.Class == amd64.Jump && len(k.Refs) == 0: // calls with equal ends share one
			to, _ := k.Inst.Target(k.Bytes(), k.Off)
			if to >= a.Size {
				return k, nil, false
			}
			k = Cursor{Object: o, Atom: a, Off: to}
			continue
		case k.Inst.EndsFlow() || k.Inst.IsBranch() || !text && reg != OnStack && loadsConstant(&k, reg):
			return k, nil, false
		}
		seen = append(seen, k.Refs...)
		k.Advance()
	}
	return k, nil, false
}

// MaxArguments bounds the instructions between the load of an argument and the
// call.
const MaxArguments = 64

// Register numbers as they stand in the opcode of mov $imm32,%r32, with the bit of
// a REX prefix.
const (
	opMovImm32 = 0xb8
	regCX      = 1
	regDX      = 2
	regSI      = 6
	regDI      = 7
	reg8       = 8
	reg9       = 9
	OnStack    = 0xff // no register
)

// ArgumentRegisters are those that pass arguments, in order (psABI section 3.2.3);
// others are on the stack.
var ArgumentRegisters = [...]byte{regDI, regSI, regDX, regCX, reg8, reg9}

// loaded returns the register that mov $imm32,%r32 loads.
func loaded(k *Cursor) byte {
	b := k.Bytes()
	reg := b[k.Inst.OpOff] & 7
	if at := int(k.Inst.OpOff) - 1; at >= 0 && b[at]&0xf1 == 0x41 { // REX.B
		reg |= 8
	}
	return reg
}

const (
	opPushImm8  = 0x6a
	opPushImm32 = 0x68
	opMovMemImm = 0xc7
)
