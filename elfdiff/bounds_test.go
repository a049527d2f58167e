package elfdiff

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/gosplice/gosplice/internal/elfobj"
	"github.com/gosplice/gosplice/internal/testenv"
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
				d.Listing(&d.Functions[i])
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
