package amd64

// The legacy opcode maps, laid out as in the Intel SDM, volume 2, appendix A.
// A cell says what follows the opcode byte; see the short names in opcode.go.

// formsOne is the one-byte map (table A-2).
var formsOne = [256]form{
	// 0   1   2   3   4   5   6   7   8   9   a   b   c   d   e   f
	mr, mr, mr, mr, ib, iz, xx, xx, mr, mr, mr, mr, ib, iz, xx, px, // 0
	mr, mr, mr, mr, ib, iz, xx, xx, mr, mr, mr, mr, ib, iz, xx, xx, // 1
	mr, mr, mr, mr, ib, iz, px, xx, mr, mr, mr, mr, ib, iz, px, xx, // 2
	mr, mr, mr, mr, ib, iz, px, xx, mr, mr, mr, mr, ib, iz, px, xx, // 3
	px, px, px, px, px, px, px, px, px, px, px, px, px, px, px, px, // 4 REX
	no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, no, // 5
	xx, xx, px, mr, px, px, px, px, iz, mz, ib, mb, no, no, no, no, // 6
	jb, jb, jb, jb, jb, jb, jb, jb, jb, jb, jb, jb, jb, jb, jb, jb, // 7
	mb, mz, xx, mb, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, // 8
	no, no, no, no, no, no, no, no, no, no, xx, no, no, no, no, no, // 9
	mo, mo, mo, mo, no, no, no, no, ib, iz, no, no, no, no, no, no, // a
	ib, ib, ib, ib, ib, ib, ib, ib, iv, iv, iv, iv, iv, iv, iv, iv, // b
	mb, mb, iw, no, px, px, mb, mz, en, no, iw, no, no, ib, xx, no, // c
	mr, mr, mr, mr, xx, xx, xx, no, mr, mr, mr, mr, mr, mr, mr, mr, // d
	jb, jb, jb, jb, ib, ib, ib, ib, jz, jz, xx, jb, no, no, no, no, // e
	px, no, px, px, no, no, tb, tz, no, no, no, no, no, no, mr, mr, // f
}

// forms0F is the two-byte map (table A-3).
var forms0F = [256]form{
	// 0   1   2   3   4   5   6   7   8   9   a   b   c   d   e   f
	mr, mr, mr, mr, xx, no, no, no, no, no, xx, no, xx, mr, no, sx, // 0
	mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, // 1
	mr, mr, mr, mr, xx, xx, xx, xx, mr, mr, mr, mr, mr, mr, mr, mr, // 2
	no, no, no, no, no, no, xx, no, px, xx, px, xx, xx, xx, xx, xx, // 3
	mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, // 4
	mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, // 5
	mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, // 6
	mb, mb, mb, mb, mr, mr, mr, no, eq, mr, xx, xx, mr, mr, mr, mr, // 7
	jz, jz, jz, jz, jz, jz, jz, jz, jz, jz, jz, jz, jz, jz, jz, jz, // 8
	mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, // 9
	no, no, no, mr, mb, mr, mr, mr, no, no, no, mr, mb, mr, mr, mr, // a
	mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mb, mr, mr, mr, mr, mr, // b
	mr, mr, mb, mr, mb, mb, mb, mr, no, no, no, no, no, no, no, no, // c
	mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, // d
	mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, // e
	mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, mr, // f
}

// classRanges names the opcodes that are not just Other.
var classRanges = [...]struct {
	m           Map
	first, last byte
	class       Class
}{
	{MapOne, 0x70, 0x7f, Jcc},
	{MapOne, 0x90, 0x90, Nop}, // refined
	{MapOne, 0xc2, 0xc3, Ret},
	{MapOne, 0xca, 0xcb, Ret},     // lret
	{MapOne, 0xcc, 0xcc, Trap},    // int3
	{MapOne, 0xcd, 0xcd, Syscall}, // int n
	{MapOne, 0xcf, 0xcf, Ret},     // iret
	{MapOne, 0xe0, 0xe3, LoopCC},
	{MapOne, 0xe8, 0xe8, Call},
	{MapOne, 0xe9, 0xe9, Jump},
	{MapOne, 0xeb, 0xeb, Jump},
	{MapOne, 0xf1, 0xf1, Trap}, // int1
	{MapOne, 0xf4, 0xf4, Trap}, // hlt
	{Map0F, 0x05, 0x05, Syscall},
	{Map0F, 0x07, 0x07, Ret},  // sysret
	{Map0F, 0x0b, 0x0b, Trap}, // ud2
	{Map0F, 0x18, 0x1f, Nop},  // reserved hints, partly taken by now: refined
	{Map0F, 0x34, 0x34, Syscall},
	{Map0F, 0x35, 0x35, Ret}, // sysexit
	{Map0F, 0x80, 0x8f, Jcc},
	{Map0F, 0xaa, 0xaa, Ret},  // rsm
	{Map0F, 0xb9, 0xb9, Trap}, // ud1
	{Map0F, 0xff, 0xff, Trap}, // ud0
}

// A refinement gives a class to part of an opcode's encodings. Rows of one
// opcode stand together, and the first that matches wins.
type refinement struct {
	op          Opcode
	prefixes    uint8 // as in entry.mask
	mask, value byte  // of the ModRM byte
	class       Class
}

const anyPrefix = 15

var refinements = [...]refinement{
	{opcode(MapOne, 0x90), 4, 0, 0, Other}, // pause
	{opcode(MapOne, 0xc7), anyPrefix, 0xff, 0xf8, TxBegin},
	{opcode(MapOne, 0xff), anyPrefix, 0x38, 0x10, CallInd},
	{opcode(MapOne, 0xff), anyPrefix, 0x38, 0x18, CallInd}, // lcall
	{opcode(MapOne, 0xff), anyPrefix, 0x38, 0x20, JumpInd},
	{opcode(MapOne, 0xff), anyPrefix, 0x38, 0x28, JumpInd}, // ljmp
	{opcode(Map0F, 0x01), anyPrefix, 0xff, 0xc1, Syscall},  // vmcall
	{opcode(Map0F, 0x01), anyPrefix, 0xff, 0xd9, Syscall},  // vmmcall, vmgexit
	{opcode(Map0F, 0x01), 2, 0xff, 0xcc, Syscall},          // tdcall
	{opcode(Map0F, 0x01), 2, 0xff, 0xcd, Ret},              // seamret
	{opcode(Map0F, 0x01), 2, 0xff, 0xcf, Syscall},          // seamcall
	{opcode(Map0F, 0x01), 4 | 8, 0xff, 0xca, Ret},          // eretu, erets
	{opcode(Map0F, 0x01), 4, 0xff, 0xec, Ret},              // uiret
	{opcode(Map0F, 0x18), anyPrefix, 0xc0, 0xc0, Nop},
	{opcode(Map0F, 0x18), 1, 0xf7, 0x35, Other},         // prefetchit1, RIP-relative only
	{opcode(Map0F, 0x18), anyPrefix, 0x20, 0x00, Other}, // prefetchnta, t0, t1, t2
	{opcode(Map0F, 0x1a), anyPrefix, 0xc0, 0x80, Other}, // MPX, with memory: bndldx, bndmov, bndcl, bndcu
	{opcode(Map0F, 0x1a), anyPrefix, 0xc0, 0x40, Other},
	{opcode(Map0F, 0x1a), anyPrefix, 0xc0, 0x00, Other},
	{opcode(Map0F, 0x1a), 2 | 4 | 8, 0, 0, Other},       // with registers: bndmov, bndcl, bndcu
	{opcode(Map0F, 0x1b), anyPrefix, 0xc0, 0x80, Other}, // bndstx, bndmov, bndmk, bndcn
	{opcode(Map0F, 0x1b), anyPrefix, 0xc0, 0x40, Other},
	{opcode(Map0F, 0x1b), anyPrefix, 0xc0, 0x00, Other},
	{opcode(Map0F, 0x1b), 2 | 8, 0, 0, Other},
	{opcode(Map0F, 0x1e), 4, 0xff, 0xfa, Endbr}, // endbr64
	{opcode(Map0F, 0x1e), 4, 0xff, 0xfb, Endbr}, // endbr32
	{opcode(Map0F, 0x1e), 4, 0xf8, 0xc8, Other}, // rdssp
	{opcode(Map0F, 0x1c), 1, 0xf8, 0x00, Other}, // cldemote
}
