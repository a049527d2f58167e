package verify

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
)

// TestFill fills in what a table of copies says, where it can be what it says.
func TestFill(t *testing.T) {
	code := []byte{0xc1, 0xe8, 0x0c, 0xc3, 0xe8, 0, 0, 0, 0, 0xc3}
	row := func(size uint64) []byte {
		return append(make([]byte, copySize), binary.LittleEndian.AppendUint64(nil, size)...)
	}
	for _, c := range []struct {
		what  string
		at    int64 // in the code
		from  string
		plus  int64
		size  uint64
		extra bool // the loader writes into the code at 5
		want  byte // at 2
	}{
		{what: "a count of shifts", at: 2, from: "anchor", plus: 4, size: 1, want: 0x14},
		{what: "no row", at: 2, from: "anchor", plus: 4, size: 0, want: 0x0c},
		{what: "two symbols of that name", at: 2, from: "twice", size: 1, want: 0x0c},
		{what: "none", at: 2, from: "none", size: 1, want: 0x0c},
		{what: "more than an immediate", at: 2, from: "anchor", plus: 4, size: 9, want: 0x0c},
		{what: "outside", at: 10, from: "anchor", plus: 4, size: 1, want: 0x0c},
		{what: "before", at: -1, from: "anchor", plus: 4, size: 1, want: 0x0c},
		{what: "memory that is not there", at: 2, from: "anchor", plus: 0x10000, size: 1, want: 0x0c},
		{what: "a field of the loader", at: 2, from: "anchor", plus: 4, size: 4, extra: true, want: 0x0c},
	} {
		b := &elfobj.Builder{}
		text := b.AddSection(elfobj.SectionHeader{Name: ".text.f", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, Addralign: 1}, code)
		data := b.AddSection(elfobj.SectionHeader{Name: kerneltab.Rodata, Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC, Addralign: 8}, append(row(c.size), row(0)...))
		to := b.AddSymbol(elfobj.Symbol{Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), Section: text})
		b.AddSymbol(elfobj.Symbol{Name: "fix_copies", Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_OBJECT), Section: data, Size: 2 * copyRow})
		f := b.AddSymbol(elfobj.Symbol{Name: "f", Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Section: text, Size: uint64(len(code))})
		from := b.AddSymbol(elfobj.Symbol{Name: c.from, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)})
		b.AddRela(data, elfobj.Rela{Offset: copyTo, Sym: to, Addend: c.at, Type: uint32(elf.R_X86_64_64)})
		b.AddRela(data, elfobj.Rela{Offset: copyFrom, Sym: from, Addend: c.plus, Type: uint32(elf.R_X86_64_64)})
		if c.extra {
			b.AddRela(text, elfobj.Rela{Offset: 5, Sym: f, Addend: -4, Type: uint32(elf.R_X86_64_PLT32)})
		}
		var file bytes.Buffer
		if _, err := b.WriteTo(&file); err != nil {
			t.Fatal(err)
		}
		o, err := elfdiff.NewObject(bytes.NewReader(file.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		mem, err := image.NewSegments(image.Segment{Addr: 0x1000, Data: []byte{1, 2, 3, 4, 0x14, 0, 0, 0}})
		if err != nil {
			t.Fatal(err)
		}
		img, err := image.NewImage(mem, []image.Region{{Start: 0x1000, End: 0x1008}}, nil, []image.Symbol{{Name: "anchor", Addr: 0x1000}, {Name: "twice", Addr: 0x1000}, {Name: "twice", Addr: 0x1001}})
		if err != nil {
			t.Fatal(err)
		}
		u := &updating{checker: &checker{img: img}, object: o, bases: map[elfobj.SectionIndex]uint64{}, Update: Update{Name: "fix"}}
		filled, err := u.fill(file.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		got, err := filled.File.Sections[text].Data()
		if err != nil || got[2] != c.want || !bytes.Equal(got[:2], code[:2]) || !bytes.Equal(got[3:], code[3:]) {
			t.Errorf("%s: % x, %v", c.what, got, err)
		}
	}
}
