package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// BuildModule builds a small module: code with references of all kinds, data, a
// per-CPU variable, zeros, and two static functions of one name whose order in the
// symbol table is not that of their addresses.
func BuildModule(t testing.TB, change func(b *elfobj.Builder)) []byte {
	t.Helper()
	b := &elfobj.Builder{}
	const a, w, x = elf.SHF_ALLOC, elf.SHF_WRITE, elf.SHF_EXECINSTR
	section := func(name string, typ elf.SectionType, flags elf.SectionFlag, align, size uint64) elfobj.SectionIndex {
		h := elfobj.SectionHeader{Name: name, Type: typ, Flags: flags, Addralign: align, Size: size}
		if typ == elf.SHT_NOBITS {
			return b.AddSection(h, nil)
		}
		return b.AddSection(h, bytes.Repeat([]byte{0xcc}, int(size)))
	}
	data := section(".data", elf.SHT_PROGBITS, a|w, 8, 16)
	text := section(".text", elf.SHT_PROGBITS, a|x, 16, 40)
	section(".init.text", elf.SHT_PROGBITS, a|x, 16, 8)
	section(".bss", elf.SHT_NOBITS, a|w, 32, 100)
	section(".rodata", elf.SHT_PROGBITS, a, 1, 5)
	percpu := section(".data..percpu", elf.SHT_PROGBITS, a|w, 64, 8)
	section("__jump_table", elf.SHT_PROGBITS, a|w, 8, 16)
	b.AddSection(elfobj.SectionHeader{Name: ".modinfo", Type: elf.SHT_PROGBITS, Flags: a, Addralign: 1}, []byte("license=MIT\x00name=mini_mod\x00"))
	section(".debug_x", elf.SHT_PROGBITS, 0, 1, 8)
	sym := func(name string, s elfobj.SectionIndex, value uint64, bind elf.SymBind, typ elf.SymType) elfobj.SymbolIndex {
		return b.AddSymbol(elfobj.Symbol{Name: name, Section: s, Value: value, Size: 4, Info: elf.ST_INFO(bind, typ)})
	}
	sym("twin", text, 24, elf.STB_LOCAL, elf.STT_FUNC)
	sym("twin", text, 16, elf.STB_LOCAL, elf.STT_FUNC)
	variable := sym("variable", percpu, 4, elf.STB_LOCAL, elf.STT_OBJECT)
	start := sym("start", text, 0, elf.STB_GLOBAL, elf.STT_FUNC)
	printk := sym("_printk", 0, 0, elf.STB_GLOBAL, elf.STT_NOTYPE)
	maybe := sym("maybe", 0, 0, elf.STB_WEAK, elf.STT_NOTYPE)
	b.AddRela(text,
		elfobj.Rela{Offset: 0, Type: uint32(elf.R_X86_64_PLT32), Sym: printk, Addend: -4},
		elfobj.Rela{Offset: 4, Type: uint32(elf.R_X86_64_32S), Sym: variable, Addend: 1},
		elfobj.Rela{Offset: 8, Type: uint32(elf.R_X86_64_64), Sym: maybe})
	b.AddRela(data, elfobj.Rela{Offset: 8, Type: uint32(elf.R_X86_64_64), Sym: start, Addend: 3})
	if change != nil {
		change(b)
	}
	var out bytes.Buffer
	if _, err := b.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func openModuleBytes(b []byte, opt ModuleOptions) (*Image, error) {
	f, err := elfobj.Parse(b)
	if err != nil {
		return nil, err
	}
	return newModule(f, "dir/mini-mod.ko", opt)
}

func fakeKernel(t testing.TB) *Image {
	t.Helper()
	img, err := NewImage(Segments{}, []Region{{Start: 0xffffffff81000000, End: 0xffffffff82000000, Exec: true}},
		[]Module{{Name: "vmlinux"}}, []Symbol{
			{Name: "_printk", Addr: 0xffffffff81001230},
			{Name: "_printk", Addr: 0xffffffff81000010, Local: true},
			{Name: "__per_cpu_end", Addr: 0x34001},
		})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func word64(t testing.TB, img *Image, addr uint64) uint64 {
	t.Helper()
	var b [8]byte
	if err := img.ReadAddr(b[:], addr); err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint64(b[:])
}

func TestOpenModule(t *testing.T) {
	img, err := openModuleBytes(BuildModule(t, nil), ModuleOptions{Kernel: fakeKernel(t)})
	if err != nil {
		t.Fatal(err)
	}
	const base = DefaultModuleBase
	if m := img.Modules()[0]; m.Name != "mini_mod" || m.Start != base || m.End != base+0x4008 {
		t.Errorf("module %+v", m)
	}
	want := []Region{
		{Start: 0x34040, End: 0x34048, Write: true, Volatile: true}, // an offset: there is nothing to read
		{Start: base, End: base + 40, Read: true, Exec: true},
		{Start: base + 0x1000, End: base + 0x1005, Read: true},
		{Start: base + 0x2000, End: base + 0x2010, Read: true, Write: true},
		{Start: base + 0x3000, End: base + 0x3010, Read: true, Write: true},
		{Start: base + 0x3020, End: base + 0x3084, Read: true, Write: true, zero: true},
		{Start: base + 0x4000, End: base + 0x4008, Read: true, Exec: true},
	}
	if !slices.Equal(img.Regions(), want) {
		t.Errorf("regions %+v", img.Regions())
	}
	if got, want := One(t, img, "variable").Addr, uint64(0x34044); got != want {
		t.Errorf("per-CPU variable at %#x, want %#x", got, want)
	}
	if got, want := word64(t, img, base), uint64(0x34045)<<32|uint64(0xffffffff&(0x81001230-base-4)); got != want {
		t.Errorf("text begins with %#x, want %#x", got, want)
	}
	if got := word64(t, img, base+8); got != 0 {
		t.Errorf("a weak symbol that nobody has is at %#x", got)
	}
	if got := word64(t, img, base+0x3008); got != base+3 {
		t.Errorf("pointer to start+3 is %#x", got)
	}
	if got := word64(t, img, base+0x3030); got != 0 {
		t.Errorf(".bss holds %#x", got)
	}
	twins := img.Lookup("twin") // by address
	for i, want := range []uint64{2, 1} {
		if pos, ok := img.SymPos(twins[i]); !ok || pos != want {
			t.Errorf("twin at %#x: position %d, %v, want %d", twins[i].Addr, pos, ok, want)
		}
		if s, ok := img.bySymPos("mini_mod", "twin", want); !ok || s.Addr != twins[i].Addr {
			t.Errorf("twin,%d is at %#x", want, s.Addr)
		}
	}
	if pos, ok := img.SymPos(One(t, img, "start")); !ok || pos != 0 {
		t.Errorf("start: position %d, %v", pos, ok)
	}
}

// TestModuleAlone: without a kernel, undefined symbols are told apart, and can't
// be read.
func TestModuleAlone(t *testing.T) {
	img, err := openModuleBytes(BuildModule(t, nil), ModuleOptions{Base: 0xffffffffc0000000})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]bool{}
	for _, name := range []string{"_printk", "maybe"} {
		s := One(t, img, name)
		if s.Module != NoModule || seen[s.Addr] {
			t.Errorf("%+v", s)
		}
		seen[s.Addr] = true
		if r := img.RegionAt(s.Addr); r == nil || r.Read || !r.Exec {
			t.Errorf("%s is in %+v", name, r)
		}
		if err := img.ReadAddr(make([]byte, 1), s.Addr); !errors.Is(err, ErrUnmapped) {
			t.Errorf("read %s: %v", name, err)
		}
		if got, off, ok := img.SymbolAt(s.Addr); !ok || got.Name != name || off != 0 {
			t.Errorf("at the address of %s: %+v", name, got)
		}
	}
	if got := word64(t, img, 0xffffffffc0000008); got != One(t, img, "maybe").Addr {
		t.Errorf("reference to maybe: %#x", got)
	}
}

func TestModuleAtSections(t *testing.T) {
	at := map[string]uint64{
		".text": 0xffffffffc0300000, ".data": 0xffffffffc0500000, ".bss": 0xffffffffc0500020, ".rodata": 0xffffffffc0400000,
		"__jump_table": 0xffffffffc0600000, ".init.text": 0xffffffffc0700000,
	}
	img, err := openModuleBytes(BuildModule(t, nil), ModuleOptions{Sections: at, PerCPU: 0x30000})
	if err != nil {
		t.Fatal(err)
	}
	if got := One(t, img, "start").Addr; got != at[".text"] {
		t.Errorf("start at %#x", got)
	}
	if got := word64(t, img, at[".data"]+8); got != at[".text"]+3 {
		t.Errorf("pointer to start+3 is %#x", got)
	}
	if r := img.RegionAt(at[".init.text"]); r != nil {
		t.Errorf("what is freed is in %+v", r)
	}
	if got := One(t, img, "variable").Addr; got != 0x30004 {
		t.Errorf("variable at %#x", got)
	}
	delete(at, ".rodata")
	if _, err := openModuleBytes(BuildModule(t, nil), ModuleOptions{Sections: at}); err == nil || !strings.Contains(err.Error(), ".rodata") {
		t.Errorf("without an address for .rodata: %v", err)
	}
	at[".rodata"] = at[".text"] + 8
	if _, err := openModuleBytes(BuildModule(t, nil), ModuleOptions{Sections: at}); err == nil || !strings.Contains(err.Error(), "overlaps") {
		t.Errorf("overlapping sections: %v", err)
	}
}

// TestModuleHostile: what the loader would refuse, or worse, is refused.
func TestModuleHostile(t *testing.T) {
	header := func(name string, typ elf.SectionType, size, align uint64) elfobj.SectionHeader {
		return elfobj.SectionHeader{Name: name, Type: typ, Flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, Size: size, Addralign: align}
	}
	for _, tt := range []struct {
		name   string
		change func(b *elfobj.Builder)
		want   string
	}{
		{"field outside", func(b *elfobj.Builder) {
			b.AddRela(1, elfobj.Rela{Offset: 13, Type: uint32(elf.R_X86_64_PC32), Sym: 1})
		}, ".data+0xd"},
		{"field far outside", func(b *elfobj.Builder) {
			b.AddRela(1, elfobj.Rela{Offset: ^uint64(0) - 1, Type: uint32(elf.R_X86_64_PC32), Sym: 1})
		}, "outside"},
		{"field of zeros", func(b *elfobj.Builder) { b.AddRela(4, elfobj.Rela{Type: uint32(elf.R_X86_64_PC32), Sym: 1}) }, ".bss+0x0"},
		{"type", func(b *elfobj.Builder) { b.AddRela(1, elfobj.Rela{Type: uint32(elf.R_X86_64_GOTPCREL), Sym: 1}) }, "GOTPCREL"},
		{"overflow", func(b *elfobj.Builder) {
			b.AddRela(1, elfobj.Rela{Type: uint32(elf.R_X86_64_32S), Sym: 1, Addend: 1 << 40})
		}, "twin"},
		{"common", func(b *elfobj.Builder) {
			b.AddSymbol(elfobj.Symbol{Name: "c", Section: elfobj.SecCommon, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_OBJECT)})
		}, "common"},
		{"huge", func(b *elfobj.Builder) { b.AddSection(header(".x", elf.SHT_NOBITS, 1<<60, 1), nil) }, ".x"},
		{"huge together", func(b *elfobj.Builder) {
			for range 3 {
				h := header(".x", elf.SHT_NOBITS, 1<<29, 1)
				h.Flags = elf.SHF_ALLOC | elf.SHF_WRITE
				b.AddSection(h, nil)
			}
		}, "do not fit"},
		{"no code", func(b *elfobj.Builder) { b.AddSection(header(".x", elf.SHT_NOBITS, 64, 1), nil) }, "debug information only"},
		{"alignment", func(b *elfobj.Builder) { b.AddSection(header(".x", elf.SHT_PROGBITS, 0, 1<<30), []byte{0}) }, "aligned"},
	} {
		_, err := openModuleBytes(BuildModule(t, tt.change), ModuleOptions{})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestOpenModuleFile(t *testing.T) {
	dir := t.TempDir()
	plain := BuildModule(t, nil)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(plain)
	z.Close()
	for name, b := range map[string][]byte{"a.ko": plain, "b.ko.gz": packed.Bytes()} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		img, err := OpenModule(path, ModuleOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if img.Modules()[0].Name != "mini_mod" || img.Modules()[0].Path != path {
			t.Errorf("%+v", img.Modules()[0])
		}
	}
	for name, b := range map[string][]byte{"empty": nil, "cut": plain[:len(plain)/2], "cut.gz": packed.Bytes()[:packed.Len()/2], "x.lzma": []byte("\x5d\x00\x00\x00")} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenModule(path, ModuleOptions{}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenModule("../testdata/tiny.elf", ModuleOptions{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a program as module: %v", err)
	}
}

// FuzzModule opens any bytes as a module. What opens can be read where it says
// that it can be, and its size is that of the file or declared zeros.
func FuzzModule(f *testing.F) {
	b := BuildModule(f, nil)
	f.Add(b)
	f.Add(b[:len(b)-64])
	f.Fuzz(func(t *testing.T, b []byte) {
		img, err := openModuleBytes(b, ModuleOptions{})
		if err != nil {
			return
		}
		for _, r := range img.Regions() {
			if !r.Read {
				continue
			}
			p := make([]byte, min(r.End-r.Start, 4096))
			for _, at := range []uint64{r.Start, r.End - uint64(len(p))} {
				if err := img.ReadAddr(p, at); err != nil {
					t.Errorf("region %#x-%#x: %v", r.Start, r.End, err)
				}
			}
		}
		for _, s := range img.Symbols() {
			img.SymbolAt(s.Addr)
			if _, ok := img.SymPos(s); !ok {
				t.Errorf("%+v has no position", s)
			}
		}
	})
}
