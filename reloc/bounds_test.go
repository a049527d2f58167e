package reloc

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/reloc/image"
)

// TestSegmentBounds opens files whose segments claim more than the file has: an error,
// at once. What is zeros may be large, and takes nothing.
func TestSegmentBounds(t *testing.T) {
	le := binary.LittleEndian
	tiny, err := os.ReadFile("testdata/tiny.elf")
	if err != nil {
		t.Fatal(err)
	}
	pre := mustOpen(t, "testdata/tiny.o")
	n := int(le.Uint16(tiny[56:]))
	header := func(b []byte, i int) []byte { return b[le.Uint64(b[32:])+56*uint64(i):] }
	for _, c := range []struct {
		name   string
		change func(p []byte) // a header of type PT_LOAD
		err    error
	}{
		{"as it is", func([]byte) {}, nil},
		{"a terabyte in the file", func(p []byte) { le.PutUint64(p[32:], 1<<40); le.PutUint64(p[40:], 1<<40) }, elfobj.ErrTruncated},
		{"beyond the end", func(p []byte) { le.PutUint64(p[8:], 1<<40) }, elfobj.ErrTruncated},
		{"wraps around", func(p []byte) { le.PutUint64(p[8:], 1<<64-4096) }, elfobj.ErrTruncated},
		{"a terabyte of zeros", func(p []byte) { le.PutUint64(p[40:], 1<<40) }, errAny}, // which may overlap the next segment
	} {
		for i := range n {
			b := bytes.Clone(tiny)
			if elf.ProgType(le.Uint32(header(b, i))) != elf.PT_LOAD {
				continue
			}
			c.change(header(b, i))
			testenv.Bounded(t, len(b), func() { openAndMatch(t, c.name, b, pre, c.err) })
		}
	}
	shared := bytes.Clone(tiny) // many segments that are the whole file
	le.PutUint64(shared[32:], uint64(len(shared)))
	const many = 60_000
	le.PutUint16(shared[56:], many)
	for i := range uint64(many) {
		var p [56]byte
		le.PutUint32(p[:], uint32(elf.PT_LOAD))
		le.PutUint32(p[4:], uint32(elf.PF_R|elf.PF_X))
		le.PutUint64(p[16:], i<<30)
		le.PutUint64(p[32:], 3<<20)
		le.PutUint64(p[40:], 3<<20)
		shared = append(shared, p[:]...)
	}
	testenv.Bounded(t, len(shared), func() { openAndMatch(t, "many segments", shared, pre, errAny) })
}

// errAny stands for any error, or none.
var errAny = errors.New("any")

func openAndMatch(t *testing.T, name string, b []byte, pre *object.Object, want error) {
	t.Helper()
	f, err := elfobj.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	img, err := image.NewELF(f, name)
	if want != errAny && !errors.Is(err, want) {
		t.Errorf("%s: %v", name, err)
	}
	if err != nil {
		return
	}
	for _, search := range []bool{false, true} {
		if _, err := Match(t.Context(), pre, img, Options{NoSymbols: search}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
