package splice

import (
	"bytes"
	"debug/elf"
	"testing"
)

// TestLinkExec: code that asks the dynamic linker where thread-local data is becomes code that knows, where the program has
// nothing to ask with.
func TestLinkExec(t *testing.T) {
	const gd, ld, desc, plt, got = elf.R_X86_64_TLSGD, elf.R_X86_64_TLSLD, elf.R_X86_64_GOTPC32_TLSDESC, elf.R_X86_64_PLT32, elf.R_X86_64_GOTPCRELX
	lea := []byte{0x66, 0x48, 0x8d, 0x3d, 0, 0, 0, 0}
	call, callInd := []byte{0x66, 0x66, 0x48, 0xe8, 0, 0, 0, 0}, []byte{0x66, 0x48, 0xff, 0x15, 0, 0, 0, 0}
	base := []byte{0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	ldLea := []byte{0x48, 0x8d, 0x3d, 0, 0, 0, 0}
	for _, c := range []struct {
		name  string
		code  []byte
		relas []rel
		want  []byte
	}{
		{"general dynamic", join(lea, call), []rel{{4, gd, "%le", -4}, {12, plt, "far", -4}}, join(base, []byte{0x48, 0x8d, 0x80, 0xd8, 0xff, 0xff, 0xff})},
		{"general dynamic without a PLT", join(lea, callInd), []rel{{4, gd, "%le", 4}, {12, got, "far", -4}}, join(base, []byte{0x48, 0x8d, 0x80, 0xe0, 0xff, 0xff, 0xff})},
		{"general dynamic by a slot", join(lea, call), []rel{{4, gd, "%slot", -4}, {12, plt, "far", -4}}, join(base, []byte{0x48, 0x03, 0x05, 0x10, 0x40, 0xef, 0xff})},
		{"local dynamic", join(ldLea, []byte{0xe8, 0, 0, 0, 0, 0x48, 0x8b, 0x80, 0, 0, 0, 0}), []rel{{3, ld, "%le", -4}, {8, plt, "far", -4}, {15, elf.R_X86_64_DTPOFF32, "%le", 8}}, join([]byte{0x66, 0x66, 0x66}, base, []byte{0x48, 0x8b, 0x80, 0xe0, 0xff, 0xff, 0xff})},
		{"local dynamic without a PLT", join(ldLea, []byte{0xff, 0x15, 0, 0, 0, 0}), []rel{{3, ld, "%le", -4}, {9, got, "far", -4}}, join([]byte{0x66, 0x66, 0x66, 0x66}, base)},
		{"a descriptor", []byte{0x48, 0x8d, 0x05, 0, 0, 0, 0, 0xff, 0x10}, []rel{{3, desc, "%le", -4}, {7, elf.R_X86_64_TLSDESC_CALL, "%le", 0}}, []byte{0x48, 0xc7, 0xc0, 0xd8, 0xff, 0xff, 0xff, 0x66, 0x90}},
		{"a descriptor that is one", []byte{0x48, 0x8d, 0x05, 0, 0, 0, 0, 0xff, 0x10}, []rel{{3, desc, "%desc", -4}, {7, elf.R_X86_64_TLSDESC_CALL, "%desc", 0}}, []byte{0x48, 0x8d, 0x05, 0x49, 0x40, 0xef, 0xff, 0xff, 0x10}},
		{"other code", join(make([]byte, 4), make([]byte, 12)), []rel{{4, gd, "%le", -4}}, nil},
	} {
		k, err := link(t, updateOf(t, objectOf(t, sec{name: ".text", flags: x, data: c.code, relas: c.relas})))
		if c.want == nil {
			checkRefusal(t, err, CodeTLSModel)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := k.Code.Bytes[:len(c.want)]; !bytes.Equal(got, c.want) {
			t.Errorf("%s: % x, want % x", c.name, got, c.want)
		}
	}
}

// TestEscapes: who has an object with virtual functions is found by that, and has their addresses nowhere else.
func TestEscapes(t *testing.T) {
	const rust = "_ZN4core3fmt17h0123456789abcdefE"
	word := func(v byte) []byte { return []byte{v, 0, 0, 0, 0, 0, 0, 0} }
	table := func(size, align byte) []byte {
		return bytes.Join([][]byte{word(0), word(size), word(align), word(0)}, nil)
	}
	text := sec{name: ".text", flags: x, data: make([]byte, 16)}
	for _, c := range []struct {
		name, section, symbol string
		data                  []byte
		at                    uint64
		escapes               bool
	}{
		{"C++", ".data.rel.ro._ZTV1D", "plain", make([]byte, 32), 16, false},
		{"a table of others", ".data.rel.ro.ops", "plain", make([]byte, 32), 16, true},
		{"Rust", ".data.rel.ro.vtable.0", rust, table(16, 8), 24, false},
		{"Rust, no size", ".data.rel.ro.list", rust, table(3, 8), 24, true},
		{"Rust, an alignment", ".data.rel.ro.list", rust, table(16, 6), 24, true},
		{"Rust's form in C", ".data.rel.ro.list", "plain", table(16, 8), 24, true},
		{"std::function", ".data", "_ZNSt17_Function_handlerIFllEZ1flEUllE_E9_M_invokeERKSt9_Any_dataOl", make([]byte, 8), 0, false},
	} {
		k, err := link(t, updateOf(t, objectOf(t, text, sec{name: "." + c.symbol, flags: x, data: make([]byte, 16)},
			sec{name: c.section, flags: elf.SHF_WRITE, align: 8, data: c.data, relas: []rel{{c.at, elf.R_X86_64_64, c.symbol, 0}}})))
		if err != nil {
			t.Fatal(err)
		}
		if (len(k.Escapes) > 0) != c.escapes {
			t.Errorf("%s: escapes %q", c.name, k.Escapes)
		}
	}
}
