package fixes

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
)

// entrySize is how far the call of the function tracer, or a jump, reaches into a function: it is
// behind an ENDBR64.
const entrySize = amd64.EndbrSize + branchSize

// branchSize is the size of a call or a jump with a distance of 32 bits.
const branchSize = 5

// tracers begin the names of what a traced function calls (arch/x86/kernel/ftrace_64.S, and
// the trampolines of ftrace as kallsyms has them).
const tracers = "ftrace_"

// entry says why a function that a livepatch replaces is not left at its start, "" when it is:
// the call of the function tracer has to be on.
func (m *matching) entry(to *reloc.Redirect, old uint64) string {
	if to.Kind != image.PatchLivepatch {
		return "" // the jump is what was followed
	}
	p, ok := m.img.LivepatchAt(old)
	if !ok {
		return "livepatch's list has another function"
	}
	b := make([]byte, entrySize)
	if err := m.img.ReadAddr(b, p.Old); err != nil {
		return fmt.Sprintf("its start can't be read: %v", err)
	}
	at := p.Old
	const call = 0xe8
	if b[0] != call { // an ENDBR64, or what the kernel writes over it
		b, at = b[amd64.EndbrSize:], at+amd64.EndbrSize
	}
	if b[0] != call {
		return fmt.Sprintf("a livepatch has it, and it does not begin with the call that leads there: % x at %#x", b[:branchSize], at)
	}
	target := at + branchSize + uint64(int64(int32(binary.LittleEndian.Uint32(b[1:]))))
	for _, s := range m.img.SymbolsAt(target) {
		if strings.HasPrefix(s.Name, tracers) {
			return ""
		}
	}
	return fmt.Sprintf("a livepatch has it, and what it begins with calls %#x, which is not of the function tracer", target)
}
