package image

import (
	"cmp"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/bzimage"
	"github.com/gosplice/gosplice/internal/errname"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/internal/kallsyms"
)

// OpenKernel opens the file of a kernel, which is recognised by its content:
//
//   - a vmlinux (ELF), also one that was packed as a whole, at its link addresses
//     with the symbols of .symtab; without a .symtab with those of the tables
//     that /proc/kallsyms is made from;
//   - a vmlinuz (bzImage), of which the vmlinux is unpacked into memory.
//
// The kernel is one module, called "vmlinux". Of a vmlinux only headers and
// symbols are read before something is matched.
//
// Symbols of kallsyms have the distance to the next address as size, filler
// included, and labels in code look like functions.
//
// A file of another kind is an error that wraps [ErrNotKernel],
// errors.ErrUnsupported or one of those that package elfdiff has for files.
func OpenKernel(path string) (*Image, error) {
	return OpenKernelContext(context.Background(), path)
}

// OpenKernelContext is [OpenKernel] that ends with the error of ctx once that is done, between
// its steps: reading, unpacking, and each table of symbols.
func OpenKernelContext(ctx context.Context, path string) (*Image, error) {
	fd, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	img, err := openKernelFile(ctx, fd, path)
	if err != nil {
		fd.Close()
		return nil, nameError(withPath(path, err))
	}
	return img, nil
}

// openKernelFile takes the file over when there is no error.
func openKernelFile(ctx context.Context, fd *os.File, path string) (*Image, error) {
	st, err := fd.Stat()
	if err != nil {
		return nil, err
	}
	f, packed, err := bzimage.Vmlinux(ctx, fd, st.Size())
	if err != nil {
		return nil, err
	}
	img, err := newKernel(ctx, f, path)
	if err != nil {
		return nil, err
	}
	if packed {
		return img, fd.Close()
	}
	img.closers = append(img.closers, fd)
	return img, nil
}

// newKernel makes an image of a vmlinux.
func newKernel(ctx context.Context, f *elfobj.File, path string) (*Image, error) {
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return nil, errname.As(fmt.Errorf("%v is no kernel", f.Type), ErrNotKernel)
	}
	if err := hasCode(f); err != nil {
		return nil, err
	}
	l := &loaded{mod: Module{Name: kernelName, Path: path, Main: true}, progs: f.Progs, file: f, mem: fileMemory{f}}
	l.describe()
	regions, err := fileRegions(f.Progs, f.Size())
	if err != nil {
		return nil, err
	}
	regions = bySections(regions, f.Sections)
	symbols, err := l.readSymbols(0)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	if len(symbols) == 0 {
		tables, err := kallsyms.InFile(f)
		if err != nil {
			return nil, err
		}
		symbols = kallsymsSymbols(tables.Symbols, map[string]int{"": 0})
	}
	if !slices.ContainsFunc(f.Progs, isKernels) {
		return nil, errname.As(errors.New("no code of it is linked for the kernel's half of the address space: it is a program"), ErrNotKernel)
	}
	return newImage(imageParts{mem: l.mem, regions: regions, modules: []Module{l.mod}, symbols: symbols, size: f.Size()})
}

// isKernels reports whether a segment has code for the upper half of the address space
// (Documentation/arch/x86/x86_64/mm.rst).
func isKernels(p elfobj.Prog) bool {
	return p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && p.Vaddr>>63 == 1
}

// hasCode refuses a file that has its code elsewhere: objcopy
// --only-keep-debug leaves headers of sections without content.
func hasCode(f *elfobj.File) error {
	for _, s := range f.Sections {
		if s.Type == elf.SHT_NOBITS && s.Flags&elf.SHF_EXECINSTR != 0 && s.Size > 0 {
			return errname.As(fmt.Errorf("section %s: its code is not in the file, which holds debug information only", s.Name), errors.ErrUnsupported)
		}
	}
	return nil
}

// kallsymsSymbols gives the symbols sizes, and their modules numbers. Symbols of
// modules that have none are left out.
func kallsymsSymbols(list []kallsyms.Symbol, modules map[string]int) []Symbol {
	out := make([]Symbol, 0, len(list))
	for i := range list {
		s := &list[i]
		module, ok := modules[s.Module]
		if !ok {
			continue
		}
		// Of a per-CPU variable the list does not say whether it is local.
		out = append(out, Symbol{Name: s.Name, Addr: s.Addr, Type: s.ELFType(), Local: s.IsLocal(), BindingUnknown: s.Type == 'A', Weak: s.Type|0x20 == 'w' || s.Type|0x20 == 'v', Index: uint32(i) + 1, Module: module})
	}
	sizeByDistance(out)
	return out
}

// maxDistance is above the size of any symbol, and below the distance from the
// last per-CPU variable to the kernel, or from there to the first module.
const maxDistance = 256 << 20

// sizeByDistance sets the size of each symbol to the distance to the next address
// that one of its module has; the last one's stays 0.
func sizeByDistance(list []Symbol) {
	order := make([]int32, len(list))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(list[a].Module, list[b].Module), cmp.Compare(list[a].Addr, list[b].Addr))
	})
	next := len(order)
	for i := len(order) - 1; i >= 0; i-- {
		s := &list[order[i]]
		if i+1 < len(order) && list[order[i+1]].Addr != s.Addr {
			next = i + 1
		}
		if next < len(order) {
			if n := &list[order[next]]; n.Module == s.Module && n.Addr-s.Addr < maxDistance {
				s.Size, s.Spread = n.Addr-s.Addr, true
			}
		}
	}
}
