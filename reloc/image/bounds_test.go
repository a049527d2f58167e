package image

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/decompress"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// overlapping is a shared library whose n dynamic symbols have names that are
// tails of one text of size bytes.
func overlapping(n, size int) []byte {
	le := binary.LittleEndian
	const ehdr, phdr, dyn = 64, 56, 16
	at := uint64(ehdr + 2*phdr)
	dynAt, hashAt := at, at+6*dyn
	symAt := hashAt + 16
	strAt := symAt + uint64(n)*symSize
	code := (strAt + uint64(size) + 15) &^ 15
	b := append([]byte(elf.ELFMAG), 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = le.AppendUint16(le.AppendUint16(b, uint16(elf.ET_DYN)), uint16(elf.EM_X86_64))
	b = le.AppendUint32(b, 1)
	for _, v := range []uint64{0, ehdr, 0} {
		b = le.AppendUint64(b, v)
	}
	b = le.AppendUint32(b, 0)
	for _, v := range []uint16{ehdr, phdr, 2, 64, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	segment := func(typ elf.ProgType, flags elf.ProgFlag, off, size uint64) {
		b = le.AppendUint32(le.AppendUint32(b, uint32(typ)), uint32(flags))
		for _, v := range []uint64{off, off, off, size, size, 8} {
			b = le.AppendUint64(b, v)
		}
	}
	segment(elf.PT_LOAD, elf.PF_R|elf.PF_X, 0, code+64)
	segment(elf.PT_DYNAMIC, elf.PF_R, dynAt, 6*dyn)
	for _, t := range [][2]uint64{
		{uint64(elf.DT_HASH), hashAt}, {uint64(elf.DT_STRTAB), strAt}, {uint64(elf.DT_STRSZ), uint64(size)},
		{uint64(elf.DT_SYMTAB), symAt}, {uint64(elf.DT_SYMENT), symSize}, {0, 0},
	} {
		b = le.AppendUint64(le.AppendUint64(b, t[0]), t[1])
	}
	for _, v := range []uint32{1, uint32(n), 0, 0} {
		b = le.AppendUint32(b, v)
	}
	for i := range n {
		b = le.AppendUint32(b, uint32(i%(size/2)))
		b = append(b, elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), 0, 1, 0)
		b = le.AppendUint64(le.AppendUint64(b, code), 6)
	}
	text := make([]byte, code+64-strAt)
	for i := range size - 1 {
		text[i] = 'a'
	}
	copy(text[code-strAt:], []byte{0xb8, 1, 0, 0, 0, 0xc3})
	return append(b, text...)
}

// TestOverlappingNames opens libraries whose names overlap: they share the
// memory of the table, and where they are long beyond all proportion, which
// would take quadratic time, the library is an error.
func TestOverlappingNames(t *testing.T) {
	for _, c := range []struct {
		n, size int
		err     bool
	}{{1000, 4000, false}, {20000, 4000, false}, {1000, 400000, true}, {20000, 400000, true}} {
		b := overlapping(c.n, c.size)
		testenv.Bounded(t, len(b), func() {
			f, err := elfobj.Parse(b)
			if err != nil {
				t.Fatal(err)
			}
			img, err := NewELF(f, "overlapping.so")
			if (err != nil) != c.err {
				t.Errorf("%d names in %d bytes: %v", c.n, c.size, err)
			}
			if err == nil && len(img.Symbols()) == 0 {
				t.Errorf("%d names in %d bytes: no symbols", c.n, c.size)
			}
			d, err := openDynamic(fileMemory{f}, f.Progs, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.symbols(); (err != nil) != c.err {
				t.Errorf("%d names in %d bytes: %v", c.n, c.size, err)
			}
		})
	}
}

// TestPackedBombs opens small files that unpack to hundreds of megabytes.
func TestPackedBombs(t *testing.T) {
	testenv.Serial(t)
	object, err := os.ReadFile("../testdata/tiny.o")
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write(object)
	for range 300 {
		w.Write(make([]byte, 1<<20))
	}
	w.Close()
	name := filepath.Join(t.TempDir(), "bomb.ko.gz")
	if err := os.WriteFile(name, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for what, open := range map[string]func() error{
		"module": func() error { _, err := OpenModule(name, ModuleOptions{}); return err },
		"kernel": func() error { _, err := OpenKernel(name); return err },
		"file":   func() error { _, err := Open(name, ModuleOptions{}); return err },
	} {
		// A buffer that doubles allocates three times what it holds at the end.
		testenv.Bounded(t, packed.Len()+(64<<20)/8, func() {
			if err := open(); !errors.Is(err, elfdiff.ErrDamaged) || !errors.Is(err, decompress.ErrTooLarge) {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
}
