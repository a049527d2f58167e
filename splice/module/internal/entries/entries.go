// Package entries reads where the first instructions of a function lead in a kernel that runs, and
// whether livepatch is changing that.
package entries

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/image"
)

// Size is how far the call of the function tracer, or a jump, reaches into a function: it may be
// behind an ENDBR64.
const Size = amd64.EndbrSize + branchSize

// branchSize is the size of a call or a jump with a distance of 32 bits.
const branchSize = 5

// The first bytes of branches, and of a breakpoint.
const (
	call       = 0xe8
	jump       = 0xe9
	breakpoint = 0xcc
)

// tracers begin the names of what a traced function calls (arch/x86/kernel/ftrace_64.S, and
// the trampolines of ftrace as kallsyms has them).
const tracers = "ftrace_"

// branch returns the branch that a function begins with, which may stand behind an ENDBR64 or
// what the kernel writes over it, and where it leads.
func branch(img *image.Image, at uint64, first byte) (b []byte, to uint64, ok bool, err error) {
	b = make([]byte, Size)
	if err := img.ReadAddr(b, at); err != nil {
		return nil, 0, false, err
	}
	if b[0] != first {
		b, at = b[amd64.EndbrSize:], at+amd64.EndbrSize
	}
	to = at + branchSize + uint64(int64(int32(binary.LittleEndian.Uint32(b[1:]))))
	return b[:branchSize], to, b[0] == first, nil
}

// Untraced says why calls of a function do not lead to the function tracer, "" when they do.
func Untraced(img *image.Image, old uint64) string {
	b, to, ok, err := branch(img, old, call)
	switch {
	case err != nil:
		return fmt.Sprintf("its start can't be read: %v", err)
	case !ok:
		return fmt.Sprintf("a livepatch has it, and it does not begin with the call that leads there: % x", b)
	}
	for _, s := range img.SymbolsAt(to) {
		if strings.HasPrefix(s.Name, tracers) {
			return ""
		}
	}
	return fmt.Sprintf("a livepatch has it, and what it begins with calls %#x, which is not of the function tracer", to)
}

// Jump returns where a function jumps to at once; false when it does not. In kernels without
// livepatch the jump of an update stands behind what the function tracer has at the start: there it
// counts if it leads into a module that the function is not in, as no code of the compiler does.
func Jump(img *image.Image, old uint64) (to uint64, ok bool) {
	if _, to, ok, err := branch(img, old, jump); ok && err == nil {
		return to, true
	}
	at := old
	if !traced(img, at) {
		at += amd64.EndbrSize
	}
	if !traced(img, at) {
		return 0, false
	}
	_, to, ok, err := branch(img, at+branchSize, jump)
	_, from := img.ModuleAt(old)
	_, in := img.ModuleAt(to)
	return to, ok && err == nil && in != image.NoModule && in != from
}

// traced reports whether the call of the function tracer, or what stands for it, is at a place.
func traced(img *image.Image, at uint64) bool {
	var b [branchSize]byte
	if img.ReadAddr(b[:], at) != nil {
		return false
	}
	return b[0] == call || amd64.NopLen(b[:]) == branchSize // the kernel's own, while nobody traces
}

// Probed reports whether a breakpoint is among the first instructions.
func Probed(img *image.Image, old uint64) bool {
	_, _, ok, err := branch(img, old, breakpoint)
	return ok && err == nil
}

// InTransition reports whether some tasks may run other code than others: livepatch has a patch
// whose transition is under way (klp_transition_patch of kernel/livepatch/transition.c, Linux 4.12
// to 7.0).
func InTransition(img *image.Image) bool {
	if !img.IsRunning() {
		return false
	}
	for _, s := range img.Lookup("klp_transition_patch") {
		var b [8]byte
		if img.ReadAddr(b[:], s.Addr) == nil {
			return binary.LittleEndian.Uint64(b[:]) != 0
		}
	}
	return false
}

// IsExit reports whether a function is the one that runs when a module is removed. It is called
// through struct module, and an update may have another one there.
func IsExit(img *image.Image, old uint64) bool {
	for _, s := range img.SymbolsAt(old) {
		if s.Name == "cleanup_module" {
			return true
		}
	}
	return false
}
