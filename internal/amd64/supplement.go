package amd64

import "strings"

// A textRow is the text of encodings that x86asm does not know, gets wrong, or
// prints in a way nobody would recognise. The first row that matches wins.
//
// In text, a letter behind % stands for an operand of ModRM:
//
//	%E %G  r/m and reg, general registers of the operand size
//	%D     r/m as 32 bits; %Q r/m as 64 bits; %R reg as 64 bits
//	%M     memory; %A reg with the size of an address
//	%X %V  r/m and reg as %xmm
//	%I     the immediate, one byte
//	%J     the immediate, two bytes
//
// or, behind the mnemonic, for the suffix of the operand size:
//
//	%W     d or q
//	%L     l or q; %S the same, but only when r/m is memory
//	%B     q, w or nothing
type textRow struct {
	op          Opcode
	prefixes    uint8 // as in entry.mask
	mask, value byte  // of the ModRM byte; mask 0xff..0xc0 with value >= 0xc0 asks for registers
	operand     operandKind
	text        string
}

// operandKind restricts a row to memory or register operands.
type operandKind uint8

const (
	anyOperand operandKind = iota
	memOperand
	regOperand
)

// supplement finds the row of the instruction.
func (p *printer) supplement() (string, bool) {
	if p.Class == Nop {
		return p.nop(), true
	}
	var c byte
	if p.ModRMOff != 0 {
		c = p.b[p.ModRMOff]
	}
	pp := p.mandatory()
	for i := range supplementRows {
		r := &supplementRows[i]
		if r.op != p.Opcode || r.prefixes>>pp&1 == 0 || c&r.mask != r.value {
			continue
		}
		if r.operand == memOperand && c >= 0xc0 || r.operand == regOperand && c < 0xc0 {
			continue
		}
		return p.expand(r.text), true
	}
	return "", false
}

// mandatory returns the mandatory prefix in the numbers of the decoder.
func (p *printer) mandatory() uint8 {
	d := decoder{b: p.b, in: new(Inst)}
	_ = d.decode() // has been decoded before
	return d.pp
}

// expand puts the operands in place and the mnemonic in its column.
func (p *printer) expand(text string) string {
	name, operands, _ := strings.Cut(text, " ")
	if base, suffix, ok := strings.Cut(name, "%"); ok {
		name = base + p.operand(suffix[0])
	}
	var s strings.Builder
	for i := 0; i < len(operands); i++ {
		if operands[i] == '%' && operands[i+1] >= 'A' && operands[i+1] <= 'Z' {
			i++
			s.WriteString(p.operand(operands[i]))
			continue
		}
		s.WriteByte(operands[i])
	}
	return columns(name, s.String())
}

// nop prints 90, 0f 1f and the hint NOPs in the words of objdump, in which the
// prefix 66 nearest to the opcode is the w of nopw.
func (p *printer) nop() string {
	end := int(p.OpOff)
	if p.Opcode.Map() == Map0F {
		end--
	}
	sized := p.Prefixes.Has(PrefixOpSize) && !p.Prefixes.Has(PrefixREXW)
	words := ""
	for i, seen := 0, false; i < end; i++ {
		c := p.b[i]
		switch {
		case c == 0x66 && sized && !seen:
			seen = true
		case c&0xf0 == 0x40 && p.Opcode.Map() == Map0F && c&^0x0b == 0x40: // its bits are in the operand
		case (c == 0x64 || c == 0x65) && p.ModRMOff != 0:
		default:
			words += prefixWord(c) + " "
		}
	}
	if p.ModRMOff == 0 {
		if sized {
			return words + columns("xchg", "%ax,%ax")
		}
		return words + "nop"
	}
	mem, ok := p.memory("")
	if !ok {
		return words + columns("nop", p.operand('E'))
	}
	name := "nopl"
	switch {
	case p.Prefixes.Has(PrefixREXW):
		name = "nopq"
	case sized:
		name = "nopw"
	}
	return words + columns(name, mem)
}
