package flow

import "github.com/gosplice/gosplice/internal/amd64"

// effect says what an instruction does with addresses.
type effect uint8

const (
	fxUnknown  effect = iota // anything: what it names is lost
	fxNone                   // nothing with general registers, or a number as result that is no address
	fxMovRM                  // r/m <- reg
	fxMovR                   // reg <- r/m
	fxMovImm                 // r/m <- imm
	fxMovLow                 // low <- imm
	fxLea                    // reg <- address of r/m
	fxOpAImm                 // AX <- AX op imm
	fxOpRM                   // r/m <- r/m op reg
	fxOpR                    // reg <- reg op r/m
	fxCmpRM                  // r/m ? reg
	fxCmpImm                 // r/m ? imm; AX ? imm
	fxGroup1                 // r/m op imm, or r/m ? imm
	fxXchg                   // r/m <-> reg
	fxXchgA                  // AX <-> low
	fxMul                    // AX, DX <- AX, DX op r/m
	fxPush                   // low
	fxPushImm                // imm
	fxPop                    // low
	fxPopRM                  // r/m
	fxLeave                  // SP <- BP, BP <- frame
	fxMovs                   // (DI) <- (SI)
	fxStos                   // (DI) <- AX
	fxLods                   // AX <- (SI)
	fxGroup5                 // inc, dec, call, jmp, push
	fxCmpxchg                // AX ? r/m, r/m <- reg
	fxCmpxchg2               // (m) <- BX, CX
	fxClearAD                // AX, DX <- a number
	fxCpuid                  // AX, BX, CX, DX <- numbers
	fxMovabsR                // AX <- (imm64)
	fxMovabsRM               // (imm64) <- AX
	fxVecLoad                // vector <- r/m that is memory, or a vector
	fxVecStore               // r/m <- vector
	fxVecFromR               // vector <- r/m
	fxVecToR                 // r/m <- vector
	fxVecBoth                // memory is read or written
)

// opRange gives the opcodes of one map from first to last an effect.
type opRange struct {
	m           amd64.Map
	first, last byte
	fx          effect
}

// opEffects is the table of effects (Intel SDM volume 2, appendix A). What is not in it
// is fxUnknown.
var opEffects = []opRange{
	{amd64.MapOne, 0x00, 0x3f, fxOpRM}, // see arithmetic
	{amd64.MapOne, 0x50, 0x57, fxPush}, {amd64.MapOne, 0x58, 0x5f, fxPop},
	{amd64.MapOne, 0x63, 0x63, fxMovR}, {amd64.MapOne, 0x68, 0x68, fxPushImm}, {amd64.MapOne, 0x6a, 0x6a, fxPushImm},
	{amd64.MapOne, 0x69, 0x69, fxMovR}, {amd64.MapOne, 0x6b, 0x6b, fxMovR},
	{amd64.MapOne, 0x70, 0x7f, fxNone}, {amd64.MapOne, 0x80, 0x83, fxGroup1}, {amd64.MapOne, 0x84, 0x85, fxNone},
	{amd64.MapOne, 0x86, 0x87, fxXchg}, {amd64.MapOne, 0x88, 0x89, fxMovRM}, {amd64.MapOne, 0x8a, 0x8b, fxMovR},
	{amd64.MapOne, 0x8d, 0x8d, fxLea}, {amd64.MapOne, 0x8f, 0x8f, fxPopRM},
	{amd64.MapOne, 0x90, 0x97, fxXchgA}, {amd64.MapOne, 0x98, 0x98, fxNone}, {amd64.MapOne, 0x99, 0x99, fxNone}, {amd64.MapOne, 0x9b, 0x9f, fxNone},
	{amd64.MapOne, 0xa0, 0xa1, fxMovabsR}, {amd64.MapOne, 0xa2, 0xa3, fxMovabsRM},
	{amd64.MapOne, 0xa4, 0xa5, fxMovs}, {amd64.MapOne, 0xa6, 0xa9, fxNone},
	{amd64.MapOne, 0xaa, 0xab, fxStos}, {amd64.MapOne, 0xac, 0xad, fxLods}, {amd64.MapOne, 0xae, 0xaf, fxNone},
	{amd64.MapOne, 0xb0, 0xbf, fxMovLow}, {amd64.MapOne, 0xc0, 0xc1, fxNone}, {amd64.MapOne, 0xc2, 0xc3, fxNone},
	{amd64.MapOne, 0xc6, 0xc7, fxMovImm}, {amd64.MapOne, 0xc9, 0xc9, fxLeave}, {amd64.MapOne, 0xcc, 0xcc, fxNone},
	{amd64.MapOne, 0xd0, 0xd3, fxNone}, {amd64.MapOne, 0xd8, 0xdf, fxNone}, {amd64.MapOne, 0xe0, 0xe3, fxNone},
	{amd64.MapOne, 0xe8, 0xe9, fxNone}, {amd64.MapOne, 0xeb, 0xeb, fxNone}, {amd64.MapOne, 0xec, 0xef, fxNone},
	{amd64.MapOne, 0xf4, 0xf5, fxNone}, {amd64.MapOne, 0xf6, 0xf7, fxMul}, {amd64.MapOne, 0xf8, 0xfd, fxNone},
	{amd64.MapOne, 0xfe, 0xff, fxGroup5},

	{amd64.Map0F, 0x00, 0x01, fxNone}, {amd64.Map0F, 0x06, 0x06, fxNone}, {amd64.Map0F, 0x08, 0x09, fxNone},
	{amd64.Map0F, 0x0b, 0x0d, fxNone}, {amd64.Map0F, 0x18, 0x1f, fxNone}, {amd64.Map0F, 0x30, 0x30, fxNone},
	{amd64.Map0F, 0x31, 0x33, fxClearAD}, {amd64.Map0F, 0x40, 0x4f, fxOpR}, // cmovcc
	{amd64.Map0F, 0x80, 0x8f, fxNone}, {amd64.Map0F, 0x90, 0x9f, fxNone}, {amd64.Map0F, 0xa2, 0xa2, fxCpuid},
	{amd64.Map0F, 0xa3, 0xa3, fxNone}, {amd64.Map0F, 0xa4, 0xa5, fxOpRM}, {amd64.Map0F, 0xab, 0xad, fxOpRM},
	{amd64.Map0F, 0xae, 0xae, fxNone}, {amd64.Map0F, 0xaf, 0xaf, fxOpR}, {amd64.Map0F, 0xb0, 0xb1, fxCmpxchg},
	{amd64.Map0F, 0xb3, 0xb3, fxOpRM}, {amd64.Map0F, 0xb6, 0xb8, fxMovR}, {amd64.Map0F, 0xb9, 0xba, fxNone},
	{amd64.Map0F, 0xbb, 0xbb, fxOpRM}, {amd64.Map0F, 0xbc, 0xbf, fxMovR}, {amd64.Map0F, 0xc0, 0xc1, fxXchg},
	{amd64.Map0F, 0xc3, 0xc3, fxMovRM}, {amd64.Map0F, 0xc7, 0xc7, fxCmpxchg2}, {amd64.Map0F, 0xc8, 0xcf, fxNone},

	{amd64.Map0F, 0x10, 0x10, fxVecLoad}, {amd64.Map0F, 0x11, 0x11, fxVecStore}, {amd64.Map0F, 0x12, 0x12, fxVecLoad},
	{amd64.Map0F, 0x13, 0x13, fxVecStore}, {amd64.Map0F, 0x14, 0x16, fxVecLoad}, {amd64.Map0F, 0x17, 0x17, fxVecStore},
	{amd64.Map0F, 0x28, 0x28, fxVecLoad}, {amd64.Map0F, 0x29, 0x29, fxVecStore}, {amd64.Map0F, 0x2a, 0x2a, fxVecFromR},
	{amd64.Map0F, 0x2b, 0x2b, fxVecStore}, {amd64.Map0F, 0x2e, 0x2f, fxVecLoad}, {amd64.Map0F, 0x51, 0x6d, fxVecLoad},
	{amd64.Map0F, 0x6e, 0x6e, fxVecFromR}, {amd64.Map0F, 0x6f, 0x70, fxVecLoad}, {amd64.Map0F, 0x71, 0x77, fxVecLoad},
	{amd64.Map0F, 0x7c, 0x7d, fxVecLoad}, {amd64.Map0F, 0x7e, 0x7e, fxVecToR}, {amd64.Map0F, 0x7f, 0x7f, fxVecStore},
	{amd64.Map0F, 0xc2, 0xc2, fxVecLoad}, {amd64.Map0F, 0xc4, 0xc4, fxVecFromR}, {amd64.Map0F, 0xc6, 0xc6, fxVecLoad},
	{amd64.Map0F, 0xd0, 0xd5, fxVecLoad}, {amd64.Map0F, 0xd6, 0xd6, fxVecStore}, {amd64.Map0F, 0xd8, 0xe6, fxVecLoad},
	{amd64.Map0F, 0xe7, 0xe7, fxVecStore}, {amd64.Map0F, 0xe8, 0xfe, fxVecLoad},
	{amd64.Map0F38, 0x00, 0xdf, fxVecLoad}, {amd64.Map0F3A, 0x08, 0x0f, fxVecLoad}, {amd64.Map0F3A, 0x14, 0x17, fxVecToR},
	{amd64.Map0F3A, 0x20, 0x20, fxVecFromR}, {amd64.Map0F3A, 0x21, 0x21, fxVecLoad}, {amd64.Map0F3A, 0x22, 0x22, fxVecFromR},
	{amd64.Map0F3A, 0x40, 0xef, fxVecLoad},
	{amd64.VEX0F, 0x10, 0x28, fxVecBoth}, {amd64.VEX0F, 0x29, 0x29, fxVecStore}, {amd64.VEX0F, 0x2b, 0x2b, fxVecStore},
	{amd64.VEX0F, 0x2e, 0x2f, fxVecLoad}, {amd64.VEX0F, 0x51, 0x6d, fxVecLoad}, {amd64.VEX0F, 0x6e, 0x6e, fxVecFromR},
	{amd64.VEX0F, 0x6f, 0x77, fxVecLoad}, {amd64.VEX0F, 0x7c, 0x7d, fxVecLoad}, {amd64.VEX0F, 0x7e, 0x7e, fxVecToR},
	{amd64.VEX0F, 0x7f, 0x7f, fxVecStore}, {amd64.VEX0F, 0xc2, 0xc2, fxVecLoad}, {amd64.VEX0F, 0xc4, 0xc4, fxVecFromR},
	{amd64.VEX0F, 0xc6, 0xc6, fxVecLoad}, {amd64.VEX0F, 0xd0, 0xd5, fxVecLoad}, {amd64.VEX0F, 0xd6, 0xd6, fxVecStore},
	{amd64.VEX0F, 0xd8, 0xe6, fxVecLoad}, {amd64.VEX0F, 0xe7, 0xe7, fxVecStore}, {amd64.VEX0F, 0xe8, 0xfe, fxVecLoad},
	{amd64.VEX0F38, 0x00, 0xdf, fxVecBoth}, {amd64.VEX0F3A, 0x00, 0x13, fxVecBoth}, {amd64.VEX0F3A, 0x14, 0x17, fxVecToR},
	{amd64.VEX0F3A, 0x18, 0x1f, fxVecBoth}, {amd64.VEX0F3A, 0x20, 0x20, fxVecFromR}, {amd64.VEX0F3A, 0x22, 0x22, fxVecFromR},
	{amd64.VEX0F3A, 0x21, 0x21, fxVecBoth}, {amd64.VEX0F3A, 0x38, 0xef, fxVecBoth},
	{amd64.EVEX0F, 0x10, 0x29, fxVecBoth}, {amd64.EVEX0F, 0x2b, 0x2b, fxVecBoth}, {amd64.EVEX0F, 0x51, 0x6d, fxVecBoth},
	{amd64.EVEX0F, 0x6e, 0x6e, fxVecFromR}, {amd64.EVEX0F, 0x6f, 0x77, fxVecBoth}, {amd64.EVEX0F, 0x7e, 0x7e, fxVecToR},
	{amd64.EVEX0F, 0x7f, 0x7f, fxVecBoth}, {amd64.EVEX0F, 0xc2, 0xc2, fxVecBoth}, {amd64.EVEX0F, 0xc6, 0xc6, fxVecBoth},
	{amd64.EVEX0F, 0xd0, 0xfe, fxVecBoth},
	{amd64.EVEX0F38, 0x00, 0x79, fxVecBoth}, {amd64.EVEX0F38, 0x7d, 0xdf, fxVecBoth}, {amd64.EVEX0F3A, 0x00, 0x13, fxVecBoth},
	{amd64.EVEX0F3A, 0x18, 0x1f, fxVecBoth}, {amd64.EVEX0F3A, 0x21, 0x21, fxVecBoth}, {amd64.EVEX0F3A, 0x23, 0xff, fxVecBoth},
}

// arithmetic are the effects of the eight forms of an operation in 00 to 3F, and of
// cmp, which is the last of them.
var (
	arithmetic = [8]effect{fxOpRM, fxOpRM, fxOpR, fxOpR, fxOpAImm, fxOpAImm, fxUnknown, fxUnknown}
	comparison = [8]effect{fxCmpRM, fxCmpRM, fxCmpRM, fxCmpRM, fxCmpImm, fxCmpImm, fxUnknown, fxUnknown}
)

// effectTable is what opEffects says, by opcode.
var effectTable = func() *[1 << 12]effect {
	var t [1 << 12]effect
	for _, r := range opEffects {
		for op := int(r.first); op <= int(r.last); op++ {
			t[int(r.m)<<8|op] = r.fx
		}
	}
	for op := range 0x40 {
		t[op] = arithmetic[op&7]
		if op>>3 == 7 {
			t[op] = comparison[op&7]
		}
	}
	return &t
}()

func effectOf(op amd64.Opcode) effect {
	if int(op) < len(effectTable) {
		return effectTable[op]
	}
	return fxUnknown
}
