package amd64

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// The general registers by number, in the four sizes.
var (
	regs64 = [16]string{"%rax", "%rcx", "%rdx", "%rbx", "%rsp", "%rbp", "%rsi", "%rdi", "%r8", "%r9", "%r10", "%r11", "%r12", "%r13", "%r14", "%r15"}
	regs32 = [16]string{"%eax", "%ecx", "%edx", "%ebx", "%esp", "%ebp", "%esi", "%edi", "%r8d", "%r9d", "%r10d", "%r11d", "%r12d", "%r13d", "%r14d", "%r15d"}
	regs16 = [16]string{"%ax", "%cx", "%dx", "%bx", "%sp", "%bp", "%si", "%di", "%r8w", "%r9w", "%r10w", "%r11w", "%r12w", "%r13w", "%r14w", "%r15w"}
)

// rexBits returns what extends the reg field, the index and the base to four
// bits, out of REX, VEX, EVEX or XOP: 0 or 8 each.
func (p *printer) rexBits() (r, x, b byte) {
	if p.Opcode.Map() <= Map0F3A {
		if !p.Prefixes.Has(PrefixREX) {
			return 0, 0, 0
		}
		i := 0
		for p.b[i]&0xf0 != 0x40 { // behind legacy prefixes
			i++
		}
		rex := p.b[i]
		return rex << 1 & 8, rex << 2 & 8, rex << 3 & 8
	}
	i := 0
	for legacyPrefix[p.b[i]] != 0 {
		i++
	}
	v := ^p.b[i+1] // the bits are inverted
	if p.b[i] == 0xc5 {
		return v >> 4 & 8, 0, 0
	}
	return v >> 4 & 8, v >> 3 & 8, v >> 2 & 8
}

// memory returns the memory operand; false when ModRM names a register, or when
// the operand can't be told without knowing the instruction, as with vector
// indices. EVEX scales a displacement of one byte by a factor that depends on
// the instruction too: scaled has the product.
func (p *printer) memory(scaled string) (string, bool) {
	if p.ModRMOff == 0 || p.b[p.ModRMOff] >= 0xc0 || opcodeMaps[p.Opcode.Map()][p.Opcode.Byte()].form&vsib != 0 {
		return "", false
	}
	_, rx, rb := p.rexBits()
	names := &regs64
	if p.Prefixes.Has(PrefixAddrSize) {
		names = &regs32
	}
	c := p.b[p.ModRMOff]
	seg, disp := p.segment(), p.displacement()
	if m := p.Opcode.Map(); m >= EVEX0F && m <= EVEX6 && p.DispLen == 1 {
		disp = scaled
	}
	if p.IsRIPRelative() {
		return seg + disp + "(" + strings.Replace("%rip", "r", names[0][1:2], 1) + ")", true
	}
	if c&7 != 4 {
		return seg + disp + "(" + names[c&7|rb] + ")", true
	}
	sib := p.b[p.ModRMOff+1]
	index, base := sib>>3&7|rx, ""
	if sib&7 != 5 || c>>6 != 0 {
		base = names[sib&7|rb]
	}
	switch {
	case index != 4:
		return fmt.Sprintf("%s%s(%s,%s,%d)", seg, disp, base, names[index], 1<<(sib>>6)), true
	case base == "": // absolute
		return seg + fmt.Sprintf("%#x", uint64(int64(int32(binary.LittleEndian.Uint32(p.b[p.DispOff:]))))), true
	case sib>>6 != 0 || base != names[4] && base != names[12]: // an index of none, which gas would not encode
		return fmt.Sprintf("%s%s(%s,%%%ciz,%d)", seg, disp, base, names[0][1], 1<<(sib>>6)), true
	}
	return seg + disp + "(" + base + ")", true
}

// displacement returns a signed number, or nothing when there is no field.
func (p *printer) displacement() string {
	var d int64
	switch p.DispLen {
	case 1:
		d = int64(int8(p.b[p.DispOff]))
	case 4:
		d = int64(int32(binary.LittleEndian.Uint32(p.b[p.DispOff:])))
	default:
		return ""
	}
	return fmt.Sprintf("%#x", d)
}

// segment returns the prefix of an operand in %fs or %gs; other segments have
// no meaning in 64-bit mode.
func (p *printer) segment() string {
	switch {
	case p.Prefixes.Has(PrefixSegGS):
		return "%gs:"
	case p.Prefixes.Has(PrefixSegFS):
		return "%fs:"
	}
	return ""
}

// general returns a general register of the operand size.
func (p *printer) general(n byte) string {
	switch {
	case p.Prefixes.Has(PrefixREXW):
		return regs64[n]
	case p.Prefixes.Has(PrefixOpSize):
		return regs16[n]
	}
	return regs32[n]
}

// operand expands one letter of a supplement row; see there.
func (p *printer) operand(letter byte) string {
	switch letter {
	case 'I':
		return fmt.Sprintf("$%#x", p.b[p.ImmOff])
	case 'J':
		return fmt.Sprintf("$%#x", binary.LittleEndian.Uint16(p.b[p.ImmOff:]))
	case 'W', 'L', 'S', 'B':
		return p.suffix(letter)
	}
	r, _, b := p.rexBits()
	c := p.b[p.ModRMOff]
	reg, rm := c>>3&7|r, c&7|b
	if mem, ok := p.memory(""); ok && strings.IndexByte("EQDMX", letter) >= 0 {
		return mem
	}
	switch letter {
	case 'E':
		return p.general(rm)
	case 'G':
		return p.general(reg)
	case 'Q', 'M':
		return regs64[rm]
	case 'D':
		return regs32[rm]
	case 'A': // the size of an address
		if p.Prefixes.Has(PrefixAddrSize) {
			return regs32[reg]
		}
		return regs64[reg]
	case 'R':
		return regs64[reg]
	case 'X':
		return fmt.Sprintf("%%xmm%d", rm)
	case 'V':
		return fmt.Sprintf("%%xmm%d", reg)
	}
	return "?"
}

// suffix expands a letter that stands for the suffix of a mnemonic.
func (p *printer) suffix(letter byte) string {
	isMem := p.ModRMOff != 0 && p.b[p.ModRMOff] < 0xc0
	switch {
	case letter == 'S' && !isMem:
		return ""
	case p.Prefixes.Has(PrefixREXW):
		return "q"
	case letter == 'B' && p.Prefixes.Has(PrefixOpSize):
		return "w"
	case letter == 'B':
		return ""
	case letter == 'W':
		return "d"
	}
	return "l"
}
