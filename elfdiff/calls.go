package elfdiff

import (
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// argumentOf returns the register that an instruction loads a constant into, or
// onStack for push $imm and for mov $imm,n(%rsp).
func argumentOf(k *cursor) (reg byte, ok bool) {
	b := k.bytes()
	switch op := b[k.in.OpOff]; {
	case op&^7 == opMovImm32 && k.in.ImmLen == 4:
		reg = loaded(k)
		return reg, slices.Contains(argumentRegisters[:], reg)
	case op == opPushImm8 || op == opPushImm32:
		return onStack, true
	case op == opMovMemImm && int(k.in.OpOff)+2 < len(b):
		modrm, sib := b[k.in.OpOff+1], b[k.in.OpOff+2]
		return onStack, modrm&0xc0 != 0xc0 && modrm&7 == 4 && sib&7 == 4
	}
	return 0, false
}

// loadsConstant reports whether an instruction is mov $imm32 to a register.
func loadsConstant(k *cursor, reg byte) bool {
	return k.in.ImmLen == 4 && k.bytes()[k.in.OpOff]&^7 == opMovImm32 && loaded(k) == reg
}

// callAfter returns a cursor at the call that the mov $imm32,%r32 at off loads
// an argument of; with text set, any instruction that loads an address.
func callAfter(o *object.Object, a *object.Atom, off uint64, text bool) (k cursor, seen []object.Ref, ok bool) {
	k = cursor{o: o, a: a, off: off}
	if ok, err := k.load(); !ok || err != nil {
		return k, nil, false
	}
	reg, argument := argumentOf(&k)
	if !text && !argument {
		return k, nil, false
	}
	k.advance()
	for range maxArguments {
		ok, err := k.load()
		switch {
		case !ok || err != nil:
			return k, nil, false
		case k.in.Class == amd64.Call || k.in.Class == amd64.CallInd:
			return k, seen, true
		case k.in.Class == amd64.Jump && len(k.refs) == 1: // a call in the end
			return k, seen, true
		case k.in.Class == amd64.Jump && len(k.refs) == 0: // calls with equal ends share one
			to, _ := k.in.Target(k.bytes(), k.off)
			if to >= a.Size {
				return k, nil, false
			}
			k = cursor{o: o, a: a, off: to}
			continue
		case k.in.EndsFlow() || k.in.IsBranch() || !text && reg != onStack && loadsConstant(&k, reg):
			return k, nil, false
		}
		seen = append(seen, k.refs...)
		k.advance()
	}
	return k, nil, false
}

// maxArguments bounds the instructions between the load of an argument and the
// call.
const maxArguments = 64

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
	onStack    = 0xff // no register
)

// argumentRegisters are those that pass arguments, in order (psABI section 3.2.3);
// others are on the stack.
var argumentRegisters = [...]byte{regDI, regSI, regDX, regCX, reg8, reg9}

// loaded returns the register that mov $imm32,%r32 loads.
func loaded(k *cursor) byte {
	b := k.bytes()
	reg := b[k.in.OpOff] & 7
	if at := int(k.in.OpOff) - 1; at >= 0 && b[at]&0xf1 == 0x41 { // REX.B
		reg |= 8
	}
	return reg
}

const (
	opPushImm8  = 0x6a
	opPushImm32 = 0x68
	opMovMemImm = 0xc7
)
