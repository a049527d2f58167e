package object

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// Open reads the relocatable object at path. Its debug information is read when
// a question needs it, see [Object.Close].
func Open(path string) (*Object, error) {
	f, err := elfobj.Open(path)
	if err != nil {
		return nil, NameError(err)
	}
	o, err := newObject(f)
	if err != nil {
		f.Close()
		var says *FormatError // the path
		if !errors.As(err, &says) {
			err = fmt.Errorf("%s: %w", path, err)
		}
		return nil, NameError(err)
	}
	o.name = path
	return o, nil
}

// NewObject reads a relocatable object (ET_REL for x86-64, gABI chapter 4)
// from r, to its end. The memory it takes is bounded by a small multiple of
// what r yields. An error about what it says is [ErrNotELF], [ErrMachine],
// [ErrDamaged], or, for a program or a library, [ErrNotRelocatable]. A [*FormatError]
// has the place.
func New(r io.ReaderAt) (*Object, error) {
	if r == nil {
		return nil, errors.New("read object: nothing is given")
	}
	b, err := readAll(r)
	if err != nil {
		return nil, fmt.Errorf("read object: %w", err)
	}
	f, err := elfobj.Parse(b)
	if err != nil {
		return nil, NameError(err)
	}
	o, err := newObject(f)
	return o, NameError(err)
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

// checkAlignment checks that sections in memory are aligned to a power of two (gABI
// "Section Header", sh_addralign).
func checkAlignment(f *elfobj.File) error {
	for _, s := range f.Sections {
		if n := s.Addralign; s.Flags&elf.SHF_ALLOC != 0 && n&(n-1) != 0 {
			return &FormatError{File: f.Name, Section: s.Name, Offset: s.Offset, Msg: fmt.Sprintf("alignment %#x is not a power of two", n)}
		}
	}
	return nil
}

func newObject(f *elfobj.File) (*Object, error) {
	if f.Type != elf.ET_REL {
		return nil, fmt.Errorf("%w: it is %v", ErrNotRelocatable, f.Type)
	}
	if err := checkAlignment(f); err != nil {
		return nil, err
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
