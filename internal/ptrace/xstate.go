//go:build linux && amd64

package ptrace

import (
	"encoding/binary"
	"math/bits"

	"golang.org/x/sys/unix"
)

// cpuid executes the CPUID instruction.
func cpuid(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

// The layout of an XSAVE area in standard format (Intel SDM vol. 1, 13.4), and
// what the kernel puts into the bytes that are left to software when it writes
// the area to a signal frame (struct _fpx_sw_bytes in the kernel's
// arch/x86/include/uapi/asm/sigcontext.h).
const (
	fxsaveSize  = 512
	xheaderSize = 64
	legacySize  = fxsaveSize + xheaderSize

	offSwMagic1       = 464 // u32
	offSwExtendedSize = 468 // u32, state and second magic
	offSwXfeatures    = 472 // u64
	offSwXstateSize   = 480 // u32
	swSize            = 48
	offXstateBV       = 512 // u64 in the header: which components are not in their initial state

	magic1     = 0x46505853
	magic2     = 0x46505845
	magic2Size = 4

	featuresLegacy = 3 // x87 and SSE, which the first 512 bytes hold
	featurePKRU    = 9
)

// component returns where a state component lies in the standard format.
func component(i int) (offset, size uint32) {
	size, offset, _, _ = cpuid(0xd, uint32(i))
	return offset, size
}

// extendedState reads a thread's x87, SSE, AVX, ... registers in the form that
// rt_sigreturn takes.
//
// Only components that are in use are declared: the others get their initial
// state, which is what they have. So the area never exceeds what the kernel
// allows the thread, which matters for AMX, whose 8 KB the register set has even
// for threads without the permission to use it.
func extendedState(tid int) ([]byte, error) {
	buf := make([]byte, 16<<10)
	for {
		n, err := getRegset(tid, ntX86Xstate, buf)
		if te, ok := err.(*ThreadError); ok && (te.Err == unix.ENODEV || te.Err == unix.EINVAL) {
			return legacyState(tid)
		}
		if err != nil {
			return nil, err
		}
		if n < len(buf) {
			return signalFormat(buf[:n]), nil
		}
		buf = make([]byte, 2*len(buf))
	}
}

// legacyState is extendedState for a CPU without XSAVE.
func legacyState(tid int) ([]byte, error) {
	buf := make([]byte, fxsaveSize)
	if err := getFPRegs(tid, buf); err != nil {
		return nil, err
	}
	clear(buf[offSwMagic1 : offSwMagic1+swSize])
	return buf, nil
}

// signalFormat turns the register set NT_X86_XSTATE into what a signal frame
// holds. It works in place, and on a part of the slice's capacity.
func signalFormat(x []byte) []byte {
	le := binary.LittleEndian
	used := le.Uint64(x[offXstateBV:])
	// PKRU is not in its initial state when it is not 0. The kernel may keep
	// it outside of the area whose header this is.
	if off, size := component(featurePKRU); size >= 4 && int(off+size) <= len(x) && le.Uint32(x[off:]) != 0 {
		used |= 1 << featurePKRU
		le.PutUint64(x[offXstateBV:], used)
	}
	size := uint32(legacySize)
	for rest := used &^ featuresLegacy; rest != 0; rest &= rest - 1 {
		off, n := component(bits.TrailingZeros64(rest))
		size = max(size, off+n)
	}
	out := append(x[:size:size], 0, 0, 0, 0)
	le.PutUint32(out[size:], magic2)
	clear(out[offSwMagic1 : offSwMagic1+swSize])
	le.PutUint32(out[offSwMagic1:], magic1)
	le.PutUint32(out[offSwExtendedSize:], size+magic2Size)
	le.PutUint64(out[offSwXfeatures:], used|featuresLegacy)
	le.PutUint32(out[offSwXstateSize:], size)
	return out
}
