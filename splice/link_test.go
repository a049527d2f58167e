package splice

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/reloc/image"
)

// The layout of the tests: code and data near to run, which is at 0x400000, and
// a library far away.
var testLayout = Layout{Const: 0x500000, Code: 0x510000, Data: 0x520000}

const (
	runFunc = 0x401000
	libFunc = 0x7f0000001000
)

// sec is a section of a test object.
type sec struct {
	name  string
	typ   elf.SectionType
	flags elf.SectionFlag
	align uint64
	size  uint64 // of NOBITS
	data  []byte
	relas []rel
}

// rel is a relocation by the name of its symbol.
type rel struct {
	off uint64
	typ elf.R_X86_64
	sym string
	add int64
}

// objectOf writes an objectOf with a function f at the start of the first section,
// and symbols at the starts of the others, by their names. All other names are
// undefined; one that starts with ? is weak, one with % thread-local.
func objectOf(t testing.TB, sections ...sec) []byte {
	t.Helper()
	var b elfobj.Builder
	handle := map[string]elfobj.SymbolIndex{}
	define := func(name string, s elfobj.Symbol) {
		s.Name = name
		handle[name] = b.AddSymbol(s)
	}
	var index []elfobj.SectionIndex
	for i, s := range sections {
		typ := s.typ
		if typ == 0 {
			typ = elf.SHT_PROGBITS
		}
		h := elfobj.SectionHeader{Name: s.name, Type: typ, Flags: s.flags | elf.SHF_ALLOC, Addralign: max(s.align, 1), Size: max(s.size, uint64(len(s.data)))}
		index = append(index, b.AddSection(h, s.data))
		name, kind := s.name[1:], elf.STT_OBJECT
		if s.flags&elf.SHF_EXECINSTR != 0 {
			kind = elf.STT_FUNC
		}
		if i == 0 {
			name = "f"
		}
		define(name, elfobj.Symbol{Info: elf.ST_INFO(elf.STB_GLOBAL, kind), Section: index[i], Size: 16})
	}
	for i, s := range sections {
		for _, r := range s.relas {
			if _, ok := handle[r.sym]; !ok {
				info := elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)
				switch r.sym[:1] {
				case "?":
					info = elf.ST_INFO(elf.STB_WEAK, elf.STT_NOTYPE)
				case "%":
					info = elf.ST_INFO(elf.STB_GLOBAL, elf.STT_TLS)
				}
				define(r.sym, elfobj.Symbol{Info: info})
			}
			b.AddRela(index[i], elfobj.Rela{Offset: r.off, Type: uint32(r.typ), Sym: handle[r.sym], Addend: r.add})
		}
	}
	var out bytes.Buffer
	if _, err := b.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// updateOf makes an update of objects, with imports without values for all
// undefined symbols, and a redirect to each f.
func updateOf(t testing.TB, objects ...[]byte) *Update {
	t.Helper()
	u := &Update{Format: UpdateFormat, Name: "test", Modules: []Module{{Name: "m", Main: true}}}
	for k, raw := range objects {
		f, err := elfobj.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		syms, err := f.Symbols()
		if err != nil {
			t.Fatal(err)
		}
		o := Object{Name: fmt.Sprintf("%d.o", k), ELF: raw}
		for i := 1; i < len(syms); i++ {
			switch s := &syms[i]; {
			case s.Name == "f":
				o.Redirects = append(o.Redirects, Redirect{Function: "f", Symbol: uint32(i), Old: []Span{{Place{0, 0x1000 + uint64(k)*64}, make([]byte, 16)}}})
			case !s.IsDefined():
				o.Imports = append(o.Imports, Import{Symbol: uint32(i), Name: s.Name})
			}
		}
		u.Objects = append(u.Objects, o)
	}
	return u
}

// values are what the tests' imports are.
func testValues() map[string]Resolved {
	tp, off := int64(-40), uint64(24)
	return map[string]Resolved{
		"near":    {Address: runFunc},
		"far":     {Address: libFunc},
		"plt":     {PLT: 0x401020, Address: libFunc},
		"got":     {GOT: 0x404010, Address: libFunc},
		"fargot":  {GOT: libFunc + 0x800, Address: libFunc},
		"%le":     {TPOff: &tp, TLS: &off},
		"%slot":   {TLSSlot: 0x404020},
		"%pair":   {TLSPair: 0x404030},
		"%desc":   {TLSDesc: 0x404050},
		"%block":  {TLSBlock: 0x404040, TLS: &off},
		"nothing": {},
	}
}

func resolveTest(im *Import) (Resolved, error) {
	if r, ok := testValues()[im.Name]; ok {
		return r, nil
	}
	r := Refuse(CodeUnresolved, im.Name, "", 0, "unknown")
	r.Err = image.ErrUndefined
	return Resolved{}, r
}

func link(t testing.TB, u *Update) (*Linked, error) {
	t.Helper()
	l, err := NewLinker(u)
	if err != nil {
		return nil, err
	}
	k, err := l.Link(testLayout, resolveTest)
	if err != nil {
		return nil, err
	}
	size := l.Size()
	for _, s := range []struct {
		seg  Segment
		room uint64
	}{{k.Const, size.Const}, {k.Code, size.Code}, {k.Data, size.Data}} {
		if s.seg.Size > s.room || s.room%PageSize != 0 || uint64(len(s.seg.Bytes)) > s.seg.Size {
			t.Errorf("segment at %#x: %#x bytes in %#x", s.seg.Addr, s.seg.Size, s.room)
		}
	}
	return k, nil
}

const x = elf.SHF_EXECINSTR

// TestRelocations applies each type once, at +8 of the code.
func TestRelocations(t *testing.T) {
	const place = 0x510000 + 8
	pcrel := func(to uint64) uint64 { return to - 4 - place }
	slot := func(k *Linked) uint64 { return k.Const.End() - 8 }
	none := func(*Linked) uint64 { return 0 }
	for _, tt := range []struct {
		name    string
		typ     elf.R_X86_64
		sym     string
		add     int64
		op      byte // in front of the field
		want    func(k *Linked) uint64
		slot    uint64 // content of the slot made, if any
		refused Code
	}{
		{"64", elf.R_X86_64_64, "far", 5, 0, func(*Linked) uint64 { return libFunc + 5 }, 0, ""},
		{"64 to itself", elf.R_X86_64_64, "f", 0, 0, func(*Linked) uint64 { return 0x510000 }, 0, ""},
		{"32", elf.R_X86_64_32, "near", 4, 0, func(*Linked) uint64 { return runFunc + 4 }, 0, ""},
		{"32S", elf.R_X86_64_32S, "near", -4, 0, func(*Linked) uint64 { return runFunc - 4 }, 0, ""},
		{"32S far", elf.R_X86_64_32S, "far", 0, 0, none, 0, CodeOutOfReach},
		{"PC32", elf.R_X86_64_PC32, "near", -4, 0x05, func(*Linked) uint64 { return pcrel(runFunc) }, 0, ""},
		{"PC32 far data", elf.R_X86_64_PC32, "far", -4, 0x05, none, 0, CodeOutOfReach},
		{"PC32 far call", elf.R_X86_64_PC32, "far", -4, 0xe8, func(k *Linked) uint64 { return k.Code.End() - 8 - 4 - place }, libFunc, ""},
		{"PC64", elf.R_X86_64_PC64, "far", 0, 0, func(*Linked) uint64 { return libFunc - place }, 0, ""},
		{"PLT32 near", elf.R_X86_64_PLT32, "near", -4, 0xe8, func(*Linked) uint64 { return pcrel(runFunc) }, 0, ""},
		{"PLT32 far", elf.R_X86_64_PLT32, "far", -4, 0xe9, func(k *Linked) uint64 { return k.Code.End() - 8 - 4 - place }, libFunc, ""},
		{"PLT32 far, no branch", elf.R_X86_64_PLT32, "far", -4, 0x05, none, 0, CodeOutOfReach},
		{"PLT32 by the PLT", elf.R_X86_64_PLT32, "plt", -4, 0xe8, func(*Linked) uint64 { return pcrel(0x401020) }, 0, ""},
		{"GOTPCREL by the GOT", elf.R_X86_64_GOTPCREL, "got", -4, 0, func(*Linked) uint64 { return pcrel(0x404010) }, 0, ""},
		{"GOTPCREL", elf.R_X86_64_GOTPCREL, "far", -4, 0, func(k *Linked) uint64 { return slot(k) - 4 - place }, libFunc, ""},
		{"GOTPCRELX", elf.R_X86_64_GOTPCRELX, "far", -4, 0, func(k *Linked) uint64 { return slot(k) - 4 - place }, libFunc, ""},
		{"REX_GOTPCRELX", elf.R_X86_64_REX_GOTPCRELX, "near", -4, 0, func(k *Linked) uint64 { return slot(k) - 4 - place }, runFunc, ""},
		{"GOTPCREL far GOT", elf.R_X86_64_GOTPCREL, "fargot", -4, 0, func(k *Linked) uint64 { return slot(k) - 4 - place }, libFunc, ""},
		{"weak and undefined", elf.R_X86_64_64, "?weak", 0, 0, none, 0, ""},
		{"weak GOT", elf.R_X86_64_GOTPCREL, "?weak", -4, 0, func(k *Linked) uint64 { return slot(k) - 4 - place }, 0, ""},
		{"undefined", elf.R_X86_64_64, "what", 0, 0, none, 0, CodeUnresolved},
		{"no address", elf.R_X86_64_64, "nothing", 0, 0, none, 0, CodeUnresolved},
		{"TPOFF32", elf.R_X86_64_TPOFF32, "%le", 8, 0, func(*Linked) uint64 { return ^uint64(31) }, 0, ""},
		{"TPOFF32 unknown", elf.R_X86_64_TPOFF32, "%slot", 0, 0, none, 0, CodeTLSModel},
		{"GOTTPOFF", elf.R_X86_64_GOTTPOFF, "%slot", -4, 0, func(*Linked) uint64 { return pcrel(0x404020) }, 0, ""},
		{"GOTTPOFF made", elf.R_X86_64_GOTTPOFF, "%le", -4, 0, func(k *Linked) uint64 { return slot(k) - 4 - place }, ^uint64(39), ""},
		{"GOTTPOFF unknown", elf.R_X86_64_GOTTPOFF, "%pair", -4, 0, none, 0, CodeTLSModel},
		{"TLSGD", elf.R_X86_64_TLSGD, "%pair", -4, 0, func(*Linked) uint64 { return pcrel(0x404030) }, 0, ""},
		{"TLSGD unknown", elf.R_X86_64_TLSGD, "%le", -4, 0, none, 0, CodeTLSModel},
		{"TLSLD", elf.R_X86_64_TLSLD, "%block", -4, 0, func(*Linked) uint64 { return pcrel(0x404040) }, 0, ""},
		{"TLSLD unknown", elf.R_X86_64_TLSLD, "%pair", -4, 0, none, 0, CodeTLSModel},
		{"DTPOFF32", elf.R_X86_64_DTPOFF32, "%block", 2, 0, func(*Linked) uint64 { return 26 }, 0, ""},
		{"DTPOFF32 unknown", elf.R_X86_64_DTPOFF32, "%slot", 0, 0, none, 0, CodeTLSModel},
		{"SIZE64", elf.R_X86_64_SIZE64, "f", 1, 0, func(*Linked) uint64 { return 17 }, 0, ""},
		{"NONE", elf.R_X86_64_NONE, "near", 0, 0, none, 0, ""},
		{"GOTPC32", elf.R_X86_64_GOTPC32, "near", -4, 0, none, 0, CodeUnsupported},
		{"TLSDESC", elf.R_X86_64_GOTPC32_TLSDESC, "%desc", -4, 0, func(*Linked) uint64 { return pcrel(0x404050) }, 0, ""},
		{"TLSDESC unknown", elf.R_X86_64_GOTPC32_TLSDESC, "%pair", -4, 0, none, 0, CodeTLSModel},
		{"COPY", elf.R_X86_64_COPY, "near", 0, 0, none, 0, CodeUnsupported},
		{"unknown", elf.R_X86_64(200), "near", 0, 0, none, 0, CodeUnsupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := make([]byte, 32)
			text[7] = tt.op
			k, err := link(t, updateOf(t, objectOf(t, sec{name: ".text", flags: x, data: text, relas: []rel{{8, tt.typ, tt.sym, tt.add}}})))
			if tt.refused != "" {
				checkRefusal(t, err, tt.refused)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, want := binary.LittleEndian.Uint64(k.Code.Bytes[8:]), tt.want(k)
			if got != want && (got != want&0xffff_ffff || tt.typ == elf.R_X86_64_64) {
				t.Errorf("%#x, want %#x", got, want)
			}
			if n := len(k.Const.Bytes); tt.slot != 0 && (n != 8 || binary.LittleEndian.Uint64(k.Const.Bytes) != tt.slot) {
				t.Errorf("slots % x, want %#x", k.Const.Bytes, tt.slot)
			}
		})
	}
}

// TestLinkLayout checks where things go, and that zeros are not carried.
func TestLinkLayout(t *testing.T) {
	raw := objectOf(t,
		sec{name: ".text", flags: x, align: 16, data: bytes.Repeat([]byte{0xc3}, 20)},
		sec{name: ".text.g", flags: x, align: 16, data: make([]byte, 4)},
		sec{name: ".rodata", align: 8, data: make([]byte, 9)},
		sec{name: ".data", flags: elf.SHF_WRITE, align: 4, data: []byte{1, 2, 3, 4, 5}, relas: []rel{}},
		sec{name: ".bss", typ: elf.SHT_NOBITS, flags: elf.SHF_WRITE, align: 64, size: 1 << 28},
		sec{name: ".refs", flags: elf.SHF_WRITE, align: 8, data: make([]byte, 16), relas: []rel{{0, elf.R_X86_64_64, "bss", 0}, {8, elf.R_X86_64_64, "text.g", 0}}},
	)
	u := updateOf(t, raw)
	k, err := link(t, u)
	if err != nil {
		t.Fatal(err)
	}
	if len(k.Data.Bytes) != 24 || k.Data.Size != 64+1<<28 || !k.Data.Write || k.Data.Exec || !k.Code.Exec {
		t.Errorf("data: %d bytes of %#x", len(k.Data.Bytes), k.Data.Size)
	}
	refs := k.Data.Bytes[8:]
	if bss, g := binary.LittleEndian.Uint64(refs), binary.LittleEndian.Uint64(refs[8:]); bss != testLayout.Data+64 || g != testLayout.Code+32 {
		t.Errorf("bss at %#x, g at %#x", bss, g)
	}
	if k.NewAddr(0, 0) != testLayout.Code || len(k.Escapes) != 1 || k.Escapes[0] != "text.g" {
		t.Errorf("f at %#x, escapes %q", k.NewAddr(0, 0), k.Escapes)
	}
	if got := k.Functions(); len(got) != 2 || got[1] != testLayout.Code+32 {
		t.Errorf("functions %#x", got)
	}
}

// TestLinkObjects has objects of one update refer to each other.
func TestLinkObjects(t *testing.T) {
	user := objectOf(t, sec{name: ".text", flags: x, data: make([]byte, 16), relas: []rel{{8, elf.R_X86_64_64, "text.new", 0}}})
	maker := objectOf(t, sec{name: ".text", flags: x, data: make([]byte, 16)}, sec{name: ".text.new", flags: x, data: make([]byte, 16)})
	k, err := link(t, updateOf(t, user, maker))
	if err != nil {
		t.Fatal(err)
	}
	if got := binary.LittleEndian.Uint64(k.Code.Bytes[8:]); got != testLayout.Code+32 {
		t.Errorf("new is at %#x", got)
	}
	_, err = link(t, updateOf(t, user, maker, maker))
	checkRefusal(t, err, CodeUnresolved)
}

// TestLinkRefuses links objects that no compiler makes.
func TestLinkRefuses(t *testing.T) {
	ret := []byte{0xc3, 0, 0, 0, 0, 0, 0, 0}
	text := sec{name: ".text", flags: x, data: ret}
	for _, tt := range []struct {
		name string
		secs []sec
		want Code
	}{
		{"thread-local data", []sec{text, {name: ".tdata", flags: elf.SHF_TLS | elf.SHF_WRITE, data: ret}}, CodeTLSModel},
		{"alignment", []sec{text, {name: ".data", flags: elf.SHF_WRITE, align: 1 << 20, data: ret}}, CodeUnsupported},
		{"huge", []sec{text, {name: ".bss", typ: elf.SHT_NOBITS, flags: elf.SHF_WRITE, size: 1 << 62}}, CodeUnsupported},
		{"huge together", []sec{text, {name: ".bss", typ: elf.SHT_NOBITS, flags: elf.SHF_WRITE, size: 1 << 30}, {name: ".bss2", typ: elf.SHT_NOBITS, flags: elf.SHF_WRITE, size: 1 << 30}}, CodeUnsupported},
		{"code without bytes", []sec{text, {name: ".x", typ: elf.SHT_NOBITS, flags: x, size: 1 << 28}}, CodeUnsupported},
		{"constants without bytes", []sec{text, {name: ".r", typ: elf.SHT_NOBITS, size: 1 << 28}}, CodeUnsupported},
		{"relocation of zeros", []sec{text, {name: ".bss", typ: elf.SHT_NOBITS, flags: elf.SHF_WRITE, size: 64, relas: []rel{{0, elf.R_X86_64_64, "near", 0}}}}, CodeUnsupported},
		{"relocation outside", []sec{{name: ".text", flags: x, data: ret, relas: []rel{{5, elf.R_X86_64_32, "near", 0}}}}, CodeUnsupported},
		{"relocation far outside", []sec{{name: ".text", flags: x, data: ret, relas: []rel{{1 << 63, elf.R_X86_64_32, "near", 0}}}}, CodeUnsupported},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := link(t, updateOf(t, objectOf(t, tt.secs...)))
			checkRefusal(t, err, tt.want)
		})
	}
	u := updateOf(t, objectOf(t, text, sec{name: ".data", flags: elf.SHF_WRITE, data: ret}))
	for name, sym := range map[string]uint32{"null": 0, "data": 2, "out of range": 1 << 31} {
		u.Objects[0].Redirects[0].Symbol = sym
		if _, err := NewLinker(u); err == nil {
			t.Errorf("a redirect to symbol %s", name)
		}
	}
}

// FuzzLink links objects of any bytes, in bounded memory.
func FuzzLink(f *testing.F) {
	f.Add(objectOf(f, sec{name: ".text", flags: x, data: make([]byte, 16), relas: []rel{{8, elf.R_X86_64_GOTPCREL, "far", -4}}}))
	f.Add(objectOf(f, sec{name: ".text", flags: x, data: []byte{0xe8, 0, 0, 0, 0}, relas: []rel{{1, elf.R_X86_64_PLT32, "far", -4}}},
		sec{name: ".bss", typ: elf.SHT_NOBITS, flags: elf.SHF_WRITE, size: 1 << 20}))
	f.Add(objectOf(f, sec{name: ".text", flags: x, data: make([]byte, 8), relas: []rel{{4, elf.R_X86_64_TPOFF32, "%le", 0}}}))
	f.Fuzz(func(t *testing.T, raw []byte) {
		u := &Update{Format: UpdateFormat, Modules: []Module{{}}, Objects: []Object{{ELF: raw}}}
		for i := range uint32(8) {
			u.Objects[0].Imports = append(u.Objects[0].Imports, Import{Symbol: i, Name: []string{"near", "far", "%le", "?"}[i%4]})
		}
		k, err := link(t, u)
		if err != nil {
			if k != nil {
				t.Fatal("both")
			}
			return
		}
		if n := len(k.Const.Bytes) + len(k.Code.Bytes) + len(k.Data.Bytes); n > 64*len(raw)+3*PageSize {
			t.Fatalf("%d bytes for an object of %d", n, len(raw))
		}
	})
}

func BenchmarkLink(b *testing.B) {
	text := make([]byte, 4096)
	var relas []rel
	for i := range 256 {
		text[i*16+7] = 0xe8
		relas = append(relas, rel{uint64(i)*16 + 8, elf.R_X86_64_PLT32, []string{"far", "near"}[i%2], -4})
	}
	u := updateOf(b, objectOf(b, sec{name: ".text", flags: x, data: text, relas: relas}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := link(b, u); err != nil {
			b.Fatal(err)
		}
	}
}

// TestResolveErrors checks that errors of the target come through.
func TestResolveErrors(t *testing.T) {
	l, err := NewLinker(updateOf(t, objectOf(t, sec{name: ".text", flags: x, data: make([]byte, 16), relas: []rel{{8, elf.R_X86_64_64, "any", 0}}})))
	if err != nil {
		t.Fatal(err)
	}
	mine := errors.New("mine")
	if _, err := l.Link(testLayout, func(*Import) (Resolved, error) { return Resolved{}, mine }); !errors.Is(err, mine) {
		t.Error(err)
	}
}
