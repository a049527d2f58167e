package amd64

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// slot is the room for each probe: nothing that a probe starts is longer, and
// the NOPs behind it bring objdump back into step.
const slot = 16

// A probe is one encoding of the opcode space. Probes that differ only in what
// the maps do not describe (W and vector length) share a key.
type probe struct {
	bytes [slot]byte
	key   [4]byte // map, opcode, prefix, ModRM
}

// TestObjdumpOpcodeSpace compares the maps with objdump over the opcode space:
// every opcode of every map, with every mandatory prefix and REX.W or VEX.W,
// every vector length, and ModRM bytes for memory, RIP-relative and register
// operands; in long runs, with all ModRM bytes that can matter. It asks for the same length and class where objdump decodes, and
// for an error where objdump decodes with no W and no vector length.
func TestObjdumpOpcodeSpace(t *testing.T) {
	for _, s := range opcodeSpaces {
		t.Run(s.name, func(t *testing.T) {
			modrms := []byte{0x0d, 0x2c, 0xe1}
			if len(s.name) <= 4 { // the legacy maps have more that depends on it
				modrms = append(modrms, 0xc0, 0xfa)
			}
			if testenv.Asked(testenv.Long) {
				modrms = nil
				for m := range 256 {
					if m < 0xc0 && m&7 != 0 && m&7 != 5 || m >= 0x40 && m < 0xc0 {
						continue // displacement sizes are not the opcode's business
					}
					modrms = append(modrms, byte(m))
				}
			}
			probes := s.probes(modrms)
			compareProbes(t, probes)
		})
	}
}

func compareProbes(t *testing.T, probes []probe) {
	name := filepath.Join(t.TempDir(), "probes.bin")
	image := make([]byte, 0, len(probes)*slot)
	for i := range probes {
		image = append(image, probes[i].bytes[:]...)
	}
	if err := os.WriteFile(name, image, 0o666); err != nil {
		t.Fatal(err)
	}
	known := map[[4]byte]bool{} // keys that objdump decodes
	c := tally{t: t}
	objdump(t, func(l *line) error {
		if l.addr%slot != 0 {
			return nil
		}
		p := &probes[l.addr/slot]
		if c.excuse(l) {
			return nil
		}
		known[p.key] = true
		in, err := Decode(p.bytes[:]) // it must find the end itself
		return c.compare(l, in, err)
	}, "-D", "-b", "binary", "-m", "i386:x86-64", name)
	for i := range probes {
		in, err := Decode(probes[i].bytes[:])
		if err == nil && !known[probes[i].key] && !unlisted(in) {
			c.complain(&line{addr: uint64(i * slot), bytes: probes[i].bytes[:in.Len]}, "decoded, but unknown to objdump")
		}
	}
	c.report()
}

// unlisted are the encodings that we decode and objdump does not show, reviewed:
// fwait, which it joins with what follows, and the MPX instructions that fault
// on a RIP-relative operand where MPX is on, and are NOPs elsewhere.
func unlisted(in Inst) bool {
	switch in.Opcode {
	case opcode(MapOne, 0x9b):
		return true
	case opcode(Map0F, 0x1a), opcode(Map0F, 0x1b):
		return in.IsRIPRelative()
	case opcode(Map0F, 0x00): // lkgs is newer than objdump 2.40
		return in.Prefixes.Has(PrefixRepne)
	case opcode(VEX0F38, 0x5c), opcode(VEX0F38, 0x5e),
		opcode(EVEX6, 0x56), opcode(EVEX6, 0x57), opcode(EVEX6, 0xd6), opcode(EVEX6, 0xd7):
		return true // some of the probes name one register twice, which is not allowed
	case opcode(Map0F, 0x01): // eretu and erets, see exceptions
		return in.Class == Ret
	}
	return false
}

var opcodeSpaces = []struct {
	name   string
	probes func(modrms []byte) []probe
}{
	{"one", func(m []byte) []probe { return legacyProbes(MapOne, nil, m) }},
	{"0F", func(m []byte) []probe { return legacyProbes(Map0F, []byte{0x0f}, m) }},
	{"0F38", func(m []byte) []probe { return legacyProbes(Map0F38, []byte{0x0f, 0x38}, m) }},
	{"0F3A", func(m []byte) []probe { return legacyProbes(Map0F3A, []byte{0x0f, 0x3a}, m) }},
	{"VEX0F", func(m []byte) []probe { return vectorProbes(VEX0F, 0xc4, 0xe1, m) }},
	{"VEX0F38", func(m []byte) []probe { return vectorProbes(VEX0F38, 0xc4, 0xe2, m) }},
	{"VEX0F3A", func(m []byte) []probe { return vectorProbes(VEX0F3A, 0xc4, 0xe3, m) }},
	{"VEX2", func(m []byte) []probe { return vex2Probes(m) }},
	{"XOP8", func(m []byte) []probe { return vectorProbes(XOP8, 0x8f, 0xe8, m) }},
	{"XOP9", func(m []byte) []probe { return vectorProbes(XOP9, 0x8f, 0xe9, m) }},
	{"XOPA", func(m []byte) []probe { return vectorProbes(XOPA, 0x8f, 0xea, m) }},
	{"EVEX0F", func(m []byte) []probe { return vectorProbes(EVEX0F, 0x62, 0xf1, m) }},
	{"EVEX0F38", func(m []byte) []probe { return vectorProbes(EVEX0F38, 0x62, 0xf2, m) }},
	{"EVEX0F3A", func(m []byte) []probe { return vectorProbes(EVEX0F3A, 0x62, 0xf3, m) }},
	{"EVEX5", func(m []byte) []probe { return vectorProbes(EVEX5, 0x62, 0xf5, m) }},
	{"EVEX6", func(m []byte) []probe { return vectorProbes(EVEX6, 0x62, 0xf6, m) }},
}

func legacyProbes(m Map, escape, modrms []byte) []probe {
	var ps []probe
	for op := range 256 {
		for pp, pfx := range [][]byte{nil, {0x66}, {0xf3}, {0xf2}, {0x66, 0xf3}, {0x66, 0xf2}} {
			for _, rex := range [][]byte{nil, {0x48}} {
				for _, modrm := range modrms {
					if m == MapOne && (startsVector(byte(op), modrm) || op>>4 == 4 || legacyPrefix[op] != 0) {
						continue // maps of their own, and prefixes, which come with every other probe
					}
					b := bytes.Join([][]byte{pfx, rex, escape, {byte(op), modrm}}, nil)
					ps = append(ps, newProbe(b, m, byte(op), byte(pp), modrm))
				}
			}
		}
	}
	return ps
}

// startsVector tells whether the bytes start VEX, EVEX or XOP.
func startsVector(a, b byte) bool {
	return a == 0xc4 || a == 0xc5 || a == 0x62 || a == 0x8f && b&0x1f >= 8
}

func vectorProbes(m Map, first, second byte, modrms []byte) []probe {
	var ps []probe
	for op := range 256 {
		for pp := range byte(4) {
			for _, w := range []byte{0, 0x80} {
				for l := range byte(3) {
					for _, modrm := range modrms {
						key := func(b ...byte) {
							ps = append(ps, newProbe(b, m, byte(op), pp, modrm))
						}
						switch {
						case first == 0x62: // without a mask, and with one as gathers need it
							key(first, second, w|0x7c|pp, l<<5|8, byte(op), modrm)
							if modrm&7 == 4 {
								key(first, second, w|0x7c|pp, l<<5|9, byte(op), modrm)
							}
						case l < 2:
							key(first, second, w|0x78|l<<2|pp, byte(op), modrm)
						}
					}
				}
			}
		}
	}
	return ps
}

func vex2Probes(modrms []byte) []probe {
	var ps []probe
	for op := range 256 {
		for p := range byte(8) { // L and pp
			for _, modrm := range modrms {
				// W = 0 alone does not have all of the map: no key is shared
				// with the probes that would tell.
				ps = append(ps, newProbe([]byte{0xc5, 0xf8 | p, byte(op), modrm}, VEX0F, byte(op), p&3, modrm))
			}
		}
	}
	return ps
}

func newProbe(b []byte, m Map, op, pp, modrm byte) probe {
	p := probe{key: [4]byte{byte(m), op, pp, modrm}}
	for i := copy(p.bytes[:], b); i < slot; i++ {
		p.bytes[i] = 0x90
	}
	return p
}
