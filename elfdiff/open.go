package elfdiff

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"

	"github.com/gosplice/gosplice/internal/elfobj"
)

// Open reads the relocatable object at path. Its debug information is read when
// a question needs it, see [Object.Close].
func Open(path string) (*Object, error) {
	f, err := elfobj.Open(path)
	if err != nil {
		return nil, err
	}
	o, err := newObject(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	o.name = path
	return o, nil
}

// NewObject reads a relocatable object (ET_REL for x86-64, gABI chapter 4)
// from r, to its end. The memory it takes is bounded by a small multiple of
// what r yields. It fails with an error that wraps an elfobj.FormatError when
// the object is damaged, and with [ErrNotRelocatable] when it is a program or
// a library.
func NewObject(r io.ReaderAt) (*Object, error) {
	b, err := readAll(r)
	if err != nil {
		return nil, fmt.Errorf("read object: %w", err)
	}
	f, err := elfobj.Parse(b)
	if err != nil {
		return nil, err
	}
	return newObject(f)
}

// readAll reads r to its end, in one go when it is in memory.
func readAll(r io.ReaderAt) ([]byte, error) {
	sized, ok := r.(*bytes.Reader)
	if !ok {
		return io.ReadAll(io.NewSectionReader(r, 0, 1<<62))
	}
	b := make([]byte, sized.Size())
	if n, err := r.ReadAt(b, 0); n < len(b) {
		return nil, err
	}
	return b, nil
}

func newObject(f *elfobj.File) (*Object, error) {
	if f.Type != elf.ET_REL {
		return nil, fmt.Errorf("%w: it is %v", ErrNotRelocatable, f.Type)
	}
	syms, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	if len(syms) == 0 {
		syms = make([]elfobj.Symbol, 1) // a stripped object without relocations
	}
	o := &Object{File: f, symbols: syms}
	o.allocateCommons()
	c := newCutter(o)
	c.classify()
	o.kinds = c.kinds
	if err := c.readRelas(); err != nil {
		return nil, err
	}
	if err := c.cutSections(); err != nil {
		return nil, err
	}
	c.measure()
	c.mark()
	c.number()
	c.resolve()
	c.own()
	return o, nil
}
