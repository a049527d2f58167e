package kernel

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"io"
	"os"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/bzimage"
	"github.com/gosplice/gosplice/internal/decompress"
	"github.com/gosplice/gosplice/internal/kallsyms"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// maxImage bounds what a file unpacks to.
const maxImage = 2 << 30

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
	fd, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer fd.Close()
	st, err := fd.Stat()
	if err != nil {
		return nil, err
	}
	head := make([]byte, 1024)
	n, err := io.ReadFull(fd, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		return nil, &Error{Image: path, What: "header", Msg: "can't be read", Err: err}
	}
	head = head[:n]
	if bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return elfobj.Open(path)
	}
	var b []byte
	format, packed := decompress.Detect(head)
	switch {
	case bzimage.Is(head):
		h, err := bzimage.ReadHeader(fd, st.Size())
		if err != nil {
			return nil, err
		}
		if b, err = h.Unpack(fd); err != nil {
			return nil, err
		}
	case packed:
		if b, err = os.ReadFile(path); err != nil {
			return nil, err
		}
		if b, err = format.Bytes(b, 0, decompress.Most(uint64(len(b)), maxImage)); err != nil {
			return nil, err
		}
	default:
		return nil, &Error{Image: path, What: "header", Msg: "neither an ELF file, nor one that a kernel is packed in"}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return elfobj.Parse(b)
}

// carriedSymbols takes the symbols of the tables that /proc/kallsyms is made from.
func (k *Image) carriedSymbols() error {
	t, err := k.Kallsyms()
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

// Kallsyms finds the tables that /proc/kallsyms is made from.
func (k *Image) Kallsyms() (*kallsyms.Tables, error) {
	for s := range k.File.SectionsNamed(kerneltab.Rodata) {
		b, err := s.Data()
		if err != nil {
			return nil, err
		}
		return kallsyms.Find(b, s.Addr)
	}
	return nil, kallsyms.ErrNotFound
}
