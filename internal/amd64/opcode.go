package amd64

// A Map is one of the opcode maps of 64-bit mode. Encodings that share opcode
// bytes but not instructions are maps of their own: VEX.0F is not 0F.
type Map uint8

const (
	MapOne Map = iota // the one-byte opcodes
	Map0F             // 0F xx
	Map0F38
	Map0F3A
	VEX0F // C4/C5, map 1
	VEX0F38
	VEX0F3A
	EVEX0F // 62, map 1
	EVEX0F38
	EVEX0F3A
	EVEX5 // AVX512-FP16
	EVEX6
	XOP8 // 8F, AMD family 15h
	XOP9
	XOPA

	numMaps
)

// An Opcode is the identity of an opcode: its map and its byte. Groups share
// one opcode and differ in the reg field of ModRM, SSE instructions in their
// mandatory prefix; a comparer that needs more than the class reads these from
// the bytes.
type Opcode uint16

func opcode(m Map, op byte) Opcode { return Opcode(m)<<8 | Opcode(op) }

// Map returns the opcode's map.
func (o Opcode) Map() Map { return Map(o >> 8) }

// Byte returns the opcode byte itself, the last one in front of ModRM.
func (o Opcode) Byte() byte { return byte(o) }

// A form says what follows an opcode byte: whether there is a ModRM byte, and
// which immediate.
type form uint8

const (
	immMask form = 0x0f
	modrm   form = 0x80 // ModRM follows, with SIB and displacement as it says
	invalid form = 0x40 // no instruction in 64-bit mode
	prefix  form = 0x20 // a prefix or an escape, seen to before the maps are read
	vsib    form = 0x10 // the operand must be memory with a SIB byte: gathers, tile loads
)

// The immediates. Sizes in bytes; "z" is 4, or 2 with operand size 16.
const (
	immNone  form = iota
	immB          // 1
	immW          // 2
	immZ          // z
	immV          // z, or 8 with REX.W: mov $imm64,%reg
	immWB         // 2 and 1: enter
	immMoffs      // address of 8, or 4 with an address size prefix: movabs
	relB          // branch displacement of 1
	relZ          // branch displacement of 4
	immTestB      // immB for reg 0 and 1 (test), nothing for the rest of the group
	immTestZ      // immZ for reg 0 and 1
	immExtrq      // 1 and 1 with prefix 66 or F2 (extrq, insertq), nothing else
	imm4          // 4: XOP map A
	suffix        // 1, but it is the opcode: 3DNow!
)

// The short names that the opcode maps are written with.
const (
	no = immNone
	ib = immB
	iw = immW
	iz = immZ
	iv = immV
	en = immWB
	mo = immMoffs
	jb = relB
	jz = relZ
	mr = modrm
	mb = modrm | immB
	mz = modrm | immZ
	tb = modrm | immTestB
	tz = modrm | immTestZ
	eq = modrm | immExtrq
	sx = modrm | suffix
	px = prefix
	xx = invalid
)

// entry is what the decoder knows of one opcode.
type entry struct {
	form   form
	class  Class // unless refined
	mask   uint8 // mandatory prefixes it exists with: 1 none, 2 66, 4 F3, 8 F2
	rule   uint8 // 1 + index in modrmRules, or 0
	refine uint8 // 1 + index in refinements, or 0
}

// opcodeMaps is everything the maps below say, gathered once when the program
// starts so that the decoder finds it in one place. It is not changed later.
var opcodeMaps = gather()

func gather() *[numMaps][256]entry {
	var t [numMaps][256]entry
	for op := range 256 {
		t[MapOne][op] = entry{form: formsOne[op], mask: 15}
		t[Map0F][op] = entry{form: forms0F[op]}
	}
	for m, row := range prefixMaps {
		for op := range 256 {
			e := &t[m][op]
			if row.prefixes != "" {
				e.mask = nibble(row.prefixes[op])
			}
			if Map(m) > Map0F {
				e.form = row.form
			}
			if e.mask == 0 && e.form&prefix == 0 {
				e.form = invalid
			}
		}
	}
	for _, x := range formExceptions {
		t[x.m][x.op].form = x.form
	}
	for _, c := range classRanges {
		for op := int(c.first); op <= int(c.last); op++ {
			t[c.m][op].class = c.class
		}
	}
	for i, r := range modrmRules {
		t[r.m][r.op].rule = uint8(i + 1)
	}
	for i := len(refinements) - 1; i >= 0; i-- { // the first row of an opcode wins
		r := &refinements[i]
		t[r.op.Map()][r.op.Byte()].refine = uint8(i + 1)
	}
	return &t
}

// nibble returns the value of a hexadecimal digit.
func nibble(c byte) uint8 { return c&15 + 9*(c>>6) }
