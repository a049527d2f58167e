package elfdiff

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// hostile is an object that no compiler makes.
type hostile struct {
	name  string
	build func() []byte
	// post is compared with it; nil means the object itself.
	post func() []byte
	err  bool // reading it fails, with an error of elfobj
	// refused is the code of a refusal, "" when there must be none.
	refused Code
	changes int  // when nothing is refused
	large   bool // more than a megabyte
}

const (
	textFlags = elf.SHF_ALLOC | elf.SHF_EXECINSTR
	dataFlags = elf.SHF_ALLOC | elf.SHF_WRITE
)

// maker composes an object.
type maker struct{ elfobj.Builder }

func (m *maker) section(name string, flags elf.SectionFlag, data []byte) elfobj.SectionIndex {
	return m.AddSection(elfobj.SectionHeader{Name: name, Type: elf.SHT_PROGBITS, Flags: flags, Addralign: 1}, data)
}

func (m *maker) symbol(name string, sec elfobj.SectionIndex, value, size uint64, typ elf.SymType) elfobj.SymbolIndex {
	bind := elf.STB_GLOBAL
	if name == "" || name[0] == '.' {
		bind = elf.STB_LOCAL
	}
	return m.AddSymbol(elfobj.Symbol{Name: name, Value: value, Size: size, Info: elf.ST_INFO(bind, typ), Section: sec})
}

func (m *maker) bytes() []byte {
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// ret is a function that returns v.
func ret(v byte) []byte { return []byte{0xb8, v, 0, 0, 0, 0xc3} }

// function makes an object with a function f, and lets more add to it.
func simple(v byte, more func(m *maker, text elfobj.SectionIndex, f elfobj.SymbolIndex)) func() []byte {
	return func() []byte {
		m := &maker{}
		text := m.section(".text", textFlags, ret(v))
		f := m.symbol("f", text, 0, 6, elf.STT_FUNC)
		if more != nil {
			more(m, text, f)
		}
		return m.bytes()
	}
}

// patched changes an object's bytes after it was made.
func patched(build func() []byte, change func(b []byte) []byte) func() []byte {
	return func() []byte { return change(build()) }
}

// chain makes n constants, each of which refers to the next; the last one
// refers to the first when cyclic is set, and has the value v.
func chain(n int, v byte, cyclic bool) func() []byte {
	return func() []byte {
		m := &maker{}
		code := append([]byte{0x48, 0x8d, 0x05, 0, 0, 0, 0}, 0xc3) // lea chain(%rip),%rax; ret
		text := m.section(".text", textFlags, code)
		m.symbol("f", text, 0, 8, elf.STT_FUNC)
		data := make([]byte, 16*n)
		for i := range n {
			data[16*i+8] = 1
		}
		data[16*n-8] = v
		ro := m.section(".rodata", elf.SHF_ALLOC, data)
		sec := m.symbol("", ro, 0, 0, elf.STT_SECTION)
		m.AddRela(text, elfobj.Rela{Offset: 3, Sym: sec, Addend: -4, Type: amd64.PC32})
		for i := range n {
			next := int64(i+1) * 16
			if i == n-1 {
				if !cyclic {
					break
				}
				next = 0
			}
			m.AddRela(ro, elfobj.Rela{Offset: uint64(16 * i), Sym: sec, Addend: next, Type: uint32(elf.R_X86_64_64)})
		}
		return m.bytes()
	}
}

// many makes n sections with a function each.
func many(n int, v byte) func() []byte {
	return func() []byte {
		m := &maker{}
		for i := range n {
			code := ret(1)
			if i == n/2 {
				code = ret(v)
			}
			name := fmt.Sprintf("fn%d", i)
			m.symbol(name, m.section(".text."+name, textFlags, code), 0, 6, elf.STT_FUNC)
		}
		return m.bytes()
	}
}

func hostileObjects() []hostile {
	relaAt := func(off uint64, typ uint32) func(*maker, elfobj.SectionIndex, elfobj.SymbolIndex) {
		return func(m *maker, text elfobj.SectionIndex, f elfobj.SymbolIndex) {
			m.AddRela(text, elfobj.Rela{Offset: off, Sym: f, Addend: -4, Type: typ})
		}
	}
	add := func(name string, flags elf.SectionFlag, data []byte, value, size uint64) func(*maker, elfobj.SectionIndex, elfobj.SymbolIndex) {
		return func(m *maker, _ elfobj.SectionIndex, _ elfobj.SymbolIndex) {
			m.symbol("x", m.section(name, flags, data), value, size, elf.STT_OBJECT)
		}
	}
	return []hostile{
		{name: "empty", build: func() []byte { return nil }, err: true},
		{name: "magic only", build: func() []byte { return []byte("\x7fELF") }, err: true},
		{name: "text file", build: func() []byte { return bytes.Repeat([]byte("hello "), 100) }, err: true},
		{name: "truncated header", build: patched(simple(1, nil), func(b []byte) []byte { return b[:50] }), err: true},
		{name: "truncated sections", build: patched(simple(1, nil), func(b []byte) []byte { return b[:len(b)-70] }), err: true},
		{name: "big endian", build: patched(simple(1, nil), func(b []byte) []byte { b[5] = 2; return b }), err: true},
		{name: "other machine", build: patched(simple(1, nil), func(b []byte) []byte { b[18] = 183; return b }), err: true},
		{name: "section table far away", build: patched(simple(1, nil), func(b []byte) []byte {
			binary.LittleEndian.PutUint64(b[40:], 1<<62)
			return b
		}), err: true},
		{name: "60000 sections claimed", build: patched(simple(1, nil), func(b []byte) []byte {
			binary.LittleEndian.PutUint16(b[60:], 60000)
			return b
		}), err: true},
		{name: "symbol behind its section", build: simple(1, add(".data", dataFlags, make([]byte, 8), 1<<40, 8))},
		{name: "symbol at the last address", build: simple(1, add(".data", dataFlags, make([]byte, 8), 1<<64-1, 8))},
		{name: "symbol larger than its section", build: simple(1, add(".data", dataFlags, make([]byte, 8), 4, 1<<63))},
		{name: "symbol that wraps", build: simple(1, add(".data", dataFlags, make([]byte, 8), 4, 1<<64-1))},
		{name: "overlapping functions", build: simple(1, func(m *maker, text elfobj.SectionIndex, _ elfobj.SymbolIndex) {
			m.symbol("g", text, 3, 100, elf.STT_FUNC)
		}), post: simple(2, func(m *maker, text elfobj.SectionIndex, _ elfobj.SymbolIndex) {
			m.symbol("g", text, 3, 100, elf.STT_FUNC)
		}), refused: CodeEntryPoints},
		{name: "relocation behind the section", build: simple(1, relaAt(1<<40, amd64.PC32))},
		{name: "relocation across the end", build: simple(1, relaAt(4, amd64.PC32)), post: simple(2, relaAt(4, amd64.PC32)), changes: 1},
		{name: "relocation at the last address", build: simple(1, relaAt(1<<64-1, amd64.PC32))},
		{name: "two relocations of one field", build: simple(1, func(m *maker, text elfobj.SectionIndex, f elfobj.SymbolIndex) {
			relaAt(1, amd64.PC32)(m, text, f)
			relaAt(1, amd64.PC32)(m, text, f)
			relaAt(2, amd64.PC32)(m, text, f)
		})},
		{name: "a function without bytes", build: simple(1, relaAt(1, amd64.PC32)), post: patched(simple(1, relaAt(1, amd64.PC32)), func(b []byte) []byte {
			table := binary.LittleEndian.Uint64(b[40:])
			binary.LittleEndian.PutUint32(b[table+64+4:], uint32(elf.SHT_NOBITS)) // the type of .text
			return b
		}), changes: 1},
		{name: "unknown relocation type", build: simple(1, nil), post: simple(1, relaAt(1, 200)), refused: CodeRelocation},
		{name: "code that does not decode", build: simple(1, nil), post: func() []byte {
			m := &maker{}
			m.symbol("f", m.section(".text", textFlags, []byte{0x06, 0x07, 0xff, 0xff}), 0, 4, elf.STT_FUNC)
			return m.bytes()
		}, changes: 1},
		{name: "cyclic constants", build: chain(100, 1, true), changes: 0},
		{name: "cyclic constants changed", build: chain(100, 1, true), post: chain(100, 2, true), changes: 1},
		{name: "cycles of coprime lengths", build: chain(997, 1, true), post: chain(1009, 1, true), changes: 1},
		{name: "deep constants", build: chain(50000, 1, false), changes: 0, large: true},
		{name: "deep constants changed", build: chain(50000, 1, false), post: chain(50000, 2, false), changes: 1, large: true},
		{name: "60000 sections", build: many(60000, 1), post: many(60000, 2), changes: 1, large: true},
		{name: "70000 sections", build: many(70000, 1), post: many(70000, 2), changes: 1, large: true},
		{name: "100000 symbols at one address", build: simple(1, sameAddress), post: simple(2, sameAddress), changes: 1, large: true},
		{name: "a million empty strings", build: simple(1, func(m *maker, text elfobj.SectionIndex, _ elfobj.SymbolIndex) {
			m.AddSection(elfobj.SectionHeader{Name: ".rodata.str1.1", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_MERGE | elf.SHF_STRINGS, Addralign: 1, Entsize: 1}, make([]byte, 1<<20))
		})},
		{name: "string without an end", build: simple(1, func(m *maker, text elfobj.SectionIndex, _ elfobj.SymbolIndex) {
			s := m.AddSection(elfobj.SectionHeader{Name: ".rodata.str1.1", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_MERGE | elf.SHF_STRINGS, Addralign: 1, Entsize: 1}, []byte("no end"))
			m.AddRela(text, elfobj.Rela{Offset: 1, Sym: m.symbol("", s, 0, 0, elf.STT_SECTION), Addend: 100, Type: uint32(elf.R_X86_64_32)})
		})},
		{name: "wide string cut off", build: simple(1, func(m *maker, text elfobj.SectionIndex, _ elfobj.SymbolIndex) {
			s := m.AddSection(elfobj.SectionHeader{Name: ".rodata.str4.4", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_MERGE | elf.SHF_STRINGS, Addralign: 4, Entsize: 4}, []byte("a\x00\x00\x00b"))
			m.AddRela(text, elfobj.Rela{Offset: 1, Sym: m.symbol("", s, 0, 0, elf.STT_SECTION), Addend: 4, Type: uint32(elf.R_X86_64_32)})
		})},
		{name: "entries of absurd size", build: simple(1, func(m *maker, text elfobj.SectionIndex, _ elfobj.SymbolIndex) {
			s := m.AddSection(elfobj.SectionHeader{Name: ".rodata.cst", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_MERGE, Addralign: 1, Entsize: 1 << 63}, make([]byte, 64))
			m.AddRela(text, elfobj.Rela{Offset: 1, Sym: m.symbol("", s, 0, 0, elf.STT_SECTION), Addend: 40, Type: uint32(elf.R_X86_64_32)})
		})},
		{name: "unwinding records that lie", build: simple(1, func(m *maker, _ elfobj.SectionIndex, _ elfobj.SymbolIndex) {
			m.section(".eh_frame", elf.SHF_ALLOC, bytes.Repeat([]byte{0xf0, 0xff, 0xff, 0x7f}, 64))
		})},
		{name: "common symbol that grew", build: common(8), post: common(16), changes: 1},
		{name: "huge .bss", build: simple(1, func(m *maker, _ elfobj.SectionIndex, _ elfobj.SymbolIndex) {
			s := m.AddSection(elfobj.SectionHeader{Name: ".bss", Type: elf.SHT_NOBITS, Flags: dataFlags, Addralign: 1}, nil)
			m.Section(s).Size = 1 << 62
			m.symbol("x", s, 1<<61, 1<<61, elf.STT_OBJECT)
		})},
	}
}

func sameAddress(m *maker, text elfobj.SectionIndex, _ elfobj.SymbolIndex) {
	for i := range 100000 {
		m.symbol(fmt.Sprintf(".alias%d", i), text, 0, 0, elf.STT_NOTYPE)
	}
}

// common makes a function that uses a common symbol of some size.
func common(size uint64) func() []byte {
	return simple(1, func(m *maker, text elfobj.SectionIndex, _ elfobj.SymbolIndex) {
		c := m.symbol("c", elfobj.SecCommon, 8, size, elf.STT_OBJECT)
		m.AddRela(text, elfobj.Rela{Offset: 1, Sym: c, Type: uint32(elf.R_X86_64_32)})
	})
}

func TestHostile(t *testing.T) {
	testenv.Serial(t)
	for _, h := range hostileObjects() {
		t.Run(h.name, func(t *testing.T) {
			pre, err := NewObject(bytes.NewReader(h.build()))
			if h.err {
				var fe *elfobj.FormatError
				if !errors.As(err, &fe) {
					t.Fatalf("error %v, want a FormatError", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkObject(t, pre)
			post := pre
			if h.post != nil {
				if post, err = NewObject(bytes.NewReader(h.post())); err != nil {
					t.Fatal(err)
				}
			}
			d, err := Compare(pre, post, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if h.refused != "" {
				if len(d.Refusals) == 0 || d.Refusals[0].Code != h.refused {
					t.Errorf("want the refusal %s\n%s", h.refused, report(d))
				}
			} else if d.Changes() != h.changes || len(d.Refusals) > 0 && h.changes == 0 {
				t.Errorf("want %d changes\n%s", h.changes, report(d))
			}
			if h.large {
				return
			}
			exercise(h.build(), h.build())
			if h.post != nil {
				exercise(h.build(), h.post())
			}
		})
	}
}

func TestNotRelocatable(t *testing.T) {
	b := simple(1, nil)()
	b[16] = byte(elf.ET_DYN)
	if _, err := NewObject(bytes.NewReader(b)); !errors.Is(err, object.ErrNotRelocatable) {
		t.Errorf("error %v", err)
	}
}
