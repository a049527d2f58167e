package amd64

// Decode finds out the shape of the first instruction in b, in 64-bit mode.
// Bytes behind it are not looked at.
//
// The error is [ErrTruncated] when the instruction continues behind the end of
// b, and otherwise an [UnknownError]. Refused on purpose, since their length or
// meaning is not the same on all processors or disassemblers:
//
//   - direct branches with an operand size prefix and without REX.W: AMD takes
//     a displacement of 16 bits and cuts off RIP, Intel ignores the prefix;
//   - REX in front of another prefix, which processors ignore;
//   - encodings that a map does not have, even when their length could be told.
//
// That an accepted instruction does not fault is not promised: lock in front of
// a load, or wrong VEX.L bits, do not change the length.
func Decode(b []byte) (in Inst, err error) {
	if len(b) > 0 {
		// Half of the instructions of a kernel are push, pop, ret, and
		// padding of one byte each.
		if e := &opcodeMaps[MapOne][b[0]]; e.form == immNone {
			return Inst{Len: 1, Class: e.class, Opcode: Opcode(b[0])}, nil
		}
	}
	d := decoder{b: b, in: &in}
	if len(b) > MaxLen {
		d.b = b[:MaxLen]
	}
	if st := d.decode(); st != nil {
		in = Inst{}
		return in, d.fail(len(b), st)
	}
	return in, nil
}

// A decoder walks over the bytes of one instruction.
type decoder struct {
	b    []byte
	n    int   // bytes seen
	in   *Inst // Decode's result, filled in place: a copy of bytes just written stalls
	pp   uint8 // mandatory prefix: 0 none, 1 66, 2 F3, 3 F2
	rexB bool
}

// A stop says why the decoder can't go on. These are shared and constant.
type stop struct{ reason string }

var (
	stopCut      = &stop{"cut off"} // becomes ErrTruncated
	stopOpcode   = &stop{"no such opcode"}
	stopPrefix   = &stop{"opcode does not exist with this mandatory prefix"}
	stopModRM    = &stop{"opcode does not exist with this ModRM byte"}
	stopREX      = &stop{"REX is not the last prefix"}
	stopVector   = &stop{"prefix in front of VEX, EVEX or XOP"}
	stopReserved = &stop{"reserved bits or map in VEX, EVEX or XOP"}
	stopBranch16 = &stop{"branch with operand size prefix"}
	stop3DNow    = &stop{"no such 3DNow! suffix"}
)

// fail makes the error; size is that of the caller's slice.
func (d *decoder) fail(size int, st *stop) error {
	if st != stopCut {
		return &UnknownError{Bytes: append([]byte(nil), d.b[:d.n]...), Reason: st.reason}
	}
	if size < MaxLen {
		return ErrTruncated
	}
	return &UnknownError{Bytes: append([]byte(nil), d.b...), Reason: "longer than 15 bytes"}
}

// legacyPrefix has the bit of each prefix byte; 0 for all other bytes.
var legacyPrefix = [256]Prefixes{
	0x26: PrefixSegOld, 0x2e: PrefixSegOld, 0x36: PrefixSegOld, 0x3e: PrefixSegOld,
	0x64: PrefixSegFS, 0x65: PrefixSegGS, 0x66: PrefixOpSize, 0x67: PrefixAddrSize,
	0xf0: PrefixLock, 0xf2: PrefixRepne, 0xf3: PrefixRep,
}

func (d *decoder) decode() *stop {
	if len(d.b) == 0 {
		return stopCut
	}
	var st *stop
	op := d.b[0]
	if d.n = 1; startsPrefix[op] {
		if op, st = d.prefixes(); st != nil {
			return st
		}
	}
	var m Map
	switch op {
	case 0x0f:
		m, op, st = d.escape()
	case 0xc4, 0xc5, 0x62, 0x8f:
		m, op, st = d.vector(op)
	}
	if st != nil {
		return st
	}
	d.in.OpOff = uint8(d.n - 1)
	d.in.Opcode = opcode(m, op)
	e := &opcodeMaps[m][op]
	if e.form&(invalid|prefix) != 0 {
		return stopOpcode
	}
	if e.mask>>d.pp&1 == 0 {
		return stopPrefix
	}
	d.in.Class = e.class
	if e.form&modrm != 0 {
		if st := d.modrm(e); st != nil {
			return st
		}
	} else if op == 0x90 && m == MapOne && d.rexB {
		d.in.Class = Other // xchg %r8,%rax
	} else if e.refine != 0 {
		d.refine(e, 0)
	}
	if e.form&immMask != 0 || d.in.Class == TxBegin {
		if st := d.immediate(e.form & immMask); st != nil {
			return st
		}
	}
	d.in.Len = uint8(d.n)
	return nil
}

// startsPrefix has the legacy prefixes and REX.
var startsPrefix = func() (t [256]bool) {
	for c := range t {
		t[c] = legacyPrefix[c] != 0 || c&0xf0 == 0x40
	}
	return t
}()

// prefixes eats legacy prefixes and REX and the byte behind them, which it
// returns.
func (d *decoder) prefixes() (byte, *stop) {
	for d.n = 0; d.n < len(d.b); {
		c := d.b[d.n]
		d.n++
		p := legacyPrefix[c]
		if p == 0 {
			if c&0xf0 != 0x40 {
				return c, nil
			}
			return d.rex(c)
		}
		d.in.Prefixes |= p
		switch p {
		case PrefixRep:
			d.pp = 2 // of F2 and F3 the last one counts, and both count more than 66
		case PrefixRepne:
			d.pp = 3
		case PrefixOpSize:
			if d.pp == 0 {
				d.pp = 1
			}
		}
	}
	return 0, stopCut
}

func (d *decoder) rex(c byte) (byte, *stop) {
	d.in.Prefixes |= PrefixREX
	if c&8 != 0 {
		d.in.Prefixes |= PrefixREXW
	}
	d.rexB = c&1 != 0
	if d.n == len(d.b) {
		return 0, stopCut
	}
	op := d.b[d.n]
	d.n++
	if legacyPrefix[op] != 0 || op&0xf0 == 0x40 {
		return 0, stopREX
	}
	return op, nil
}

// escape reads on behind 0F.
func (d *decoder) escape() (Map, byte, *stop) {
	op, ok := d.next()
	if !ok {
		return 0, 0, stopCut
	}
	m := Map0F
	switch op {
	case 0x38:
		m = Map0F38
	case 0x3a:
		m = Map0F3A
	default:
		return m, op, nil
	}
	if op, ok = d.next(); !ok {
		return 0, 0, stopCut
	}
	return m, op, nil
}

// vector reads on behind the first byte of VEX, EVEX or XOP. The bytes 62, C4
// and C5 have no other meaning in 64-bit mode; 8F is pop when the byte behind
// it does not name one of XOP's maps.
func (d *decoder) vector(first byte) (Map, byte, *stop) {
	p, ok := d.next()
	if !ok {
		return 0, 0, stopCut
	}
	if first == 0x8f && p&0x1f < 8 {
		d.n--
		return MapOne, first, nil
	}
	if d.in.Prefixes&(PrefixREX|PrefixOpSize|PrefixRep|PrefixRepne|PrefixLock) != 0 {
		return 0, 0, stopVector
	}
	m := VEX0F
	if first != 0xc5 {
		if m = vectorMap(first, p); m == MapOne {
			return 0, 0, stopReserved
		}
		if p, ok = d.next(); !ok {
			return 0, 0, stopCut
		}
		if p&0x80 != 0 {
			d.in.Prefixes |= PrefixREXW
		}
	}
	d.pp = p & 3
	if first == 0x62 {
		if p&4 == 0 {
			return 0, 0, stopReserved
		}
		if _, ok = d.next(); !ok {
			return 0, 0, stopCut
		}
	}
	op, ok := d.next()
	if !ok {
		return 0, 0, stopCut
	}
	return m, op, nil
}

// vectorMap returns the map that the byte behind C4, 62 or 8F selects, MapOne
// when there is none.
func vectorMap(first, p byte) Map {
	switch {
	case first == 0xc4 && p&0x1f >= 1 && p&0x1f <= 3:
		return VEX0F + Map(p&0x1f-1)
	case first == 0x8f && p&0x1f >= 8 && p&0x1f <= 10:
		return XOP8 + Map(p&0x1f-8)
	case first == 0x62 && p&0x0f >= 1 && p&0x0f <= 3:
		return EVEX0F + Map(p&0x0f-1)
	case first == 0x62 && p&0x0f >= 5 && p&0x0f <= 6:
		return EVEX5 + Map(p&0x0f-5)
	}
	return MapOne
}

func (d *decoder) next() (byte, bool) {
	if d.n >= len(d.b) {
		return 0, false
	}
	c := d.b[d.n]
	d.n++
	return c, true
}
