package amd64

// NoReg stands for a general register that an operand does not have.
const NoReg = -1

// Operands are the registers that the ModRM and SIB bytes of an instruction name,
// and the one in the low bits of an opcode such as push's, as numbers from 0 (AX) to
// 15. Which of them the instruction reads or writes, and whether they are general
// registers, is for its opcode to say.
type Operands struct {
	Reg int // of the reg field; NoReg without ModRM
	RM  int // of the r/m field when that is a register
	Low int // of the opcode's low three bits, with REX.B
	// Memory is set when the r/m field is memory; Base and Index are its registers.
	// [Inst.IsRIPRelative] says whether it counts from the instruction's end.
	Memory      bool
	Base, Index int
}

// Operands reads the registers of the instruction that b starts with (Intel SDM
// volume 2, tables 2-2 to 2-5; section 2.3.5 for VEX, 2.7.1 for EVEX).
func (i Inst) Operands(b []byte) Operands {
	r, x, rb := i.extensions(b)
	o := Operands{Reg: NoReg, RM: NoReg, Base: NoReg, Index: NoReg, Low: int(i.Opcode.Byte()&7) | rb}
	if i.ModRMOff == 0 {
		return o
	}
	m := b[i.ModRMOff]
	mod, rm := m>>6, int(m&7)
	o.Reg = int(m>>3&7) | r
	switch {
	case mod == 3:
		o.RM = rm | rb
		return o
	case rm == 4:
		sib := b[i.ModRMOff+1]
		if n := int(sib>>3&7) | x; n != 4 {
			o.Index = n
		}
		if sib&7 != 5 || mod != 0 {
			o.Base = int(sib&7) | rb
		}
	case rm != 5 || mod != 0:
		o.Base = rm | rb
	}
	o.Memory = true
	return o
}

// Vvvv returns the register that a VEX or EVEX prefix names beside those of ModRM.
func (i Inst) Vvvv(b []byte) int {
	at := int(i.OpOff) - 1
	switch m := i.Opcode.Map(); {
	case m >= EVEX0F && m <= EVEX6:
		at--
	case m < VEX0F:
		return NoReg
	}
	return int(^b[at] >> 3 & 15)
}

// extensions returns the fourth bits of reg, index and r/m or base: 0 or 8 each.
func (i Inst) extensions(b []byte) (r, x, rb int) {
	var bits byte // R, X and B from bit 2 down
	switch m, at := i.Opcode.Map(), int(i.OpOff); {
	case m >= EVEX0F && m <= EVEX6:
		bits = ^b[at-3] >> 5
	case m > Map0F3A && b[at-2] == 0xc5:
		bits = ^b[at-1] >> 5 & 4
	case m > Map0F3A:
		bits = ^b[at-2] >> 5
	case i.Prefixes.Has(PrefixREX):
		bits = b[at-1-[...]int{0, 1, 2, 2}[m]]
	}
	return int(bits & 4 << 1), int(bits & 2 << 2), int(bits & 1 << 3)
}
