package amd64

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// Disasm returns the first instruction of b, which stands at pc, as one line
// of text, close to what objdump prints in AT&T syntax:
//
//	mov    0x29ff2(%rip),%rax        # 0x2aff9 <counter+0x8>
//	jne    0x401136 <main+0x10>
//
// The text is for people: it is never empty, and never refuses. Where the
// operands of an instruction are not known the mnemonic or its bytes are
// printed, and what is no instruction is a .byte directive. Compare shapes and
// bytes, not text.
//
// sym names addresses, as name and offset from it; it may be nil.
func Disasm(b []byte, pc uint64, sym func(addr uint64) (name string, off uint64, ok bool)) string {
	in, err := Decode(b)
	if err != nil {
		if len(b) > 1 {
			b = b[:1]
		}
		return byteDirective(b)
	}
	p := printer{Inst: in, b: b[:in.Len], pc: pc, sym: sym}
	text, ok := p.branch()
	if !ok {
		text, ok = p.supplement()
	}
	if !ok {
		text, ok = p.library()
	}
	if !ok {
		return byteDirective(p.b)
	}
	if a, ok := in.Operand(p.b, pc); ok {
		text += "        # " + p.address(a)
	}
	return text
}

func byteDirective(b []byte) string {
	if len(b) == 0 {
		return ".byte"
	}
	return ".byte 0x" + strings.ReplaceAll(fmt.Sprintf("% x", b), " ", ",0x")
}

// A printer makes the text of one instruction.
type printer struct {
	Inst
	b   []byte // exactly the instruction
	pc  uint64
	sym func(uint64) (string, uint64, bool)
}

// address returns an absolute address with its symbol.
func (p *printer) address(a uint64) string {
	s := fmt.Sprintf("%#x", a)
	if p.sym == nil {
		return s
	}
	name, off, ok := p.sym(a)
	switch {
	case !ok:
		return s
	case off == 0:
		return s + " <" + name + ">"
	}
	return fmt.Sprintf("%s <%s+%#x>", s, name, off)
}

// columns joins a mnemonic, padded as objdump does, and operands.
func columns(mnemonic, operands string) string {
	if operands == "" {
		return mnemonic
	}
	return fmt.Sprintf("%-6s %s", mnemonic, operands)
}

// branch prints direct branches. x86asm is not asked, since it does not know
// all prefixes of branches and has no symbols in objdump's form.
func (p *printer) branch() (string, bool) {
	target, ok := p.Target(p.b, p.pc)
	if !ok {
		return "", false
	}
	words, hint := p.branchPrefixes()
	name := p.Cond.String()
	switch p.Class {
	case Jcc:
		name = "j" + name + hint
	case LoopCC:
		if name == "jrcxz" && p.Prefixes.Has(PrefixAddrSize) {
			name = "jecxz"
		}
	default:
		name = branchNames[p.Class]
	}
	return words + columns(name, p.address(target)), true
}

// branchPrefixes returns the prefixes as words, and the hint of a Jcc, which
// objdump prints behind the mnemonic.
func (p *printer) branchPrefixes() (words, hint string) {
	for _, c := range p.b[:p.OpOff] {
		switch {
		case c == 0x0f:
		case c == 0x2e && p.Class == Jcc:
			hint = ",pn"
		case c == 0x3e && p.Class == Jcc:
			hint = ",pt"
		case c == 0xf2:
			words += "bnd "
		case c == 0x67 && p.Class == LoopCC:
		default:
			words += prefixWord(c) + " "
		}
	}
	return words, hint
}

// prefixWord returns how objdump prints a prefix that is not part of the
// instruction.
func prefixWord(c byte) string {
	if c&0xf0 == 0x40 {
		s := "rex"
		if c != 0x40 {
			s += "."
		}
		for i, letter := range "WRXB" {
			if c<<i&8 != 0 {
				s += string(letter)
			}
		}
		return s
	}
	return map[byte]string{
		0x26: "es", 0x2e: "cs", 0x36: "ss", 0x3e: "ds", 0x64: "fs", 0x65: "gs",
		0x66: "data16", 0x67: "addr32", 0xf0: "lock", 0xf2: "repnz", 0xf3: "repz",
	}[c]
}

// library prints what x86asm knows, if it agrees that this is one instruction
// of this length. It does not know that the maps 5 and 6 of EVEX exist, and
// reads them as 1 and 2.
func (p *printer) library() (string, bool) {
	if m := p.Opcode.Map(); m == EVEX5 || m == EVEX6 {
		return "", false
	}
	x, err := x86asm.Decode(p.b, 64)
	if err != nil || x.Op == 0 || x.Len != int(p.Len) {
		return "", false
	}
	return p.polish(x86asm.GNUSyntax(x, p.pc, nil)), true
}
