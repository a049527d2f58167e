package kernel

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// fakeLayout is of a kernel with parts of memory apart.
func fakeLayout(apart bool) Layout {
	l := Layout{"module": {Offsets: map[string]uint64{"percpu": 8}}}
	if apart {
		l["module"].Offsets["mem"] = 64
		l["module_memory"] = Struct{Size: 72, Offsets: map[string]uint64{"base": 0, "size": 8}}
		l[memoryKinds] = Struct{Offsets: map[string]uint64{"MOD_TEXT": 0, "MOD_DATA": 1, "MOD_RODATA": 2, "MOD_RO_AFTER_INIT": 3}}
	} else {
		l["module"].Offsets["core_layout"] = 64
		l["module_layout"] = Struct{Offsets: map[string]uint64{"base": 0, "text_size": 12, "ro_size": 16, "ro_after_init_size": 20}}
	}
	return l
}

// FuzzParseModule lays out damaged modules: an error, or parts that hold all
// their sections, without overlap.
func FuzzParseModule(f *testing.F) {
	if b, err := os.ReadFile("testdata/fuzz.ko"); err == nil {
		f.Add(b, true)
		f.Add(b, false)
	}
	f.Fuzz(func(t *testing.T, b []byte, apart bool) {
		m, err := parseModule("x", b, fakeLayout(apart))
		if err != nil {
			return
		}
		type span struct{ lo, hi uint64 }
		used := map[int][]span{}
		for i, s := range m.File.Sections {
			p := m.places[i]
			if !p.kept || s.Size == 0 {
				continue
			}
			if p.off+s.Size > m.Parts[p.part].Size {
				t.Fatalf("section %d is outside of its part", i)
			}
			for _, u := range used[p.part] {
				if p.off < u.hi && u.lo < p.off+s.Size {
					t.Fatalf("section %d overlaps another", i)
				}
			}
			used[p.part] = append(used[p.part], span{p.off, p.off + s.Size})
		}
		for name := range m.byName {
			for _, s := range m.Lookup(name) {
				if part, off, ok := m.SymbolAt(&s); ok {
					_, _ = m.Position(name, part, off)
					_, _, _ = m.Raw(part, off, s.Size)
				}
			}
		}
	})
}

// TestModuleParts lays out a small module, and asks for what is in it.
func TestModuleParts(t *testing.T) {
	b, err := os.ReadFile("testdata/fuzz.ko")
	if err != nil {
		t.Fatal(err)
	}
	for _, apart := range []bool{false, true} {
		m, err := parseModule("fuzz.ko", b, fakeLayout(apart))
		if err != nil {
			t.Fatal(err)
		}
		if m.Name != "fuzz" || m.Magic != "6.1 SMP " || !bytes.Equal(m.BuildID, []byte{1, 2, 3, 4}) || !m.Imports("other") || m.Imports("first") {
			t.Errorf("%q for %q, build-id %x", m.Name, m.Magic, m.BuildID)
		}
		want := map[string]uint64{"one": 0, "two": 2} // the second of its name is in memory that is freed
		for name, pos := range want {
			list := m.Lookup(name)
			s := list[len(list)-1]
			part, off, ok := m.SymbolAt(&s)
			got, err := m.Position(name, part, off)
			if !ok || got != pos || err != nil {
				t.Errorf("%s: position %d, %v, want %d", name, got, err, pos)
			}
			if f, ok := m.Function(part, off); !ok || f.Name != name {
				t.Errorf("%s: the function there is %s", name, f.Name)
			}
		}
		first := m.Lookup("gone")[1]
		part, off, _ := m.SymbolAt(&first)
		if _, err := m.Position("gone", part, off); err != ErrPosition {
			t.Errorf("gone: %v", err)
		}
		raw, fix, err := m.Raw(part, off, 5)
		if err != nil || raw[0] != 0xe8 || len(fix) != 1 || fix[0].Offset != 1 || fix[0].Rela.Type != uint32(elf.R_X86_64_PLT32) || fix[0].Symbol.Name != "other" {
			t.Errorf("raw % x, %+v, %v", raw, fix, err)
		}
	}
	if _, err := parseModule("fuzz.ko", b, Layout{"module": {}}); err == nil {
		t.Error("a kernel of an unknown version was accepted")
	}
}

// exporting is a module with one export, as the linker leaves it.
func exporting(t testing.TB, crc uint32, namespace string) []byte {
	t.Helper()
	var b elfobj.Builder
	data := func(name string, text []byte) elfobj.SectionIndex {
		return b.AddSection(elfobj.SectionHeader{Name: name, Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC, Addralign: 4}, text)
	}
	data(kerneltab.Modinfo, []byte("license=GPL\x00name=store\x00vermagic=6.1\x00"))
	at := data(kerneltab.KSymTab+kerneltab.GPL, make([]byte, 12))
	crcs := data(kerneltab.KCRCTab+kerneltab.GPL, binary.LittleEndian.AppendUint32(make([]byte, 4), crc))
	names := data(kerneltab.KSymTab+"_strings", []byte("shelf\x00"+namespace+"\x00"))
	for _, s := range []elfobj.Symbol{
		{Name: kerneltab.KSymTab + "_shelf", Section: at}, {Name: kerneltab.CRCSymbol + "shelf", Section: crcs, Value: 4},
		{Name: kerneltab.NamespaceText + "shelf", Section: names, Value: 6}, {Name: kerneltab.CRCSymbol + "of_nothing", Section: crcs},
	} {
		b.AddSymbol(s)
	}
	var out bytes.Buffer
	if _, err := b.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestModuleExports: what a module exports is what a Module.symvers says of it.
func TestModuleExports(t *testing.T) {
	for _, namespace := range []string{"", "BOOKS"} {
		list, err := ModuleExports(exporting(t, 0x12ab, namespace))
		if err != nil {
			t.Fatal(err)
		}
		want := Export{Name: "shelf", Module: "store", CRC: 0x12ab, HasCRC: true, GPL: true, Namespace: namespace}
		if len(list) != 1 || list[0] != want {
			t.Errorf("%+v, want %+v", list, want)
		}
		back, err := ReadSymvers(strings.NewReader(Symvers(list)))
		if err != nil || back["shelf"] != want {
			t.Errorf("as a Module.symvers: %+v, %v", back, err)
		}
	}
}

// FuzzModuleExports reads damaged modules.
func FuzzModuleExports(f *testing.F) {
	f.Add(exporting(f, 1, "BOOKS"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		list, err := ModuleExports(b)
		if err == nil {
			_ = Symvers(list)
		}
	})
}
