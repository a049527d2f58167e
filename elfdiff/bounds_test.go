package elfdiff

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/klauspost/compress/zstd"
)

// bomb is an object whose debug information grows to size bytes of zeros.
func bomb(v byte, typ elf.CompressionType, size int) []byte {
	head := make([]byte, 24)
	binary.LittleEndian.PutUint32(head, uint32(typ))
	binary.LittleEndian.PutUint64(head[8:], uint64(size))
	var packed bytes.Buffer
	if typ == elf.COMPRESS_ZSTD {
		w, _ := zstd.NewWriter(&packed)
		w.Write(make([]byte, size))
		w.Close()
	} else {
		w := zlib.NewWriter(&packed)
		w.Write(make([]byte, size))
		w.Close()
	}
	return simple(v, func(m *maker, _ elfobj.SectionIndex, _ elfobj.SymbolIndex) {
		for _, name := range []string{".debug_info", ".debug_abbrev", ".debug_line"} {
			m.AddSection(elfobj.SectionHeader{Name: name, Type: elf.SHT_PROGBITS, Flags: elf.SHF_COMPRESSED, Addralign: 1}, slices.Concat(head, packed.Bytes()))
		}
	})()
}

// TestCompressedBombs compares objects whose debug information would take
// gigabytes: it counts as missing, and a finding says so.
func TestCompressedBombs(t *testing.T) {
	testenv.Serial(t)
	for _, c := range []struct {
		typ  elf.CompressionType
		size int
		want bool // it counts as missing
	}{
		{elf.COMPRESS_ZLIB, 64 << 20, true}, {elf.COMPRESS_ZSTD, 256 << 20, true},
		{elf.COMPRESS_ZLIB, 3 << 20, true}, {elf.COMPRESS_ZLIB, 1 << 20, false}, {elf.COMPRESS_ZSTD, 1 << 20, false},
	} {
		pre, post := bomb(1, c.typ, c.size), bomb(2, c.typ, c.size)
		testenv.Bounded(t, len(pre)+len(post), func() {
			d := diffOf(t, pre, post, Options{Types: true})
			for i := range d.Functions {
				ListingOf(d, &d.Functions[i])
				d.Explain(&d.Functions[i])
			}
			if got := hasFinding(d, CodeNoDebug); got != c.want || len(d.Functions) != 1 || len(d.Refusals) > 0 {
				t.Errorf("%v of %d bytes: %v, %v", c.typ, c.size, d.Findings, d.Refusals)
			}
		})
	}
}

func diffOf(t testing.TB, pre, post []byte, opt Options) *Diff {
	t.Helper()
	a, err := NewObject(bytes.NewReader(pre))
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewObject(bytes.NewReader(post))
	if err != nil {
		t.Fatal(err)
	}
	d, err := Compare(a, b, opt)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func hasFinding(d *Diff, code Code) bool {
	return slices.ContainsFunc(d.Findings, func(f Finding) bool { return f.Code == code })
}

// nops is a function of n one-byte instructions before it returns v, and as many
// behind.
func nops(v byte, n int) []byte {
	m := &maker{}
	code := slices.Concat(bytes.Repeat([]byte{0x90}, n), ret(v), bytes.Repeat([]byte{0x90}, n))
	m.symbol("f", m.section(".text", textFlags, code), 0, uint64(len(code)), elf.STT_FUNC)
	return m.bytes()
}

// table is a constant of n bytes, of which the one in the middle is v.
func table(v byte, n int) []byte {
	m := &maker{}
	data := make([]byte, n)
	data[n/2] = v
	m.symbol("t", m.section(".data", dataFlags, data), 0, uint64(n), elf.STT_OBJECT)
	return m.bytes()
}

// crowd is a function with n relocations of one instruction, to a symbol whose
// name has so many bytes.
func crowd(v byte, n, name int) []byte {
	m := &maker{}
	code := append([]byte{0xe8, 0, 0, 0, 0}, ret(v)...)
	text := m.section(".text", textFlags, code)
	m.symbol("f", text, 0, uint64(len(code)), elf.STT_FUNC)
	g := m.symbol(string(bytes.Repeat([]byte{'g'}, name)), 0, 0, 0, elf.STT_NOTYPE)
	for i := range n {
		m.AddRela(text, elfobj.Rela{Offset: 1, Sym: g, Type: uint32(elf.R_X86_64_PLT32), Addend: int64(i) - 4})
	}
	return m.bytes()
}

// calls is a function that calls one with a long name n times.
func calls(v byte, n, name int) []byte {
	m := &maker{}
	code := append(bytes.Repeat([]byte{0xe8, 0, 0, 0, 0}, n), ret(v)...)
	text := m.section(".text", textFlags, code)
	m.symbol("f", text, 0, uint64(len(code)), elf.STT_FUNC)
	g := m.symbol(string(bytes.Repeat([]byte{'g'}, name)), 0, 0, 0, elf.STT_NOTYPE)
	for i := range n {
		m.AddRela(text, elfobj.Rela{Offset: uint64(5*i + 1), Sym: g, Type: uint32(elf.R_X86_64_PLT32), Addend: -4})
	}
	return m.bytes()
}

// TestListingBounds lists what is much too large for a person: the first
// difference is there, and a note about what is left out.
func TestListingBounds(t *testing.T) {
	testenv.Serial(t)
	for _, c := range []struct {
		name  string
		build func(v byte) []byte
		cut   int // notes
		at    uint64
	}{
		{"nops", func(v byte) []byte { return nops(v, 500_000) }, 2, 500_000},
		{"a few nops", func(v byte) []byte { return nops(v, 1000) }, 0, 1000},
		{"just too many nops", func(v byte) []byte { return nops(v, maxListed/2) }, 1, maxListed / 2},
		{"data", func(v byte) []byte { return table(v, 4_000_000) }, 2, 2_000_000},
		{"a little data", func(v byte) []byte { return table(v, 1000) }, 0, 496},
		{"relocations at one place", func(v byte) []byte { return crowd(v, 100_000, 1) }, 0, 5},
		{"and with a long name", func(v byte) []byte { return crowd(v, 1000, 100_000) }, 0, 5},
		{"calls of a long name", func(v byte) []byte { return calls(v, 5_000, 100_000) }, 0, 25_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			pre, post := c.build(1), c.build(2)
			testenv.Bounded(t, len(pre)+len(post), func() { checkCuts(t, diffOf(t, pre, post, Options{}), c.cut, c.at) })
		})
	}
}

func checkCuts(t *testing.T, d *Diff, cuts int, at uint64) {
	t.Helper()
	list := slices.Concat(d.Functions, d.Data)
	if len(list) != 1 || list[0].Status != verdict.Changed {
		t.Fatalf("%+v", list)
	}
	lines := ListingOf(d, &list[0])
	if len(lines) > 2*maxListed+2 {
		t.Errorf("%d lines", len(lines))
	}
	n, found := 0, false
	for i := range lines {
		if lines[i].Mark == "." {
			n++
		}
		found = found || lines[i].Mark == "|" && lines[i].PreOffset == at
	}
	if n != cuts || !found {
		t.Errorf("%d notes, want %d; the difference at %#x is there: %v", n, cuts, at, found)
	}
}

// BenchmarkListingLarge lists a function of a megabyte: time and memory are those
// of 16,384 lines.
func BenchmarkListingLarge(b *testing.B) {
	d := diffOf(b, nops(1, 500_000), nops(2, 500_000), Options{})
	b.ReportAllocs()
	for b.Loop() {
		ListingOf(d, &d.Functions[0])
	}
}
