package rewrite

import (
	"encoding/binary"

	"github.com/gosplice/gosplice/internal/amd64"
)

// Instructions of five bytes that the kernel puts in the place of a call or a jump.
const (
	Ret5 = "\xc3\xcc\xcc\xcc\xcc" // ret; int3 ...
)

// Begins reports whether code begins with an instruction.
func Begins(b []byte, with string) bool { return len(b) >= len(with) && string(b[:len(with)]) == with }

// DepthCount is the end of the padding when calls are counted
// (SKL_TMP thunks of arch/x86/kernel/callthunks.c of Linux 6.12):
//
//	65 48 c1 3d d32 05    sarq $5,%gs:x(%rip)
const DepthCount = 9

// IsDepthCount reports whether b begins with that.
func IsDepthCount(b []byte) bool {
	return len(b) >= DepthCount && b[0] == 0x65 && b[1] == 0x48 && b[2] == 0xc1 && b[3] == 0x3d && b[8] == 5
}

// IsLabel reports whether code is what a jump label can be.
func IsLabel(b []byte) bool {
	return len(b) == 5 && (b[0] == 0xe9 || amd64.IsNop5(b)) || len(b) == 2 && (b[0] == 0xeb || b[0] == 0x66 && b[1] == 0x90)
}

// IsLabelNop reports whether code is a jump label that is off.
func IsLabelNop(b []byte) bool {
	return IsLabel(b) && b[0] != 0xe9 && b[0] != 0xeb
}

// Target returns where the 4-byte displacement at the end of an instruction
// leads, which ends at p+n.
func Target(run []byte, p uint64, n int) uint64 {
	return p + uint64(n) + uint64(int64(int32(binary.LittleEndian.Uint32(run[n-4:]))))
}

// ProbePage is what kallsyms calls the pages of buffers of optimised kprobes
// (kernel/kprobes.c).
const ProbePage = "kprobe_optinsn_page"

// AltDirectCall says that the replacement is a call of what a pointer holds
// (ALT_FLAG_DIRECT_CALL of Linux 6.12).
const AltDirectCall = 2
