package amd64

// Class says what an instruction does to control flow, as far as a comparer or
// a patcher of code has to know.
type Class uint8

const (
	Other   Class = iota // anything that just continues at the next instruction
	Nop                  // NOP in all its forms: 90, 66 90, 0f 1f /n, and the reserved hint NOPs
	Jump                 // jmp rel8, jmp rel32
	JumpInd              // jmp through a register or memory, near or far
	Jcc                  // jcc rel8, jcc rel32; [Inst.Cond] says which
	LoopCC               // loop, loope, loopne, jrcxz: rel8 only
	Call                 // call rel32
	CallInd              // call through a register or memory, near or far
	Ret                  // ret, lret, iret, sysret, sysexit, uiret, eretu, erets, rsm
	Trap                 // int3, int1, ud0, ud1, ud2, hlt
	Endbr                // endbr64, endbr32
	Syscall              // syscall, sysenter, int n, vmcall, vmmcall and other ways to ask a supervisor
	TxBegin              // xbegin rel32: continues behind, or aborts to its target

	numClasses
)

// String returns the name of the class as it is spelled here.
func (c Class) String() string {
	if c < numClasses {
		return classNames[c]
	}
	return "Class(?)"
}

var classNames = [numClasses]string{
	Other:   "Other",
	Nop:     "Nop",
	Jump:    "Jump",
	JumpInd: "JumpInd",
	Jcc:     "Jcc",
	LoopCC:  "LoopCC",
	Call:    "Call",
	CallInd: "CallInd",
	Ret:     "Ret",
	Trap:    "Trap",
	Endbr:   "Endbr",
	Syscall: "Syscall",
	TxBegin: "TxBegin",
}

// A Cond is the condition of a conditional branch. Values 0 to 15 are the low
// four bits of the opcode (Intel SDM, volume 2, appendix B.1.4.7), the same in
// the short and in the near form, so that `74 xx` and `0f 84 xx xx xx xx`
// compare equal. The lowest bit negates.
type Cond uint8

// The conditions of [LoopCC] continue behind the sixteen of Jcc.
const (
	CondLoopNE Cond = 16 // e0
	CondLoopE  Cond = 17 // e1
	CondLoop   Cond = 18 // e2
	CondRCXZ   Cond = 19 // e3, ecx with an address size prefix

	numConds = 20
)

// String returns the suffix that objdump prints: "e" for je; for the loops it
// is the whole mnemonic.
func (c Cond) String() string {
	if c < numConds {
		return condNames[c]
	}
	return "?"
}

var condNames = [numConds]string{
	"o", "no", "b", "ae", "e", "ne", "be", "a",
	"s", "ns", "p", "np", "l", "ge", "le", "g",
	"loopne", "loope", "loop", "jrcxz",
}
