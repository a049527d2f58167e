package kernel

import (
	"context"
	"errors"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/bzimage"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/internal/kallsyms"
)

// OpenAny opens a vmlinux, also one without symbols, or what it is packed in (vmlinuz). The
// symbols of one that has none are those that the kernel carries along, which have no sizes.
// Where that has none either, the image has no symbols, and its methods say so.
func OpenAny(ctx context.Context, path string) (*Image, error) {
	f, err := openPacked(ctx, path)
	if err != nil {
		return nil, err
	}
	k := &Image{Path: path, File: f}
	syms, err := f.Symbols()
	if err == nil && len(syms) == 0 {
		err = k.carriedSymbols()
		if errors.Is(err, kallsyms.ErrNotFound) {
			return k, nil
		}
		k.sort()
	} else if err == nil {
		err = k.read()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return k, ctx.Err()
}

// openPacked returns the vmlinux that a file is or holds.
func openPacked(ctx context.Context, path string) (*elfobj.File, error) {
	fd, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer fd.Close()
	st, err := fd.Stat()
	if err != nil {
		return nil, err
	}
	f, packed, err := bzimage.Vmlinux(ctx, fd, st.Size())
	if err != nil || packed {
		return f, err
	}
	return elfobj.Open(path) // which closes it
}

// carriedSymbols takes the symbols of the tables that /proc/kallsyms is made from.
func (k *Image) carriedSymbols() error {
	t, err := kallsyms.InFile(k.File)
	if err != nil {
		return err
	}
	k.symbols = make([]Symbol, 0, len(t.Symbols))
	for i := range t.Symbols {
		s := &t.Symbols[i]
		absolute := s.Type|0x20 == 'a'
		k.symbols = append(k.symbols, Symbol{Name: s.Name, Addr: s.Addr, Type: s.ELFType(), Local: s.IsLocal(), PerCPU: absolute, Abs: absolute})
	}
	return nil
}
