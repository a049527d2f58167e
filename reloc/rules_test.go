package reloc

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/reloc/image"
)

// relo is a relocation of a hand-made function.
type relo struct {
	off    uint64
	typ    elf.R_X86_64
	sym    string // undefined, or "local" for a function at the end of the section
	addend int64
}

// object makes an object with one function f of the given code, and behind it a
// local function "local" that is just ret.
func openObject(t *testing.T, code []byte, relos ...relo) *object.Object {
	t.Helper()
	b := new(elfobj.Builder)
	text := bytes.Clone(code)
	for len(text)%16 != 0 {
		text = append(text, 0x90)
	}
	ret := uint64(len(text))
	text = append(text, 0xc3)
	sec := b.AddSection(elfobj.SectionHeader{Name: ".text", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, Addralign: 16}, text)
	sym := func(name string, info byte, value, size uint64, s elfobj.SectionIndex) elfobj.SymbolIndex {
		return b.AddSymbol(elfobj.Symbol{Name: name, Info: info, Value: value, Size: size, Section: s})
	}
	fn := byte(elf.STT_FUNC)
	names := map[string]elfobj.SymbolIndex{"local": sym("local", fn, ret, 1, sec)}
	sym("f", byte(elf.STB_GLOBAL)<<4|fn, 0, uint64(len(code)), sec)
	for _, r := range relos {
		i, ok := names[r.sym]
		if !ok {
			i = sym(r.sym, byte(elf.STB_GLOBAL)<<4, 0, 0, elfobj.SecUndef)
			names[r.sym] = i
		}
		b.AddRela(sec, elfobj.Rela{Offset: r.off, Type: uint32(r.typ), Sym: i, Addend: r.addend})
	}
	var out bytes.Buffer
	if _, err := b.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	o, err := elfdiff.NewObject(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// textAt is where the hand-made run has f, and dataAt where it has data.
const (
	textAt = 0x401000
	dataAt = 0x404000
)

// testImage makes run: code at textAt, 16 words of data at dataAt, and the symbol f.
func testImage(t *testing.T, code []byte) *image.Image {
	t.Helper()
	text := make([]byte, 0x1000)
	copy(text, code)
	mem, err := image.NewSegments(image.Segment{Addr: textAt, Data: text}, image.Segment{Addr: dataAt, Data: make([]byte, 0x1000)})
	if err != nil {
		t.Fatal(err)
	}
	img, err := image.NewImage(mem, []image.Region{
		{Start: textAt, End: textAt + 0x1000, Read: true, Exec: true},
		{Start: dataAt, End: dataAt + 0x1000, Read: true, Write: true},
	}, nil, []image.Symbol{{Name: "f", Addr: textAt, Type: elf.STT_FUNC, Size: uint64(len(code))}})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func cat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func hexes(s string) []byte {
	var out []byte
	for _, f := range strings.Fields(s) {
		var v byte
		for _, c := range f {
			v = v<<4 | byte(strings.IndexRune("0123456789abcdef", c))
		}
		out = append(out, v)
	}
	return out
}

// ruleTests has cases for the rules, by what linkers write according to the
// psABI and to ld and lld. want is the value that follows for the symbol x, or
// 0 when the two are no match.
var ruleTests = []struct {
	name  string
	pre   string
	relo  []relo
	run   string
	want  uint64
	value Use // what want is; of UseTPOff as an uint64
}{
	{"mov to lea", "48 8b 05 00 00 00 00 c3", []relo{{3, elf.R_X86_64_REX_GOTPCRELX, "x", -4}}, "48 8d 05 f9 2f 00 00 c3", 0x404000, UseAddress},
	{"mov to immediate", "4c 8b 05 00 00 00 00 c3", []relo{{3, elf.R_X86_64_REX_GOTPCRELX, "x", -4}}, "49 c7 c0 10 40 40 00 c3", 0x404010, UseAddress},
	{"mov to immediate, wrong register", "4c 8b 05 00 00 00 00 c3", []relo{{3, elf.R_X86_64_REX_GOTPCRELX, "x", -4}}, "49 c7 c1 10 40 40 00 c3", 0, 0},
	{"mov without REX", "8b 05 00 00 00 00 c3", []relo{{2, elf.R_X86_64_GOTPCRELX, "x", -4}}, "c7 c0 10 40 40 00 c3", 0x404010, UseAddress},
	{"call, addr32", "ff 15 00 00 00 00 c3", []relo{{2, elf.R_X86_64_GOTPCRELX, "x", -4}}, "67 e8 fa 00 00 00 c3", 0x401100, UseAddress},
	{"call, nop behind", "ff 15 00 00 00 00 c3", []relo{{2, elf.R_X86_64_GOTPCRELX, "x", -4}}, "e8 fb 00 00 00 90 c3", 0x401100, UseAddress},
	{"call, nop in front", "ff 15 00 00 00 00 c3", []relo{{2, elf.R_X86_64_GOTPCRELX, "x", -4}}, "90 e8 fa 00 00 00 c3", 0x401100, UseAddress},
	{"jmp", "ff 25 00 00 00 00", []relo{{2, elf.R_X86_64_GOTPCRELX, "x", -4}}, "e9 fb 00 00 00 90", 0x401100, UseAddress},
	{"jmp to data", "ff 25 00 00 00 00", []relo{{2, elf.R_X86_64_GOTPCRELX, "x", -4}}, "e9 fb 4f 00 00 90", 0, 0},
	{"test", "48 85 0d 00 00 00 00 c3", []relo{{3, elf.R_X86_64_REX_GOTPCRELX, "x", -4}}, "48 f7 c1 10 40 40 00 c3", 0x404010, UseAddress},
	{"cmp", "48 3b 0d 00 00 00 00 c3", []relo{{3, elf.R_X86_64_REX_GOTPCRELX, "x", -4}}, "48 81 f9 10 40 40 00 c3", 0x404010, UseAddress},
	{"cmp became sub", "48 3b 0d 00 00 00 00 c3", []relo{{3, elf.R_X86_64_REX_GOTPCRELX, "x", -4}}, "48 81 e9 10 40 40 00 c3", 0, 0},
	{"add with r9", "4c 03 0d 00 00 00 00 c3", []relo{{3, elf.R_X86_64_REX_GOTPCRELX, "x", -4}}, "49 81 c1 10 40 40 00 c3", 0x404010, UseAddress},
	{
		"general dynamic to local exec",
		"66 48 8d 3d 00 00 00 00 66 66 48 e8 00 00 00 00 c3",
		[]relo{{4, elf.R_X86_64_TLSGD, "x", -4}, {12, elf.R_X86_64_PLT32, "__tls_get_addr", -4}},
		"64 48 8b 04 25 00 00 00 00 48 8d 80 f0 ff ff ff c3", ^uint64(15), UseTPOff,
	},
	{
		"general dynamic to initial exec",
		"66 48 8d 3d 00 00 00 00 66 48 ff 15 00 00 00 00 c3",
		[]relo{{4, elf.R_X86_64_TLSGD, "x", -4}, {12, elf.R_X86_64_GOTPCRELX, "__tls_get_addr", -4}},
		"64 48 8b 04 25 00 00 00 00 48 03 05 f0 2f 00 00 c3", 0x404000, UseTLSSlot,
	},
	{"initial exec to local exec, mov", "4c 8b 25 00 00 00 00 c3", []relo{{3, elf.R_X86_64_GOTTPOFF, "x", -4}}, "49 c7 c4 f8 ff ff ff c3", ^uint64(7), UseTPOff},
	{"initial exec to local exec, add", "48 03 05 00 00 00 00 c3", []relo{{3, elf.R_X86_64_GOTTPOFF, "x", -4}}, "48 8d 80 f8 ff ff ff c3", ^uint64(7), UseTPOff},
	{"initial exec to local exec, add rsp", "48 03 25 00 00 00 00 c3", []relo{{3, elf.R_X86_64_GOTTPOFF, "x", -4}}, "48 81 c4 f8 ff ff ff c3", ^uint64(7), UseTPOff},
	{"descriptor to local exec", "48 8d 05 00 00 00 00 ff 10 c3", []relo{{3, elf.R_X86_64_GOTPC32_TLSDESC, "x", -4}, {7, elf.R_X86_64_TLSDESC_CALL, "x", 0}}, "48 c7 c0 f8 ff ff ff 66 90 c3", ^uint64(7), UseTPOff},
	{"jump shortened", "85 ff 0f 84 01 00 00 00 90 c3 e9 00 00 00 00", []relo{{11, elf.R_X86_64_PLT32, "local", -4}}, "85 ff 74 01 90 c3 eb 08 90 90 90 90 90 90 90 90 c3", 0x401010, UseAddress},
	{"jump out of the file shortened", "85 ff 0f 84 01 00 00 00 90 c3 e9 00 00 00 00", []relo{{11, elf.R_X86_64_PLT32, "x", -4}}, "85 ff 74 01 90 c3 eb 08 90 90 90 90 90 90 90 90 c3", 0, 0},
	{"jump widened", "85 ff 74 03 90 90 90 e8 00 00 00 00 c3", []relo{{8, elf.R_X86_64_PLT32, "x", -4}}, "85 ff 0f 84 03 00 00 00 90 90 90 e8 00 00 00 00 c3", 0x401010, UseAddress},
	{"jump elsewhere", "85 ff 0f 84 01 00 00 00 90 e8 00 00 00 00 c3", []relo{{10, elf.R_X86_64_PLT32, "x", -4}}, "85 ff 74 00 90 e8 06 00 00 00 c3", 0, 0},
	{"other padding in the same place", "85 ff 66 90 e8 00 00 00 00 c3", []relo{{5, elf.R_X86_64_PLT32, "x", -4}}, "85 ff 90 90 e8 06 00 00 00 c3", 0, 0},
}

// symbolNamed returns the symbol of an object with a name.
func symbolNamed(t *testing.T, o *object.Object, name string) elfobj.SymbolIndex {
	t.Helper()
	for i := range o.Symbols() {
		if k := elfobj.SymbolIndex(i); o.Symbol(k).Name == name {
			return k
		}
	}
	t.Fatalf("no symbol %q", name)
	return 0
}

func TestRules(t *testing.T) {
	for _, tt := range ruleTests {
		t.Run(tt.name, func(t *testing.T) {
			pre := openObject(t, hexes(tt.pre), tt.relo...)
			r := mustMatch(t, pre, testImage(t, hexes(tt.run)), Options{})
			f := r.Func(pre.AtomOf(symbolNamed(t, pre, "f")))
			if tt.want == 0 {
				if f.Verdict != Mismatch {
					t.Errorf("%v, want a mismatch", f.Verdict)
				}
				return
			}
			if f.Verdict != Matched {
				t.Fatalf("%v: %+v", f.Verdict, f.Mismatch)
			}
			if n := uint64(len(hexes(tt.run))); f.Size != n && tt.relo[0].sym != "local" {
				t.Errorf("size %d, want %d", f.Size, n)
			}
			for _, v := range r.Symbols {
				if v.Name != tt.relo[0].sym {
					continue
				}
				got := map[Use]uint64{UseAddress: v.Address, UseTPOff: uint64(v.TPOff), UseTLSSlot: v.TLSSlot}[tt.value]
				if v.Has&tt.value == 0 || got != tt.want {
					t.Errorf("x is %+v, want %#x", v, tt.want)
				}
				return
			}
			t.Error("x has no value")
		})
	}
}

// TestAlignment matches code whose jumps the assembler shortened, so that what
// follows moved and its alignment shrank. Branch targets go through the map.
func TestAlignment(t *testing.T) {
	nop3, nop5, nop2 := hexes("0f 1f 00"), hexes("0f 1f 44 00 00"), hexes("66 90")
	pre := cat(hexes("85 ff 0f 84 0b 00 00 00"), nop3, hexes("ff c7 83 ff 07 75 f9 c3"), hexes("e9 f3 ff ff ff"))
	run := cat(hexes("85 ff 74 0f"), nop5, nop2, hexes("ff c7 83 ff 07 75 f9 c3"), hexes("eb f6"))
	// jz leads to the last jump, +0x13 in both: 8 + 0xb and 4 + 0xf.
	r := mustMatch(t, openObject(t, pre), testImage(t, run), Options{})
	f := r.Functions[0]
	if f.Verdict != Matched {
		t.Fatalf("%v: %+v", f.Verdict, f.Mismatch)
	}
	for _, m := range [][2]uint64{{0, 0}, {2, 2}, {8, 4}, {11, 11}, {19, 19}, {24, 21}} {
		if got := f.RunOffset(m[0]); got != m[1] {
			t.Errorf("RunOffset(%d) is %d, want %d; %v", m[0], got, m[1], f.Shifts)
		}
	}
}

// TestRedirected matches functions that something has patched at run time.
func TestRedirected(t *testing.T) {
	pre := hexes("f3 0f 1e fa 48 89 f8 48 83 c0 07 48 0f af c0 c3")
	for _, tt := range []struct {
		name   string
		at     int
		run    string
		reason Reason
		target uint64
	}{
		{"jump", 0, "e9 fb 01 00 00", ReasonRedirected, 0x401200},
		{"jump behind endbr64", 4, "e9 f7 01 00 00", ReasonRedirected, 0x401200},
		{"absolute jump", 4, "ff 25 00 00 00 00 00 40 40 00 00 00 00 00", ReasonRedirected, 0x404000},
		{"breakpoint", 4, "cc", ReasonBreakpoint, 0},
		{"breakpoint inside", 11, "cc", ReasonBreakpoint, 0},
		{"other instruction", 4, "48 89 f0", ReasonBytes, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run := append(bytes.Clone(pre), make([]byte, 16)...)
			copy(run[tt.at:], hexes(tt.run))
			f := mustMatch(t, openObject(t, pre), testImage(t, run), Options{}).Functions[0]
			if f.Verdict != Mismatch || f.Mismatch.Reason != tt.reason || f.Mismatch.Target != tt.target || f.Mismatch.Offset != uint64(tt.at) {
				t.Errorf("%v: %+v", f.Verdict, f.Mismatch)
			}
		})
	}
}

// TestSites matches a function whose call of a tracer is switched off and on.
func TestSites(t *testing.T) {
	testenv.Need(t, "gcc")
	dir := t.TempDir()
	src, o, exe := filepath.Join(dir, "s.c"), filepath.Join(dir, "s.o"), filepath.Join(dir, "s")
	code := "void __fentry__(void) {}\nint main(int c, char **v) { return c * 3; }\n"
	if err := os.WriteFile(src, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-O2", "-pg", "-mfentry", "-mrecord-mcount", "-fno-pie", "-c", "-o", o, src).CombinedOutput(); err != nil {
		t.Skipf("this gcc does not record call sites: %s", out)
	}
	gcc(t, "-no-pie", "-o", exe, o)
	pre, img := mustOpen(t, o), mustImage(t, exe)
	main := img.Lookup("main")[0].Addr
	for _, tt := range []struct {
		name string
		site string
		want Verdict
	}{
		{"as linked", "", Matched},
		{"off", "0f 1f 44 00 00", Matched},
		{"on", "e8 00 01 00 00", Matched},
		{"something else", "90 90 90 90 90", Mismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run := img
			for i, b := range hexes(tt.site) {
				var old [1]byte
				if err := run.ReadAddr(old[:], main+uint64(i)); err != nil {
					t.Fatal(err)
				}
				if old[0] != b {
					run = flip(t, run, main+uint64(i), old[0]^b)
				}
			}
			for _, f := range mustMatch(t, pre, run, Options{}).Functions {
				if f.Name == "main" && f.Verdict != tt.want {
					t.Errorf("%v, want %v: %+v", f.Verdict, tt.want, f.Mismatch)
				}
			}
		})
	}
}
