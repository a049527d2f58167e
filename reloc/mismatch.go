package reloc

import (
	"fmt"
	"io"
	"strings"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/visible"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// Reason says in which way run differs from pre.
type Reason uint8

// The reasons of a mismatch. Their names are stable; tools may rely on them.
const (
	ReasonBytes       = Reason(prove.ReasonBytes)       // an instruction or its operands differ
	ReasonBranch      = Reason(prove.ReasonBranch)      // a branch leads to another place of the function
	ReasonContent     = Reason(prove.ReasonContent)     // a constant or string that the function refers to differs
	ReasonImplausible = Reason(prove.ReasonImplausible) // a reference leads to memory of the wrong kind
	ReasonSymbol      = Reason(prove.ReasonSymbol)      // a reference leads to something else than the symbol that it names
	ReasonConflict    = Reason(prove.ReasonConflict)    // two references give one symbol different values
	ReasonRedirected  = Reason(prove.ReasonRedirected)  // the function begins with a jump that pre doesn't have
	ReasonBreakpoint  = Reason(prove.ReasonBreakpoint)  // a breakpoint (int3) stands where pre has an instruction
	ReasonUnreadable  = Reason(prove.ReasonUnreadable)  // run memory can't be read
	ReasonUnsupported = Reason(prove.ReasonUnsupported) // a relocation of a type that can't be solved
	ReasonTable       = Reason(prove.ReasonTable)       // a table of the kernel says something else about a place (bugs, faults)
)

var reasonNames = [...]string{
	"bytes", "branch", "content", "implausible", "symbol",
	"conflict", "redirected", "breakpoint", "unreadable", "unsupported", "table",
}

// String returns the name of the reason.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return fmt.Sprintf("reason(%d)", uint8(r))
}

// A MismatchError says where and how a function in run differs from pre. With
// %v it is one line, with %+v the instructions of both sides around the place
// as well.
type MismatchError struct {
	Func      string // name of the function in pre
	Addr      uint64 // where it stands in run
	Reason    Reason
	Offset    uint64 // of the first difference, from the start of the function in pre, bytes
	RunOffset uint64 // likewise in run; other than Offset behind a jump of another width
	Pre, Run  []byte // the instruction at Offset; of ReasonContent the differing bytes of the data
	// Target is the address that a reference or a redirection leads to, or of
	// the first differing byte of ReasonContent; 0 when there is none.
	Target uint64
	Detail string // in words, e.g. which symbol has which values
	Err    error  // of ReasonUnreadable and ReasonUnsupported

	pre, run listing
	read     *said // its texts, of one that was read
}

// listing is code to disassemble for %+v.
type listing struct {
	code []byte
	base uint64 // address of code[0], for targets
	off  uint64 // offset of code[0] in the function
	mark uint64 // offset to mark
	sym  func(uint64) (string, uint64, bool)
}

// Error implements error.
func (e *MismatchError) Error() string {
	if e.read != nil {
		return e.read.line
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s+%#x: ", e.Func, e.Offset)
	switch e.Reason {
	case ReasonBytes, ReasonBranch, ReasonBreakpoint, ReasonRedirected:
		fmt.Fprintf(&b, "%s: pre has %s, run at %#x has %s", e.Reason, e.pre.one(e.Pre), e.Addr+e.RunOffset, e.run.one(e.Run))
	case ReasonContent:
		fmt.Fprintf(&b, "content: pre has %s, run at %#x has %s", quote(e.Pre), e.Target, quote(e.Run))
	default:
		fmt.Fprintf(&b, "%s: run at %#x", e.Reason, e.Addr+e.RunOffset)
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return visible.Text(b.String())
}

// Unwrap returns Err.
func (e *MismatchError) Unwrap() error { return e.Err }

// Format implements fmt.Formatter; see [MismatchError].
func (e *MismatchError) Format(f fmt.State, verb rune) {
	if e.read != nil && verb == 'v' && f.Flag('+') {
		io.WriteString(f, e.read.full)
		return
	}
	io.WriteString(f, e.Error())
	if verb == 'v' && f.Flag('+') {
		for _, side := range []struct {
			name string
			l    *listing
		}{{"pre", &e.pre}, {"run", &e.run}} {
			if len(side.l.code) > 0 {
				fmt.Fprintf(f, "\n  %s:\n%s", side.name, side.l.text())
			}
		}
	}
}

func quote(b []byte) string {
	if len(b) > 24 {
		b = b[:24]
	}
	return fmt.Sprintf("%q", b)
}

// one disassembles the marked instruction.
func (l *listing) one(raw []byte) string {
	if i := l.mark - l.off; l.mark >= l.off && i < uint64(len(l.code)) {
		return "`" + amd64.Disasm(l.code[i:], l.base+i, l.sym) + "`"
	}
	return fmt.Sprintf("% x", raw)
}

// text disassembles everything, with offsets and bytes as objdump does.
func (l *listing) text() string {
	var b strings.Builder
	for i := 0; i < len(l.code); {
		n, text := 1, "(bad)"
		if in, err := amd64.Decode(l.code[i:]); err == nil {
			n, text = int(in.Len), amd64.Disasm(l.code[i:], l.base+uint64(i), l.sym)
		}
		off, arrow := l.off+uint64(i), "  "
		if off <= l.mark && l.mark < off+uint64(n) {
			arrow = "=>"
		}
		fmt.Fprintf(&b, "  %s %6s: %-30s %s\n", arrow, fmt.Sprintf("+%#x", off), fmt.Sprintf("% x", l.code[i:i+n]), text)
		i += n
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// newMismatch makes the error of a difference.
func newMismatch(function string, d *prove.Difference) *MismatchError {
	return &MismatchError{
		Func: function, Addr: d.Addr, Reason: Reason(d.Reason), Offset: d.Offset, RunOffset: d.RunOffset,
		Pre: d.Pre, Run: d.Run, Target: d.Target, Detail: d.Detail, Err: d.Err,
	}
}
