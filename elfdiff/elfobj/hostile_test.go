package elfobj

import (
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
)

// Indices in the object that sound makes.
const (
	secGroup SectionIndex = 1 + iota
	secText
	secData
	secBSS
	secDebug
	secRelaText
	secSymtab
	secStrtab
	secShstrtab
)

// sound makes an object with one of everything.
func sound(t testing.TB) []byte {
	t.Helper()
	var b Builder
	f := b.AddSymbol(Symbol{Name: "f", Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Section: secText, Size: 16})
	b.AddGroup(f, GroupComdat)
	b.AddSection(SectionHeader{Name: ".text", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, Addralign: 16}, bytes.Repeat([]byte{0x90}, 16))
	b.AddSection(SectionHeader{Name: ".data", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_WRITE, Addralign: 8}, make([]byte, 8))
	b.AddSection(SectionHeader{Name: ".bss", Type: elf.SHT_NOBITS, Flags: elf.SHF_ALLOC | elf.SHF_WRITE, Addralign: 8, Size: 1 << 40}, nil)
	debug := make([]byte, chdrSize+16)
	debug[0] = byte(elf.COMPRESS_ZLIB)
	b.AddSection(SectionHeader{Name: ".debug_info", Type: elf.SHT_PROGBITS, Addralign: 1}, debug)
	b.AddMember(secGroup, secText)
	b.AddSymbol(Symbol{Name: "local", Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_OBJECT), Section: secData, Size: 8})
	b.AddRela(secText, Rela{Offset: 4, Addend: -4, Sym: f, Type: uint32(elf.R_X86_64_PC32)})
	var out bytes.Buffer
	if _, err := b.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A victim is the object that a test damages.
type victim struct {
	b []byte
	f *File
}

// header returns the place of a section header.
func (v *victim) header(i SectionIndex) []byte {
	return v.b[le.Uint64(v.b[offShoff:])+uint64(i)*shdrSize:]
}

// entry returns the data of a section from off on.
func (v *victim) entry(i SectionIndex, off int) []byte {
	return v.b[int(v.f.Sections[i].Offset)+off:]
}

// Fields of section headers.
const (
	shName, shType, shFlags, shOffset, shSize = 0, 4, 8, 24, 32
	shLink, shInfo, shEntsize                 = 40, 44, 56
)

const huge = 0xffffffff_ffffff00

var hostile = []struct {
	name   string
	damage func(v *victim)
	want   string // in the message
}{
	{"empty", func(v *victim) { v.b = nil }, "not an ELF file"},
	{"text", func(v *victim) { v.b = []byte("#!/bin/sh\n") }, "begins with 23 21 2f 62: not an ELF file"},
	{"short header", func(v *victim) { v.b = v.b[:40] }, "offset 0x28: the file header has 40 bytes, not 64"},
	{"32 bit", func(v *victim) { v.b[elf.EI_CLASS] = 1 }, "found ELFCLASS32 (machine EM_X86_64), want ELFCLASS64"},
	{"big endian", func(v *victim) { v.b[elf.EI_DATA] = 2; v.b[19] = 21 }, "found ELFDATA2MSB"},
	{"arm64", func(v *victim) { v.b[offMachine] = 183 }, "found EM_AARCH64 (machine EM_AARCH64), want EM_X86_64"},
	{"version", func(v *victim) { v.b[offVersion] = 9 }, "found version 9"},
	{"type", func(v *victim) { v.b[16] = 9 }, "want ET_REL, ET_EXEC, ET_DYN or ET_CORE"},
	{"header size", func(v *victim) { v.b[offEhsize] = 52 }, "file header size is 52"},
	{"section header size", func(v *victim) { v.b[offShentsize] = 40 }, "section header size is 40"},
	{"table beyond the end", func(v *victim) { le.PutUint64(v.b[offShoff:], huge) }, "section header table: 0x40 bytes at 0xffffffffffffff00"},
	{"no table", func(v *victim) { le.PutUint64(v.b[offShoff:], 0) }, "10 sections but no section header table"},
	{"truncated table", func(v *victim) { v.b = v.b[:len(v.b)-1] }, "10 section headers in a file of"},
	{"too many sections", func(v *victim) { le.PutUint16(v.b[offShnum:], 0xfeff) }, "65279 section headers in a file of"},
	{"extended, too many", func(v *victim) {
		le.PutUint16(v.b[offShnum:], 0)
		le.PutUint64(v.header(0)[shSize:], 1<<58+10)
	}, "288230376151711754 section headers"},
	{"extended, none", func(v *victim) { le.PutUint16(v.b[offShnum:], 0) }, "section header table with no sections"},
	{"name table index", func(v *victim) { le.PutUint16(v.b[offShstrndx:], 10) }, "section name table is section 10 of 10"},
	{"name table type", func(v *victim) { le.PutUint16(v.b[offShstrndx:], uint16(secText)) }, "section name table is of type SHT_PROGBITS"},
	{"extended name table index", func(v *victim) {
		le.PutUint16(v.b[offShstrndx:], 0xffff)
		le.PutUint32(v.header(0)[shLink:], 1<<31)
	}, "section name table is section 2147483648 of 10"},
	{"name table beyond the end", func(v *victim) { le.PutUint64(v.header(secShstrtab)[shOffset:], huge) }, "section name table: "},
	{"section name", func(v *victim) { le.PutUint32(v.header(secText)[shName:], 5000) }, "section #2: offset 0x"},
	{"endless section name", func(v *victim) { v.entry(secShstrtab, int(v.f.Sections[secShstrtab].Size)-1)[0] = 'x' }, "is not within the"},
	{"program headers", func(v *victim) { v.b[offPhoff] = 64; v.b[offPhentsize] = 56; le.PutUint16(v.b[offPhnum:], 0xfffe) }, "65534 program headers: "},
	{"program header size", func(v *victim) { v.b[offPhoff] = 64; v.b[offPhnum] = 1 }, "program header size is 0, not 56"},
	{"section beyond the end", func(v *victim) { le.PutUint64(v.header(secText)[shSize:], 1<<30) }, "section .text: offset 0x50: 0x40000000 bytes in a file"},
	{"section wraps around", func(v *victim) { le.PutUint64(v.header(secText)[shOffset:], huge) }, "section .text: offset 0xffffffffffffff00"},
	{"overlap", func(v *victim) { le.PutUint64(v.header(secData)[shOffset:], v.f.Sections[secText].Offset+1) },
		"section .text: offset 0x50: 0x10 bytes overlap section .data, 0x8 bytes at 0x51"},
	{"overlap, other side", func(v *victim) { le.PutUint64(v.header(secData)[shOffset:], v.f.Sections[secText].Offset+1) },
		"section .data: offset 0x51: 0x8 bytes overlap section .text"},
	{"symbol size", func(v *victim) { v.header(secSymtab)[shEntsize] = 16 }, "section .symtab: offset 0xa8: sh_entsize is 16, not 24"},
	{"symbol size 0", func(v *victim) { v.header(secSymtab)[shEntsize] = 0 }, "sh_entsize is 0, not 24"},
	{"half a symbol", func(v *victim) { v.header(secSymtab)[shSize]-- }, "size 0x47 is no multiple"},
	{"first global", func(v *victim) { v.header(secSymtab)[shInfo] = 99 }, "sh_info: first global symbol 99 of 3"},
	{"string table index", func(v *victim) { v.header(secSymtab)[shLink] = 99 }, "sh_link: string table is section 99 of 10"},
	{"string table type", func(v *victim) { v.header(secSymtab)[shLink] = byte(secText) }, "string table .text is of type SHT_PROGBITS"},
	{"symbol name", func(v *victim) { le.PutUint32(v.entry(secSymtab, symSize), 77777) },
		"section .symtab: offset 0xc0: symbol 1: name at 0x12fd1 is not within the 0x9 bytes"},
	{"symbol section", func(v *victim) { v.entry(secSymtab, symSize)[6] = 10 }, "symbol 1: section index 10 of 10"},
	{"symbol XINDEX", func(v *victim) { le.PutUint16(v.entry(secSymtab, symSize+6), 0xffff) }, "symbol 1: section index is SHN_XINDEX, but there is no"},
	{"two symbol tables", func(v *victim) { v.header(secData)[shType] = byte(elf.SHT_SYMTAB) }, "second section of type SHT_SYMTAB"},
	{"extended indices", func(v *victim) {
		v.header(secData)[shType], v.header(secData)[shLink] = byte(elf.SHT_SYMTAB_SHNDX), byte(secSymtab)
		v.header(secData)[shEntsize] = 4
	}, "section .data: offset 0x60: 2 entries for 3 symbols"},
	{"relocation target", func(v *victim) { v.header(secRelaText)[shInfo] = 99 }, "section .rela.text: offset 0x90: sh_info: relocations apply to section 99"},
	{"relocation symbols", func(v *victim) { v.header(secRelaText)[shLink] = 99 }, "sh_link: symbol table is section 99"},
	{"relocation symbols' type", func(v *victim) { v.header(secRelaText)[shLink] = byte(secText) }, "symbol table .text is of type"},
	{"relocation symbol", func(v *victim) { le.PutUint32(v.entry(secRelaText, 12), 3) }, "offset 0x90: relocation 0: symbol 3 of 3"},
	{"relocation size", func(v *victim) { v.header(secRelaText)[shEntsize] = 16 }, "section .rela.text: offset 0x90: sh_entsize is 16"},
	{"REL", func(v *victim) { v.header(secRelaText)[shType] = byte(elf.SHT_REL) }, "x86-64 uses SHT_RELA only"},
	{"CREL", func(v *victim) { le.PutUint32(v.header(secRelaText)[shType:], uint32(typeCREL)) }, "x86-64 uses SHT_RELA only"},
	{"group signature", func(v *victim) { v.header(secGroup)[shInfo] = 3 }, "signature is symbol 3 of 3"},
	{"group member", func(v *victim) { v.entry(secGroup, 4)[0] = 200 }, "section .group: offset 0x44: member 0: section 200 of 10"},
	{"group in itself", func(v *victim) { v.entry(secGroup, 4)[0] = byte(secGroup) }, "member 0: section 1 of 10"},
	{"group without flags", func(v *victim) { v.header(secGroup)[shSize] = 0 }, "group without flags"},
	{"compression header", func(v *victim) {
		v.header(secDebug)[shFlags+1] = byte(elf.SHF_COMPRESSED >> 8)
		v.header(secDebug)[shSize] = 7
	}, "section .debug_info: offset 0x68: compression header in 7 bytes"},
	{"compression type", func(v *victim) {
		v.header(secDebug)[shFlags+1] = byte(elf.SHF_COMPRESSED >> 8)
		v.entry(secDebug, 0)[0] = 77
	}, "compression type COMPRESS_ZSTD+75"},
	{"bomb", func(v *victim) {
		v.header(secDebug)[shFlags+1] = byte(elf.SHF_COMPRESSED >> 8)
		le.PutUint64(v.entry(secDebug, 8), 1<<50)
	}, "grow beyond all proportion"},
	{"compressed text", func(v *victim) { v.header(secText)[shFlags+1] = byte(elf.SHF_COMPRESSED >> 8) }, "section .text: offset 0x50: compressed, but"},
}

// readAll parses and walks a file. What that allocates must not depend on what
// the fields of such a small file claim.
func readAll(t *testing.T, b []byte) (*File, error) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := Parse(b)
	if err == nil {
		err = walk(f)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes allocated for a file of %d", n, len(b))
	}
	return f, err
}

// opaque names the rows about content that Rewrite copies without a look.
var opaque = map[string]bool{
	"REL": true, "CREL": true,
	"compression header": true, "compression type": true, "bomb": true, "compressed text": true,
}

// TestHostile damages a sound object in one place each, and expects an error
// that names the place.
func TestHostile(t *testing.T) {
	if f, err := Parse(sound(t)); err != nil || walk(f) != nil {
		t.Fatalf("the object is damaged to begin with: %v", err)
	}
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			v := &victim{b: sound(t)}
			v.f, _ = Parse(bytes.Clone(v.b))
			h.damage(v)
			f, err := readAll(t, v.b)
			if err == nil || !strings.Contains(err.Error(), h.want) {
				t.Fatalf("got %v\nwant %s", err, h.want)
			}
			var fe *FormatError
			if !errors.As(err, &fe) {
				t.Errorf("error is of type %T", err)
			}
			if f != nil {
				if _, err := f.Rewrite(io.Discard); (err == nil) != opaque[h.name] {
					t.Errorf("Rewrite: %v", err)
				}
			}
			lazy, err := NewFile(bytes.NewReader(v.b), int64(len(v.b)))
			if err == nil {
				err = walk(lazy)
			}
			if err == nil || !strings.Contains(err.Error(), h.want) {
				t.Errorf("NewFile: got %v", err)
			}
		})
	}
}

// TestDamageIsLocal expects that a damaged debug section doesn't stand in the
// way of anything else.
func TestDamageIsLocal(t *testing.T) {
	v := &victim{b: sound(t)}
	v.f, _ = Parse(bytes.Clone(v.b))
	le.PutUint64(v.header(secDebug)[shOffset:], huge)
	f, err := Parse(v.b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Sections[secDebug].Data(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf(".debug_info: %v", err)
	}
	if b, err := f.Sections[secText].Data(); err != nil || len(b) != 16 {
		t.Errorf(".text: %x, %v", b, err)
	}
	if relas, err := f.Relas(secText); err != nil || len(relas) != 1 {
		t.Errorf("relocations: %v, %v", relas, err)
	}
	if syms, err := f.Symbols(); err != nil || len(syms) != 3 {
		t.Errorf("symbols: %v, %v", syms, err)
	}
}

// TestLocalSymbols expects that a table with a wrong count of local symbols can
// be read, but not written again: there would be no right count.
func TestLocalSymbols(t *testing.T) {
	v := &victim{b: sound(t)}
	v.f, _ = Parse(bytes.Clone(v.b))
	v.header(secSymtab)[shInfo] = 1
	f, err := Parse(v.b)
	if err != nil || walk(f) != nil {
		t.Fatalf("%v, %v", err, walk(f))
	}
	const want = "section .symtab: offset 0xa8: sh_info: first global symbol is 1, but should be 2"
	if _, err := f.Rewrite(io.Discard); err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

// TestNoNames gives section 0, which is what the header names when there is no name table,
// a type and bytes: they are its own, and not those of the table that is not there.
func TestNoNames(t *testing.T) {
	v := &victim{b: sound(t)}
	copy(v.header(0)[4:shdrSize], v.header(secText)[4:shdrSize])
	le.PutUint16(v.b[offShstrndx:], 0)
	copy(v.header(secText), make([]byte, shdrSize))
	f, err := Parse(v.b)
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Sections[0].Data()
	if err != nil || len(b) != 16 {
		t.Errorf("%d bytes, %v; want 16", len(b), err)
	}
}

// TestKind tells what is wrong from what is not supported.
func TestKind(t *testing.T) {
	b := sound(t)
	b[elf.EI_CLASS] = byte(elf.ELFCLASS32)
	if _, err := Parse(b); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("ELFCLASS32: %v", err)
	}
	if _, err := Parse([]byte("text")); !errors.Is(err, ErrNotELF) {
		t.Errorf("text: %v", err)
	}
	if _, err := Parse(b[:63]); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("truncated: %v", err)
	}
}

// TestLongNames makes symbol names that all are tails of one long string.
// Looking each of them up must not take time of their total length.
func TestLongNames(t *testing.T) {
	const n = 20_000
	long := strings.Repeat("x", 1<<20)
	s := &Spec{
		Sections: []SpecSection{{},
			{SectionHeader: SectionHeader{Name: ".symtab", Type: elf.SHT_SYMTAB, Addralign: 8}},
			{SectionHeader: SectionHeader{Name: ".strtab", Type: elf.SHT_STRTAB}, Data: []byte("\x00" + long + "\x00")},
		},
		Symtab: 1, Strtab: 2, Shstrtab: 2,
		Symbols: make([]Symbol, n),
	}
	var out bytes.Buffer
	if _, err := s.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	f, err := Parse(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{out.Bytes(), f}
	for i := range n {
		le.PutUint32(v.entry(1, i*symSize), uint32(1+i))
	}
	if f, err = Parse(v.b); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Symbols(); err == nil || !strings.Contains(err.Error(), "20000 names have") {
		t.Errorf("got %v", err)
	}
}
