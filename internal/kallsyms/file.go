package kallsyms

import (
	"debug/elf"
	"errors"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// InFile finds the tables that a vmlinux carries along, in .rodata, or without sections in what
// is loaded. The error is [ErrNotFound] when there are none.
func InFile(f *elfobj.File) (*Tables, error) {
	for s := range f.SectionsNamed(kerneltab.Rodata) {
		b, err := s.Data()
		if err != nil {
			return nil, err
		}
		if t, err := Find(b, s.Addr); !errors.Is(err, ErrNotFound) {
			return t, err
		}
	}
	for i := range f.Progs {
		p := &f.Progs[i]
		if p.Type != elf.PT_LOAD || len(f.Sections) > 0 {
			continue
		}
		b := make([]byte, min(p.Filesz, p.Memsz, f.Size()))
		if _, err := f.ReadAddr(b, p.Vaddr); err != nil {
			return nil, err
		}
		if t, err := Find(b, p.Vaddr); !errors.Is(err, ErrNotFound) {
			return t, err
		}
	}
	return nil, ErrNotFound
}
