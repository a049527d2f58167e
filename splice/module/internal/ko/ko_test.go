package ko

import (
	"debug/elf"
	"errors"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// TestPlace places sections of an object, and reads the file.
func TestPlace(t *testing.T) {
	spec := &elfobj.Spec{Sections: []elfobj.SpecSection{{}, {}, {}, {}}}
	for i, s := range []struct {
		name  string
		typ   elf.SectionType
		flags elf.SectionFlag
		size  uint64
	}{{".text.f", elf.SHT_PROGBITS, AllocExec, 3}, {".data.x", elf.SHT_PROGBITS, AllocWrite, 8}, {".bss.y", elf.SHT_NOBITS, AllocWrite, 16}, {".unknown", elf.SHT_PROGBITS, Alloc, 1}} {
		spec.Sections[i].Name, spec.Sections[i].Type, spec.Sections[i].Flags = s.name, s.typ, s.flags
		spec.Sections[i].Size, spec.Sections[i].Addralign = s.size, 8
	}
	f := NewFile()
	p := &Placing{To: f, Spec: spec, Padding: 16, Homes: make([]Home, 4)}
	f.Text().Append(1, []byte{0xc3})
	for i, want := range []struct {
		section string
		off     uint64
		err     error
	}{{".text", 24, nil}, {".data", 0, nil}, {".bss", 0, nil}, {"", 0, ErrSection}} {
		s := &spec.Sections[i]
		if err := p.Place(i, make([]byte, s.Size)); !errors.Is(err, want.err) {
			t.Fatalf("%s: %v", s.Name, err)
		}
		if h := p.Homes[i]; want.err == nil && (h.Section.Name != want.section || h.Offset != want.off) {
			t.Errorf("%s: %s+%d, want %s+%d", s.Name, h.Section.Name, h.Offset, want.section, want.off)
		}
	}
	if a, b := f.Literal("x"), f.Literal("x"); a != b {
		t.Errorf("%v, and %v for the same string", a, b)
	}
	b, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	out, err := elfobj.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]uint64{".text": 27, ".data": 8, ".bss": 16, ".rodata": 2} {
		for s := range out.SectionsNamed(name) {
			if s.Size != size {
				t.Errorf("%s has %d bytes, want %d", name, s.Size, size)
			}
		}
	}
}
