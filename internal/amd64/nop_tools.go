package amd64

import "bytes"

// nopForms are the nops that assemblers and the kernel emit, without prefixes
// (Intel SDM volume 2, NOP, table 4-12).
var nopForms = [...][]byte{
	{0x90},
	{0x0f, 0x1f, 0x00},
	{0x0f, 0x1f, 0x40, 0x00},
	{0x0f, 0x1f, 0x44, 0x00, 0x00},
	{0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
	{0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
}

// IsNop5 reports whether code begins with one nop of five bytes, as kernels write it. Until Linux
// 5.12 some processors have the second form (ideal_nops of arch/x86/kernel/alternative.c of
// Linux 5.10: older ones of AMD, and some of Intel).
//
//	0f 1f 44 00 00    nopl 0x0(%rax,%rax,1)
//	66 66 66 66 90    data16 data16 data16 xchg %ax,%ax
func IsNop5(b []byte) bool {
	return bytes.HasPrefix(b, []byte{0x0f, 0x1f, 0x44, 0, 0}) || bytes.HasPrefix(b, []byte{0x66, 0x66, 0x66, 0x66, 0x90})
}

// IsShortJumpFill reports whether the three bytes behind a jump that became short are filled as
// kernels do: with a nop until 6.1 (two forms, see [IsNop5]), with int3 in 6.12.
func IsShortJumpFill(b []byte) bool {
	return string(b) == "\x0f\x1f\x00" || string(b) == "\x66\x66\x90" || string(b) == "\xcc\xcc\xcc"
}

// ToolNops returns the length of the nops at the start of b, of the forms
// that tools emit, behind any number of 66 prefixes, the longest also behind 2e.
func ToolNops(b []byte) int {
	n := 0
	for n < len(b) {
		k := n
		for k < len(b) && k-n < MaxLen && (b[k] == 0x66 || b[k] == 0x2e) {
			k++
		}
		size := 0
		for _, form := range nopForms {
			if bytes.HasPrefix(b[k:], form) {
				size = len(form)
			}
		}
		if size == 0 || size < 8 && bytes.IndexByte(b[n:k], 0x2e) >= 0 {
			break
		}
		n = k + size
	}
	return n
}
