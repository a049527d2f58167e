package image

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/bzimage"
	"github.com/gosplice/gosplice/internal/decompress"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// Open opens a file, which is recognised by its content: a kernel as [OpenKernel]
// does, a module of one as [OpenModule], a program or library as [OpenELF]. The
// options matter to a module only.
//
// A relocatable object that is no module has no addresses, and is an error like
// that of OpenELF.
func Open(path string, opt ModuleOptions) (*Image, error) {
	return OpenContext(context.Background(), path, opt)
}

// OpenContext is [Open] that ends with the error of ctx once that is done, as
// [OpenKernelContext] does.
func OpenContext(ctx context.Context, path string, opt ModuleOptions) (*Image, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	fd, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer fd.Close()
	kind, err := sniff(fd)
	if err != nil {
		return nil, nameError(fmt.Errorf("%s: %w", path, err))
	}
	switch kind {
	case aKernel:
		return OpenKernelContext(ctx, path)
	case aModule:
		return OpenModule(path, opt)
	}
	return OpenELF(path)
}

// fileKind is what a file is an image of.
type fileKind int

const (
	aProgram fileKind = iota // or nothing that is known
	aKernel
	aModule
)

// sniff looks at the beginning of a file.
func sniff(fd *os.File) (fileKind, error) {
	head := make([]byte, 64<<10)
	n, err := fd.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return 0, err
	}
	head = head[:n]
	if bzimage.Is(head) {
		return aKernel, nil
	}
	if format, ok := decompress.Detect(head); ok {
		if head, err = format.Head(head, 64); err == nil && elfType(head) == elf.ET_REL {
			return aModule, nil
		}
		return aKernel, nil // the only other thing that is packed; or it says what is wrong
	}
	st, err := fd.Stat()
	if err != nil {
		return 0, err
	}
	f, err := elfobj.NewFile(fd, st.Size())
	if err != nil {
		return aProgram, nil // which says what is wrong
	}
	return kindOfELF(f), nil
}

func elfType(head []byte) elf.Type {
	if len(head) < 20 || string(head[:4]) != elf.ELFMAG {
		return elf.ET_NONE
	}
	return elf.Type(binary.LittleEndian.Uint16(head[16:]))
}

// kindOfELF tells a kernel by where it is linked to, and a module by the section
// that becomes its struct module.
func kindOfELF(f *elfobj.File) fileKind {
	if f.Type == elf.ET_REL {
		for range f.SectionsNamed(kerneltab.ThisModule) {
			return aModule
		}
		return aProgram
	}
	regions, err := fileRegions(f.Progs, f.Size())
	if err == nil && isKernel(regions) {
		return aKernel
	}
	return aProgram
}
