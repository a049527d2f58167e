package verify

import (
	"bytes"
	"debug/elf"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
)

// TestStands has code without a symbol, to which the code before it jumps, at its place: as it is
// there, with other bytes, and with what the kernel makes of the jump, or somebody else.
func TestStands(t *testing.T) {
	code := []byte{0xe9, 0, 0, 0, 0, 0xc3, 0xc3, 0xf6, 5, 0, 0, 0, 0, 1, 0xc3}
	b := &elfobj.Builder{}
	text := b.AddSection(elfobj.SectionHeader{Name: ".text", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, Addralign: 1}, code)
	section := b.AddSymbol(elfobj.Symbol{Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), Section: text})
	f := b.AddSymbol(elfobj.Symbol{Name: "f", Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Section: text, Size: 7})
	data := b.AddSymbol(elfobj.Symbol{Name: "data", Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)})
	b.AddRela(text, elfobj.Rela{Offset: 1, Sym: section, Addend: 7 - 4, Type: uint32(elf.R_X86_64_PC32)})
	b.AddRela(text, elfobj.Rela{Offset: 9, Sym: data, Addend: -5, Type: uint32(elf.R_X86_64_PC32)})
	replacement := b.AddSection(elfobj.SectionHeader{Name: kerneltab.AltReplacement, Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, Addralign: 1}, []byte{0xe9, 0, 0, 0, 0})
	b.AddRela(replacement, elfobj.Rela{Offset: 1, Sym: f, Addend: 6 - 4, Type: uint32(elf.R_X86_64_PC32)}) // to f+6
	var file bytes.Buffer
	if _, err := b.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	o, err := elfdiff.NewObject(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	aside := object.NoAtom
	for i := range o.Atoms {
		if a := &o.Atoms[i]; a.Section == text && a.Name == "" && a.Offset == 7 {
			aside = a.ID
		}
	}
	if aside == object.NoAtom {
		t.Fatalf("%+v", o.Atoms)
	}
	const good = "\xf6\x05\xf2\x0f\x00\x00\x01\xc3"
	for _, c := range []struct {
		what, jump, run string
		at              uint64 // where matching has looked
		symbols         int
		want            bool
	}{
		{"a jump to what a replacement leads to", "\xe9\x01\x00\x00\x00", good, 0x1006, 2, true},
		{"a short one", "\xeb\x04\x0f\x1f\x00", good, 0x1006, 2, true},
		{"none any more", "\x0f\x1f\x44\x00\x00", good, 0, 2, true},
		{"as it was", "\xe9\x02\x00\x00\x00", good, 0, 2, true},
		{"to elsewhere", "\xe9\x00\x00\x00\x00", good, 0x1005, 2, false},
		{"far away", "\xe9\x01\x00\x10\x00", good, 0, 2, false},
		{"a short one to elsewhere", "\xeb\x03\x0f\x1f\x00", good, 0, 2, false},
		{"a short one with something behind it", "\xeb\x04\x0f\x1f\x01", good, 0, 2, false},
		{"something else", "\x90\x90\x90\x90\x90", good, 0, 2, false},
		{"compared there before", "\xe9\x02\x00\x00\x00", good, 0x1007, 2, false},
		{"another byte", "\xe9\x01\x00\x00\x00", "\xf6\x05\xf2\x0f\x00\x00\x02\xc3", 0x1006, 2, false},
		{"another reference", "\xe9\x01\x00\x00\x00", "\xf6\x05\xf3\x0f\x00\x00\x01\xc3", 0x1006, 2, false},
		{"a reference that is not known", "\xe9\x01\x00\x00\x00", good, 0x1006, 1, false},
		{"no memory", "\xe9\x01\x00\x00\x00", "", 0x1006, 2, false},
	} {
		run := c.jump + "\xc3\xc3" + c.run
		mem, err := image.NewSegments(image.Segment{Addr: 0x1000, Data: []byte(run)})
		if err != nil {
			t.Fatal(err)
		}
		img, err := image.NewImage(mem, []image.Region{{Start: 0x1000, End: 0x1000 + uint64(len(run))}, {Start: 0x2000, End: 0x2008}}, nil,
			[]image.Symbol{{Name: "f", Addr: 0x1000}, {Name: "data", Addr: 0x2000}}[:c.symbols])
		if err != nil {
			t.Fatal(err)
		}
		u := &updating{checker: &checker{img: img}, object: o, bases: map[elfobj.SectionIndex]uint64{}, Update: Update{Name: "fix"}}
		if got := u.stands(&reloc.FuncResult{Atom: aside, Address: c.at}); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}
