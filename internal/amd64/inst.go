package amd64

// MaxLen is the longest instruction that a processor takes, in bytes.
const MaxLen = 15

// An Inst is the shape of one instruction: all that a comparer, a relocator or
// a patcher has to know, without its operands. Offsets are in bytes from the
// first byte of the instruction, prefixes included. The zero value has Len 0
// and stands for no instruction. Instructions of the same shape are ==.
type Inst struct {
	Len   uint8 // in bytes, 1 to 15
	Class Class
	Cond  Cond // of Jcc and LoopCC

	// PCRel is the field whose content depends on the address of the
	// instruction: a branch displacement, or the disp32 of a RIP-relative
	// operand. It counts from the end of the instruction. Length 0 when
	// there is none.
	PCRelOff, PCRelLen uint8

	// Imm is the immediate, the second one of enter, extrq and insertq
	// included; length 0 when there is none. Branch displacements are not
	// immediates.
	ImmOff, ImmLen uint8

	// Disp is the displacement of a memory operand, RIP-relative or not, or
	// the absolute address of a movabs; length 0 when there is none.
	DispOff, DispLen uint8

	OpOff    uint8 // of the opcode byte, behind prefixes and escapes
	ModRMOff uint8 // 0 when there is no ModRM byte
	Opcode   Opcode
	Prefixes Prefixes
}

// Prefixes is the set of legacy prefixes in front of an instruction, with REX.W.
// A prefix that is part of the opcode (F3 of endbr64) is in it too.
type Prefixes uint16

const (
	PrefixOpSize   Prefixes = 1 << iota // 66
	PrefixRep                           // F3: rep, xrelease, mandatory
	PrefixRepne                         // F2: repne, bnd, xacquire, mandatory
	PrefixLock                          // F0
	PrefixAddrSize                      // 67
	PrefixSegFS                         // 64
	PrefixSegGS                         // 65
	PrefixSegOld                        // 26, 2E, 36, 3E: no segments any more, but padding, hints and notrack
	PrefixREX                           // any REX
	PrefixREXW                          // REX.W, VEX.W, EVEX.W or XOP.W
)

// Has tells whether all of p are there.
func (s Prefixes) Has(p Prefixes) bool { return s&p == p }

// IsBranch tells whether the instruction is a direct branch, that is, one with
// a target in its own bytes: jmp, jcc, loop, jrcxz, call, xbegin.
func (i Inst) IsBranch() bool {
	return i.PCRelLen != 0 && i.DispLen == 0
}

// IsRIPRelative tells whether the instruction has a RIP-relative memory operand.
func (i Inst) IsRIPRelative() bool {
	return i.PCRelLen != 0 && i.DispLen != 0
}

// EndsFlow tells whether execution never continues behind the instruction: an
// unconditional jump or a return. Trap is not among them, since what follows a
// trap is for its handler to say: the kernel continues behind the ud2 of a
// WARN, and behind hlt after an interrupt.
func (i Inst) EndsFlow() bool {
	return i.Class == Jump || i.Class == JumpInd || i.Class == Ret
}

// Target returns the absolute target of a direct branch, for the instruction
// whose bytes b starts with and that stands at pc. It is false for everything
// else, and when b is cut off.
func (i Inst) Target(b []byte, pc uint64) (uint64, bool) {
	if !i.IsBranch() || len(b) < int(i.Len) {
		return 0, false
	}
	return i.PCRel(b, pc), true
}

// Operand returns the absolute address of a RIP-relative memory operand, for
// the instruction whose bytes b starts with and that stands at pc. With an
// address size prefix it is an address of 32 bits; the base of %fs or %gs is
// not added. It is false for everything else, and when b is cut off.
func (i Inst) Operand(b []byte, pc uint64) (uint64, bool) {
	if !i.IsRIPRelative() || len(b) < int(i.Len) {
		return 0, false
	}
	a := i.PCRel(b, pc)
	if i.Prefixes.Has(PrefixAddrSize) {
		a = uint64(uint32(a))
	}
	return a, true
}

// PCRel returns the address that the field at PCRelOff means, of an instruction that has
// one and stands at pc: where a branch leads, or what an operand is.
func (i Inst) PCRel(b []byte, pc uint64) uint64 {
	f := b[i.PCRelOff:]
	end := pc + uint64(i.Len)
	if i.PCRelLen == 1 {
		return end + uint64(int8(f[0]))
	}
	return end + uint64(int32(le32(f)))
}

func le32(b []byte) uint32 {
	_ = b[3]
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}
