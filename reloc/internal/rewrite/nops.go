package rewrite

import (
	"encoding/binary"

	"github.com/gosplice/gosplice/internal/amd64"
)

// IsFilling reports whether n bytes of run are filled with nothing: nops of any
// length that end there, or, as since 6.7, a jump over int3.
//
//	0f 1f 44 00 00 66 90          nops
//	eb n-2, e9 n-5; cc cc ...     jmp over the rest
func IsFilling(run []byte, n int) bool {
	if n == 0 {
		return true
	}
	if len(run) < n {
		return false
	}
	if run = run[:n]; amd64.ToolNops(run) == n {
		return true
	}
	var rest []byte
	switch {
	case n >= 2 && run[0] == 0xeb && int(run[1]) == n-2 && n < 128+2:
		rest = run[2:]
	case n >= 5 && run[0] == 0xe9 && int(int32(binary.LittleEndian.Uint32(run[1:]))) == n-5:
		rest = run[5:]
	default:
		return false
	}
	return isInt3(rest)
}

// isInt3 reports whether bytes are nothing but int3.
func isInt3(b []byte) bool {
	for i := range b {
		if b[i] != 0xcc {
			return false
		}
	}
	return true
}

// IsPadding reports whether code is nothing but padding: nops, and int3, with which x86
// kernels fill (arch/x86/kernel/vmlinux.lds.S), and what counts calls there.
func IsPadding(b []byte) bool {
	for len(b) > 0 {
		n := amd64.ToolNops(b)
		switch {
		case n > 0:
		case b[0] == 0xcc:
			n = 1
		case IsDepthCount(b):
			n = DepthCount
		default:
			return false
		}
		b = b[n:]
	}
	return true
}
