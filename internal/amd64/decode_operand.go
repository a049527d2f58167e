package amd64

// modrm reads the ModRM byte, the SIB byte and the displacement (Intel SDM,
// volume 2, tables 2-2 and 2-3, as changed by 64-bit mode: mod 0, r/m 5 is
// RIP-relative), and settles what depends on ModRM.
func (d *decoder) modrm(e *entry) *stop {
	c, ok := d.next()
	if !ok {
		return stopCut
	}
	d.in.ModRMOff = uint8(d.n - 1)
	if e.rule != 0 && modrmRules[e.rule-1].prefixesFor(c)>>d.pp&1 == 0 {
		return stopModRM
	}
	if e.refine != 0 {
		d.refine(e, c)
	}
	mod, rm := c>>6, c&7
	if e.form&vsib != 0 && (mod == 3 || rm != 4) {
		return stopModRM
	}
	if mod == 3 || d.in.Opcode >= opcode(Map0F, 0x20) && d.in.Opcode <= opcode(Map0F, 0x23) {
		return nil // for control and debug registers mod is ignored
	}
	size := [4]uint8{0, 1, 4, 0}[mod]
	switch {
	case rm == 4:
		sib, ok := d.next()
		if !ok {
			return stopCut
		}
		if mod == 0 && sib&7 == 5 {
			size = 4
		}
	case mod == 0 && rm == 5:
		size = 4
		d.in.PCRelOff, d.in.PCRelLen = uint8(d.n), 4
	}
	if size == 0 {
		return nil
	}
	d.in.DispOff, d.in.DispLen = uint8(d.n), size
	return d.skip(size)
}

// refine replaces the class of the opcode by that of the encoding.
func (d *decoder) refine(e *entry, modrm byte) {
	for i := int(e.refine) - 1; i < len(refinements); i++ {
		r := &refinements[i]
		if r.op != d.in.Opcode {
			return
		}
		if r.prefixes>>d.pp&1 != 0 && modrm&r.mask == r.value {
			d.in.Class = r.class
			return
		}
	}
}

// immediate reads the immediate or the branch displacement.
func (d *decoder) immediate(f form) *stop {
	if d.in.Class == TxBegin {
		f = relZ
	}
	var size uint8
	switch f {
	case immB, imm4, immW, immWB:
		size = [...]uint8{immB: 1, immW: 2, immWB: 3, imm4: 4}[f]
	case immZ, immV:
		size = d.operandSize(f == immV)
	case immMoffs:
		return d.moffs()
	case relB, relZ:
		return d.branch(f)
	case immTestB, immTestZ, immExtrq:
		size = d.sometimes(f)
	case suffix:
		return d.suffix3DNow()
	}
	if size == 0 {
		return nil
	}
	d.in.ImmOff, d.in.ImmLen = uint8(d.n), size
	return d.skip(size)
}

// operandSize is the size of an immediate that goes with the operand size.
func (d *decoder) operandSize(full bool) uint8 {
	switch {
	case d.in.Prefixes.Has(PrefixREXW) && full:
		return 8
	case d.in.Prefixes.Has(PrefixOpSize) && !d.in.Prefixes.Has(PrefixREXW):
		return 2
	}
	return 4
}

// sometimes is the size of an immediate that only part of a group has.
func (d *decoder) sometimes(f form) uint8 {
	if f == immExtrq {
		if d.pp&1 != 0 { // 66 and F2
			return 2
		}
		return 0
	}
	if d.b[d.in.ModRMOff]>>3&7 > 1 {
		return 0 // not, neg, mul, div
	}
	if f == immTestB {
		return 1
	}
	return d.operandSize(false)
}

func (d *decoder) moffs() *stop {
	size := uint8(8)
	if d.in.Prefixes.Has(PrefixAddrSize) {
		size = 4
	}
	d.in.DispOff, d.in.DispLen = uint8(d.n), size
	return d.skip(size)
}

func (d *decoder) branch(f form) *stop {
	if d.in.Prefixes.Has(PrefixOpSize) && !d.in.Prefixes.Has(PrefixREXW) {
		return stopBranch16
	}
	size := uint8(4)
	if f == relB {
		size = 1
	}
	switch d.in.Class {
	case Jcc:
		d.in.Cond = Cond(d.in.Opcode & 15)
	case LoopCC:
		d.in.Cond = CondLoopNE + Cond(d.in.Opcode&3)
	}
	d.in.PCRelOff, d.in.PCRelLen = uint8(d.n), size
	return d.skip(size)
}

// suffixes3DNow are the opcodes that follow the operands of 0F 0F (AMD manual
// 21928, and the two Geode additions 86 and 87).
const suffixes3DNow = "\x0c\x0d\x1c\x1d\x86\x87\x8a\x8e\x90\x94\x96\x97\x9a\x9e\xa0\xa4\xa6\xa7\xaa\xae\xb0\xb4\xb6\xb7\xbb\xbf"

func (d *decoder) suffix3DNow() *stop {
	c, ok := d.next()
	if !ok {
		return stopCut
	}
	for i := range len(suffixes3DNow) {
		if suffixes3DNow[i] == c {
			return nil
		}
	}
	return stop3DNow
}

func (d *decoder) skip(size uint8) *stop {
	if d.n+int(size) > len(d.b) {
		return stopCut
	}
	d.n += int(size)
	return nil
}
