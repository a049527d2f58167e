//go:build linux && amd64

package process

import (
	"encoding/binary"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/ehframe"
)

// Registers by their DWARF numbers (psABI figure 3.36).
const (
	dwRBX, dwRBP, dwRSP = 3, 6, 7
	dwR12, dwR15        = 12, 15
)

// dwarfOf maps the register numbers of instructions to those of DWARF.
var dwarfOf = [16]int{0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15}

// codeState is the stack on the way to a return.
type codeState struct {
	ip    uint64
	sp    uint64
	saved [16]uint64 // where callee-saved registers are, by DWARF number, or 0
}

// move moves the stack pointer as an instruction does. It is false for one that
// moves it by what is not known.
func (s *codeState) move(in *amd64.Inst, b []byte, regs *ehframe.Regs) bool {
	op := in.Opcode
	if op.Map() != amd64.MapOne {
		return true
	}
	rex := byte(0)
	if in.Prefixes.Has(amd64.PrefixREX) && in.OpOff > 0 {
		rex = b[in.OpOff-1]
	}
	code := op.Byte()
	switch {
	case code >= 0x50 && code <= 0x57, code == 0x68, code == 0x6a: // push
		s.sp -= 8
		return true
	case code >= 0x58 && code <= 0x5f: // pop
		return s.pop(dwarfOf[code&7|rex&1<<3])
	case code == 0xc9: // leave
		return s.fromRBP(0, regs) && s.pop(dwRBP)
	}
	if in.ModRMOff == 0 {
		return true
	}
	return s.moveByModRM(in, b, rex, regs)
}

func (s *codeState) pop(r int) bool {
	if r == dwRSP {
		return false
	}
	if s.saved[r] == 0 {
		s.saved[r] = s.sp
	}
	s.sp += 8
	return true
}

// fromRBP sets the stack pointer to a distance from the frame pointer.
func (s *codeState) fromRBP(off int64, regs *ehframe.Regs) bool {
	if regs.Undefined&(1<<dwRBP) != 0 || s.saved[dwRBP] != 0 {
		return false
	}
	s.sp = regs.R[dwRBP] + uint64(off)
	return true
}

// moveByModRM handles the instructions whose operands a ModRM byte tells.
func (s *codeState) moveByModRM(in *amd64.Inst, b []byte, rex byte, regs *ehframe.Regs) bool {
	m := b[in.ModRMOff]
	mod, reg, rm := m>>6, m>>3&7|rex>>2&1<<3, m&7|rex&1<<3
	const rsp, rbp = 4, 5
	code := in.Opcode.Byte()
	switch {
	case code == 0x8d && reg == rsp: // lea d(%rsp or %rbp),%rsp
		base := rm
		if rm&7 == rsp && mod != 3 {
			base = b[in.ModRMOff+1]&7 | rex&1<<3
			if b[in.ModRMOff+1]>>3&7 != rsp || rex&2 != 0 { // an index
				return false
			}
		}
		off := signed(b[in.DispOff:], in.DispLen)
		if base == rsp {
			s.sp += uint64(off)
			return true
		}
		return base == rbp && mod != 0 && s.fromRBP(off, regs)
	case (code == 0x81 || code == 0x83) && mod == 3 && rm == rsp:
		n := uint64(signed(b[in.ImmOff:], in.ImmLen))
		switch m >> 3 & 7 {
		case 0: // add
			s.sp += n
		case 5: // sub
			s.sp -= n
		case 7: // cmp
		default:
			return false
		}
	case code == 0x89 && mod == 3 && rm == rsp: // mov reg,%rsp
		return reg == rbp && s.fromRBP(0, regs)
	case code == 0x8b && reg == rsp: // mov r/m,%rsp
		return mod == 3 && rm == rbp && s.fromRBP(0, regs)
	case code == 0x8f: // pop m
		s.sp += 8
	case code == 0xff && m>>3&7 == 6: // push m
		s.sp -= 8
	case mod == 3 && rm == rsp && !readsOnly[code], reg == rsp && writesReg[code]:
		return false
	}
	return true
}

// readsOnly are the instructions that do not write their r/m operand; writesReg
// those that write the register that the ModRM byte names.
var (
	readsOnly = map[byte]bool{0x03: true, 0x2b: true, 0x39: true, 0x3b: true, 0x84: true, 0x85: true, 0x8b: true, 0x63: true, 0x33: true, 0x0b: true, 0x23: true}
	writesReg = map[byte]bool{0x03: true, 0x0b: true, 0x13: true, 0x1b: true, 0x23: true, 0x2b: true, 0x33: true, 0x63: true, 0x69: true, 0x6b: true, 0x87: true, 0x8d: true}
)

// signed reads a displacement or an immediate of at most 4 bytes.
func signed(b []byte, n uint8) int64 {
	switch n {
	case 1:
		return int64(int8(b[0]))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	}
	return 0
}
