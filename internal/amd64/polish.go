package amd64

import (
	"fmt"
	"strconv"
	"strings"
)

// polish brings x86asm's text to what objdump of binutils 2.40 prints: newer
// mnemonics, displacements with their sign, the scale of an index, immediates
// in the width of the operand, and no segment or index that isn't there.
func (p *printer) polish(text string) string {
	words, rest := "", text
	for {
		w, after, ok := strings.Cut(rest, " ")
		if !ok || !isPrefixWord(w) {
			break
		}
		words, rest = words+w+" ", after
	}
	name, operands, _ := strings.Cut(rest, " ")
	operands = p.polishMemory(strings.TrimSpace(operands))
	operands = p.polishImmediate(operands)
	operands = strings.ReplaceAll(operands, " ", "")
	name, operands = polishPredicate(p.polishName(name), operands)
	switch {
	case operands == "%st" || operands == "%st,%st":
		operands = "%st(0)" + operands[3:]
	case name == "ret":
		words = strings.Replace(words, "rep ", "repz ", 1)
	}
	return p.polishWords(words) + columns(name, operands)
}

// polishWords adds the segment prefixes without a meaning, which x86asm drops,
// and gives notrack its name.
func (p *printer) polishWords(words string) string {
	words = strings.Replace(words, "repn ", "repnz ", 1)
	lost := ""
	for _, c := range p.b[:p.OpOff] {
		if legacyPrefix[c] != PrefixSegOld {
			continue
		}
		w := prefixWord(c) + " "
		if c == 0x3e && (p.Class == JumpInd || p.Class == CallInd) {
			words, w = strings.Replace(words, w, "", 1), "notrack "
		}
		if strings.Count(words, w) == 0 {
			lost += w
		}
	}
	return lost + words
}

func isPrefixWord(w string) bool {
	switch w {
	case "rep", "repn", "repz", "repnz", "repe", "repne", "lock", "data16", "data32", "addr32", "bnd", "notrack",
		"xacquire", "xrelease", "cs", "ds", "es", "ss", "fs", "gs":
		return true
	}
	return strings.HasPrefix(w, "rex")
}

// newNames has the mnemonics that binutils prints differently by now.
var newNames = map[string]string{
	"lgdtl": "lgdt", "sgdtl": "sgdt", "lidtl": "lidt", "sidtl": "sidt",
	"retq": "ret", "callq": "call", "jmpq": "jmp", "leaveq": "leave", "enterq": "enter",
	"movsxd": "movslq", "cdqe": "cltq", "cqo": "cqto", "cdq": "cltd", "cwde": "cwtl", "cwd": "cwtd", "cbw": "cbtw",
	"pushfq": "pushf", "popfq": "popf", "pushq": "push", "popq": "pop",
}

// bmi are the instructions that binutils prints without a suffix.
var bmi = map[string]bool{
	"blsmsk": true, "blsr": true, "blsi": true, "bzhi": true, "sarx": true, "shlx": true, "shrx": true,
	"andn": true, "bextr": true, "mulx": true, "pdep": true, "pext": true, "rorx": true,
}

// predicates are the integer comparisons of AVX-512 that have a mnemonic.
var predicates = map[string]string{
	"0x0": "eq", "0x1": "lt", "0x2": "le", "0x4": "neq", "0x5": "nlt", "0x6": "nle",
}

// polishPredicate turns vpcmpub $0x1,... into vpcmpltub ...
func polishPredicate(name, operands string) (string, string) {
	kind, ok := strings.CutPrefix(name, "vpcmp")
	if !ok || len(strings.TrimPrefix(kind, "u")) != 1 || operands == "" || operands[0] != '$' {
		return name, operands
	}
	imm, rest, _ := strings.Cut(operands[1:], ",")
	if pred, ok := predicates[imm]; ok {
		return "vpcmp" + pred + kind, rest
	}
	return name, operands
}

func (p *printer) polishName(name string) string {
	if p.Opcode.Map() == MapOne && p.Opcode.Byte()&0xf8 == 0xb8 && p.ImmLen == 8 || p.DispLen == 8 {
		return "movabs"
	}
	if n := len(name) - 1; n > 0 && bmi[name[:n]] {
		return name[:n]
	}
	if strings.HasPrefix(name, "crc32") && p.b[p.ModRMOff] >= 0xc0 {
		return "crc32"
	}
	if s, ok := newNames[name]; ok {
		return s
	}
	return name
}

// polishMemory puts our own memory operand in the place of x86asm's. It is the
// one operand that starts like a number, an index or a segment, or is empty:
// x86asm forgets displacements of 0 and (%rip) here and there.
func (p *printer) polishMemory(operands string) string {
	depth, start := 0, 0
	for i := 0; i <= len(operands); i++ {
		switch {
		case i < len(operands) && operands[i] == '(':
			depth++
		case i < len(operands) && operands[i] == ')':
			depth--
		case i == len(operands) || operands[i] == ',' && depth == 0:
			if op := strings.TrimLeft(operands[start:i], " *"); isMemoryText(op) {
				if mem, ok := p.memory(displacementText(op)); ok {
					start = i - len(op)
					if brace := strings.IndexByte(op, '{'); brace >= 0 { // a mask
						mem += op[brace:]
					}
					return operands[:start] + mem + operands[i:]
				}
				return operands[:start] + addScale(operands[start:i]) + operands[i:]
			}
			start = i + 1
		}
	}
	return operands
}

// addScale adds the scale that x86asm leaves out when it is 1.
func addScale(op string) string {
	before, inside, ok := strings.Cut(op, "(")
	inside, after, _ := strings.Cut(inside, ")")
	if !ok || strings.Count(inside, ",") != 1 {
		return op
	}
	return before + "(" + inside + ",1)" + after
}

func isMemoryText(op string) bool {
	return op == "" || strings.ContainsRune("0123456789-(", rune(op[0])) || len(op) > 4 && op[3] == ':' || strings.HasSuffix(op, "s:")
}

// displacementText takes the displacement out of a memory operand.
func displacementText(op string) string {
	if _, after, ok := strings.Cut(op, ":"); ok {
		op = after
	}
	d, _, _ := strings.Cut(op, "(")
	return d
}

// polishImmediate prints negative immediates in the width of the operand.
func (p *printer) polishImmediate(s string) string {
	i := strings.Index(s, "$-0x")
	if i < 0 {
		return s
	}
	end := i + 4
	for end < len(s) && s[end] != ',' {
		end++
	}
	v, err := strconv.ParseUint(s[i+4:end], 16, 64)
	if err != nil {
		return s
	}
	v = -v & (1<<(8*p.operandWidth()) - 1)
	return fmt.Sprintf("%s$%#x%s", s[:i], v, s[end:])
}

// operandWidth is the size of the operand an immediate is extended to, in
// bytes. Opcodes with an even byte work on bytes where there is a choice.
func (p *printer) operandWidth() uint {
	op := p.Opcode.Byte()
	switch {
	case p.Opcode.Map() != MapOne:
		return 1
	case op == 0x68 || op == 0x6a:
		return 8
	case op != 0x69 && op != 0x6b && op&1 == 0 && op&0xf8 != 0xb8, op >= 0xb0 && op < 0xb8, op == 0xc1:
		return 1
	case p.Prefixes.Has(PrefixREXW):
		return 8
	case p.Prefixes.Has(PrefixOpSize):
		return 2
	}
	return 4
}
