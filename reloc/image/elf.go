package image

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/errname"
)

// OpenELF opens an executable or a shared object (ET_EXEC, ET_DYN) at its link
// addresses, with the symbols of .symtab and .dynsym. Sections are not needed:
// bytes come through the program headers. What the dynamic linker would write
// without knowing other modules is there: relative relocations, and those
// against symbols that the file defines itself.
//
// Relocatable objects have no addresses; for them, and for files that are
// damaged, the error wraps errors.ErrUnsupported or one of those that package elfdiff
// has for files, and names the file.
func OpenELF(path string) (*Image, error) {
	f, err := elfobj.Open(path)
	if err != nil {
		return nil, nameError(err)
	}
	img, err := NewELF(f, path)
	if err != nil {
		f.Close()
		return nil, nameError(withPath(path, err))
	}
	return img, nil
}

// withPath adds the path of a file to an error that does not say it.
func withPath(path string, err error) error {
	var says *elfobj.FormatError
	if errors.As(err, &says) && says.File != "" {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// NewELF is [OpenELF] for a file that is read already; path names it. Close closes it.
func NewELF(f *elfobj.File, path string) (*Image, error) {
	if f == nil {
		return nil, errors.New("no file is given")
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return nil, errname.As(fmt.Errorf("%v is no image", f.Type), errors.ErrUnsupported)
	}
	if err := hasCode(f); err != nil {
		return nil, err
	}
	mem := &linkedMemory{file: f}
	l := &loaded{mod: Module{Name: filepath.Base(path), Path: path, Main: !isLibrary(f)}, progs: f.Progs, file: f, mem: mem}
	l.describe()
	regions, err := fileRegions(f.Progs, f.Size())
	if err != nil {
		return nil, err
	}
	regions = bySections(regions, f.Sections)
	if l.dyn, err = openDynamic(fileMemory{f}, f.Progs, 0); err != nil {
		return nil, err
	}
	if l.dyn != nil {
		if err := mem.link(l.dyn); err != nil {
			return nil, err
		}
	}
	symbols, err := l.readSymbols(0)
	if err != nil {
		return nil, err
	}
	parts := imageParts{mem: mem, regions: regions, modules: []Module{l.mod}, symbols: symbols, size: f.Size()}
	parts.tables = append(parts.tables, l.lazyTables())
	parts.closers = append(parts.closers, f)
	return newImage(parts)
}

// isLibrary tells a shared library from a program: no interpreter is asked
// for, and it does not say that it is position-independent program (DF_1_PIE).
func isLibrary(f *elfobj.File) bool {
	if f.Type != elf.ET_DYN {
		return false
	}
	for i := range f.Progs {
		if f.Progs[i].Type == elf.PT_INTERP {
			return false
		}
	}
	d, err := openDynamic(fileMemory{f}, f.Progs, 0)
	return err != nil || d == nil || elf.DynFlag1(d.tags[elf.DT_FLAGS_1])&elf.DF_1_PIE == 0
}

// fileRegions makes regions of the PT_LOADs. What the dynamic linker makes
// read-only after it has relocated it (PT_GNU_RELRO) is read-only.
//
// A segment that the file does not hold as a whole, or segments that share much of
// what it holds, are an error: to look at all of them could take for ever.
func fileRegions(progs []elfobj.Prog, size uint64) ([]Region, error) {
	if err := checkSegments(progs, size); err != nil {
		return nil, err
	}
	var out []Region
	var lo, hi uint64
	for i := range progs {
		if p := &progs[i]; p.Type == elf.PT_GNU_RELRO {
			lo, hi = p.Vaddr, p.Vaddr+p.Memsz
		}
	}
	for i := range progs {
		p := &progs[i]
		if p.Type != elf.PT_LOAD || p.Memsz == 0 {
			continue
		}
		r := Region{Start: p.Vaddr, End: p.Vaddr + p.Memsz, Read: p.Flags&elf.PF_R != 0, Write: p.Flags&elf.PF_W != 0, Exec: p.Flags&elf.PF_X != 0}
		if r.End < r.Start {
			return nil, fmt.Errorf("segment at %#x: %#x bytes run over the end of the address space", p.Vaddr, p.Memsz)
		}
		if p.Filesz < p.Memsz { // what is not in the file is zeros, and no code
			out = append(out, Region{Start: p.Vaddr + p.Filesz, End: r.End, Read: r.Read, Write: r.Write, zero: true})
			if r.End = p.Vaddr + p.Filesz; r.Start == r.End {
				continue
			}
		}
		if r.Write && r.Start < hi && lo < r.End {
			for _, part := range [][2]uint64{{r.Start, lo}, {max(lo, r.Start), min(hi, r.End)}, {hi, r.End}} {
				if part[0] < part[1] {
					q := r
					q.Start, q.End = part[0], part[1]
					q.Write = q.Start < lo || q.Start >= hi
					out = append(out, q)
				}
			}
			continue
		}
		out = append(out, r)
	}
	return out, nil
}

// fileMemory is the memory that the segments of a file make, as it is in the
// file.
type fileMemory struct{ f *elfobj.File }

func (m fileMemory) ReadAddr(p []byte, addr uint64) error {
	n, err := m.f.ReadAddr(p, addr)
	if err != nil {
		return &AddrError{Addr: addr + uint64(n), Len: len(p) - n, Err: err}
	}
	return nil
}

// sharedSlack is how many bytes of a file segments may have in common, beside as many
// as the file has: linkers let neighbours share a page.
const sharedSlack = 1 << 20

// checkSegments checks that the file has the bytes of its segments.
func checkSegments(progs []elfobj.Prog, size uint64) error {
	total := uint64(0)
	for i := range progs {
		p := &progs[i]
		if p.Type != elf.PT_LOAD || p.Memsz == 0 {
			continue
		}
		n := min(p.Filesz, p.Memsz)
		if p.Off > size || n > size-p.Off {
			return fmt.Errorf("segment at %#x: %#x bytes at %#x in a file of %#x bytes: %w", p.Vaddr, n, p.Off, size, elfobj.ErrTruncated)
		}
		if total += n; total > 2*size+sharedSlack {
			return fmt.Errorf("segments have %#x bytes together, and more, in a file of %#x bytes", total, size)
		}
	}
	return nil
}

// linkedMemory is fileMemory with the words that the dynamic linker fills in
// whatever else is loaded.
type linkedMemory struct {
	file  *elfobj.File
	words []word // by address
}

type word struct{ addr, value uint64 }

// link works out what the dynamic linker would write.
func (m *linkedMemory) link(d *dynamic) error {
	err := d.relocations(func(at uint64, s Slot) {
		switch s.Type {
		case elf.R_X86_64_RELATIVE:
			m.words = append(m.words, word{at, uint64(s.Addend)})
		case elf.R_X86_64_64:
			if s.Defined && !s.IFunc {
				m.words = append(m.words, word{at, s.Value + uint64(s.Addend)})
			}
		case elf.R_X86_64_GLOB_DAT, elf.R_X86_64_JMP_SLOT:
			if s.Defined && !s.IFunc {
				m.words = append(m.words, word{at, s.Value})
			}
		}
	})
	slices.SortFunc(m.words, func(a, b word) int { return cmp.Compare(a.addr, b.addr) })
	return err
}

func (m *linkedMemory) ReadAddr(p []byte, addr uint64) error {
	if err := (fileMemory{m.file}).ReadAddr(p, addr); err != nil {
		return err
	}
	end := addr + uint64(len(p))
	from, _ := slices.BinarySearchFunc(m.words, addr, func(w word, a uint64) int { return cmp.Compare(w.addr+7, a) })
	for _, w := range m.words[from:] {
		if w.addr >= end {
			break
		}
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], w.value)
		if w.addr >= addr {
			copy(p[w.addr-addr:], b[:])
		} else {
			copy(p, b[addr-w.addr:])
		}
	}
	return nil
}
