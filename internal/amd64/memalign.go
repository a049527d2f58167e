package amd64

// A vectorRow is a range of opcodes of one map whose operand in memory has to be
// aligned. prefixes has a bit for each mandatory prefix: 1 none, 2 66, 4 F3, 8 F2.
type vectorRow struct {
	m        Map
	lo, hi   byte
	prefixes uint8
}

// alignedSSE are the instructions of 16 bytes without VEX that fault on an operand
// that is not aligned (Intel SDM, volume 1, section 10.2.4, and the table of
// exceptions of each instruction). MOVUPS and the like, scalars and what compares
// strings do not.
var alignedSSE = []vectorRow{
	{Map0F, 0x12, 0x12, 4}, {Map0F, 0x14, 0x15, 3}, {Map0F, 0x16, 0x16, 4},
	{Map0F, 0x28, 0x29, 3}, {Map0F, 0x2b, 0x2b, 3}, {Map0F, 0x51, 0x51, 3}, {Map0F, 0x52, 0x53, 1}, {Map0F, 0x54, 0x59, 3},
	{Map0F, 0x5a, 0x5a, 2}, {Map0F, 0x5b, 0x5b, 7}, {Map0F, 0x5c, 0x5f, 3},
	{Map0F, 0x60, 0x6d, 2}, {Map0F, 0x6f, 0x6f, 2}, {Map0F, 0x70, 0x70, 14}, {Map0F, 0x74, 0x76, 2},
	{Map0F, 0x7c, 0x7d, 10}, {Map0F, 0x7f, 0x7f, 2}, {Map0F, 0xc2, 0xc2, 3}, {Map0F, 0xc6, 0xc6, 3},
	{Map0F, 0xd0, 0xd0, 10}, {Map0F, 0xd1, 0xd5, 2}, {Map0F, 0xd8, 0xe5, 2}, {Map0F, 0xe6, 0xe6, 10}, {Map0F, 0xe7, 0xef, 2},
	{Map0F, 0xf1, 0xf6, 2}, {Map0F, 0xf8, 0xfe, 2},
	{Map0F38, 0x00, 0x1f, 2}, {Map0F38, 0x28, 0x2b, 2}, {Map0F38, 0x37, 0x41, 2}, {Map0F38, 0xc8, 0xcf, 3}, {Map0F38, 0xdb, 0xdf, 2},
	{Map0F3A, 0x08, 0x09, 2}, {Map0F3A, 0x0c, 0x0f, 2}, {Map0F3A, 0x40, 0x44, 2}, {Map0F3A, 0xcc, 0xcc, 1}, {Map0F3A, 0xce, 0xdf, 2},
}

// alignedVector are those with VEX or EVEX, whose operand has to be aligned to its
// own size: the moves that say so.
var alignedVector = []vectorRow{
	{VEX0F, 0x28, 0x29, 3}, {VEX0F, 0x2b, 0x2b, 3}, {VEX0F, 0x6f, 0x6f, 2}, {VEX0F, 0x7f, 0x7f, 2}, {VEX0F, 0xe7, 0xe7, 2}, {VEX0F38, 0x2a, 0x2a, 2},
	{EVEX0F, 0x28, 0x29, 3}, {EVEX0F, 0x2b, 0x2b, 3}, {EVEX0F, 0x6f, 0x6f, 2}, {EVEX0F, 0x7f, 0x7f, 2}, {EVEX0F, 0xe7, 0xe7, 2}, {EVEX0F38, 0x2a, 0x2a, 2},
}

// alignedGroups are those where the ModRM byte decides, with the alignment in bytes:
// fxsave and xsave with their likes, cmpxchg16b.
var alignedGroups = []struct {
	op    Opcode
	regs  uint8 // a bit for each value of ModRM.reg
	w     bool  // with REX.W only
	align uint64
}{
	{opcode(Map0F, 0xae), 1<<0 | 1<<1, false, 16},
	{opcode(Map0F, 0xae), 1<<4 | 1<<5 | 1<<6, false, 64},
	{opcode(Map0F, 0xc7), 1 << 1, true, 16},
	{opcode(Map0F, 0xc7), 1<<3 | 1<<4 | 1<<5, false, 64},
}

// MemAlign returns the alignment in bytes that the instruction b starts with demands
// of its operand in memory, 1 when it has none or does not care. Prefixes that
// address anything but a vector of that size count as those that do.
func (i Inst) MemAlign(b []byte) uint64 {
	if i.ModRMOff == 0 || len(b) < int(i.Len) || b[i.ModRMOff]>>6 == 3 {
		return 1
	}
	switch m := i.Opcode.Map(); {
	case m == Map0F || m == Map0F38 || m == Map0F3A:
		if i.inRows(alignedSSE, i.mandatory()) {
			return 16
		}
		return i.groupAlign(b[i.ModRMOff] >> 3 & 7)
	case m >= VEX0F:
		if pp, size := i.vectorSize(b); i.inRows(alignedVector, pp) {
			return size
		}
	}
	return 1
}

func (i Inst) inRows(rows []vectorRow, pp uint8) bool {
	for _, r := range rows {
		if r.m == i.Opcode.Map() && i.Opcode.Byte() >= r.lo && i.Opcode.Byte() <= r.hi && r.prefixes>>pp&1 != 0 {
			return true
		}
	}
	return false
}

// mandatory returns the number of the mandatory prefix: of F2 and F3 either, then 66.
func (i Inst) mandatory() uint8 {
	switch {
	case i.Prefixes.Has(PrefixRepne):
		return 3
	case i.Prefixes.Has(PrefixRep):
		return 2
	case i.Prefixes.Has(PrefixOpSize):
		return 1
	}
	return 0
}

func (i Inst) groupAlign(reg byte) uint64 {
	for _, g := range alignedGroups {
		if g.op == i.Opcode && g.regs>>reg&1 != 0 && (!g.w || i.Prefixes.Has(PrefixREXW)) && i.mandatory() == 0 {
			return g.align
		}
	}
	return 1
}

// vectorSize returns the mandatory prefix of an instruction with VEX or EVEX, and
// the bytes of its vectors (Intel SDM, volume 2, sections 2.3.5 and 2.7.1).
func (i Inst) vectorSize(b []byte) (pp uint8, size uint64) {
	last := b[i.OpOff-1] // of the prefix
	if i.Opcode.Map() < EVEX0F {
		return last & 3, 16 << (last >> 2 & 1)
	}
	return b[i.OpOff-2] & 3, 16 << (last >> 5 & 3)
}

// Base returns the number of the register that the operand in memory of the
// instruction b starts with is based on: 4 of %rsp, 5 of %rbp. It is false where
// there is none, such as for RIP-relative operands.
func (i Inst) Base(b []byte) (reg uint8, ok bool) {
	if i.ModRMOff == 0 || len(b) < int(i.Len) {
		return 0, false
	}
	mod, rm := b[i.ModRMOff]>>6, b[i.ModRMOff]&7
	if mod == 3 {
		return 0, false
	}
	if rm == 4 && int(i.ModRMOff)+1 < int(i.Len) {
		rm = b[i.ModRMOff+1] & 7
	}
	return rm, mod != 0 || rm != 5
}
