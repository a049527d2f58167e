package image

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/gosplice/gosplice/internal/bzimage"
	"github.com/gosplice/gosplice/internal/decompress"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/internal/kallsyms"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// ErrNoKernel says that memory does not hold the kernel that the symbols are of,
// at any place where KASLR might have put it.
var ErrNoKernel = errors.New("the kernel that the symbols are of is not in this memory")

// KernelSymbols is what a file says of a kernel's symbols, for memory that the kernel is
// found in.
type KernelSymbols struct {
	symbols []Symbol
	buildID []byte // nil in a text
}

// ReadKernelSymbols reads the symbols of a kernel from its vmlinux or vmlinuz, or from a
// text like System.map or /proc/kallsyms.
func ReadKernelSymbols(path string) (*KernelSymbols, error) {
	f, err := readSymbolFile(path)
	if err != nil {
		return nil, err
	}
	if _, err := f.marks(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// NewImage makes an image of the memory of a kernel that has started: of a guest, of
// another machine, of a dump. name is where the memory is from; mem has to read what is
// mapped, and to fail for the rest. How far KASLR moved the kernel is found out by its
// build-id, and the error wraps [ErrNoKernel] when it isn't there. An image that was made
// closes mem with it, if that is an io.Closer.
func (f *KernelSymbols) NewImage(mem Memory, name string) (*Image, error) {
	img, err := newKernelMemory(mem, f, name, nil)
	if err != nil {
		return nil, err
	}
	if c, ok := mem.(io.Closer); ok {
		img.closers = append(img.closers, c)
	}
	return img, nil
}

// readSymbolFile reads the symbols of a kernel from its vmlinux or vmlinuz, or
// from a text like System.map or /proc/kallsyms. Modules in a text are left out.
func readSymbolFile(path string) (*KernelSymbols, error) {
	fd, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer fd.Close()
	var head [1024]byte
	n, err := fd.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	_, packed := decompress.Detect(head[:n])
	if packed || bzimage.Is(head[:n]) || bytes.HasPrefix(head[:n], []byte("\x7fELF")) {
		img, err := OpenKernel(path)
		if err != nil {
			return nil, err
		}
		return &KernelSymbols{symbols: img.symbols, buildID: img.modules[0].BuildID}, img.Close()
	}
	list, err := kallsyms.Parse(fd)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &KernelSymbols{symbols: kallsymsSymbols(list, map[string]int{"": 0})}, nil
}

// marks returns the addresses that say where things are.
func (f *KernelSymbols) marks() (kernelMarks, error) {
	m := make(kernelMarks)
	for i := range f.symbols {
		if s := &f.symbols[i]; markNames[s.Name] {
			m[s.Name] = s.Addr
		}
	}
	return m, m.complete()
}

// isImageAddr tells addresses that move with the kernel from per-CPU offsets and
// numbers.
func isImageAddr(addr uint64) bool { return addr >= KernelStart && addr < KernelStart+kernelSpace }

// slid returns the symbols at their run addresses.
func (f *KernelSymbols) slid(slide uint64) []Symbol {
	out := slices.Clone(f.symbols)
	for i := range out {
		if isImageAddr(out[i].Addr) {
			out[i].Addr += slide
		}
	}
	return out
}

// findSlide finds where KASLR put the kernel, by its build-id: notes are mapped
// while it runs. Without a known build-id, any counts that is in its place.
func findSlide(mem Memory, m kernelMarks, want []byte) (slide uint64, buildID []byte, err error) {
	notes, size := m[kerneltab.NotesStart], m[kerneltab.NotesEnd]-m[kerneltab.NotesStart]
	if m[kerneltab.NotesEnd] == 0 || m[kerneltab.NotesEnd] < notes {
		return 0, nil, fmt.Errorf("without notes nothing tells where the kernel is: %w", errors.ErrUnsupported)
	}
	found := 0
	for at := uint64(0); at < kernelSpace; at += kaslrAlign {
		delta := at
		if m[kerneltab.ImageStart]+at >= KernelStart+kernelSpace { // the symbols are of run addresses themselves
			delta = at - kernelSpace
		}
		id := readBuildID(mem, notes+delta, size)
		if id == nil || want != nil && !bytes.Equal(id, want) {
			continue
		}
		slide, buildID = delta, id
		found++
	}
	switch {
	case found == 0:
		return 0, nil, ErrNoKernel
	case found > 1:
		return 0, nil, fmt.Errorf("%w: %d places look like its notes", ErrAmbiguous, found)
	}
	return slide, buildID, nil
}

// newKernelMemory makes an image of the memory of a kernel that has started, with
// the symbols of a file. limit, when not nil, are the stretches that there are.
func newKernelMemory(mem Memory, f *KernelSymbols, path string, limit []Region) (*Image, error) {
	m, err := f.marks()
	if err != nil {
		return nil, err
	}
	slide, id, err := findSlide(mem, m, f.buildID)
	if err != nil {
		return nil, err
	}
	for name, addr := range m {
		if isImageAddr(addr) {
			m[name] = addr + slide
		}
	}
	regions, err := m.regions()
	if err != nil {
		return nil, err
	}
	if limit != nil {
		regions = within(regions, limit)
	}
	mod := Module{Name: kernelName, Path: path, BuildID: id, Bias: slide, Start: m[kerneltab.ImageStart], End: m[kerneltab.ImageEnd], Main: true}
	regions = append(regions, gaps(regions, modulesStart, kernelEnd)...)
	return newImage(imageParts{mem: mem, live: true, regions: regions, modules: []Module{mod}, symbols: f.slid(slide)})
}

// within cuts regions at what is there. The rest keeps its place, as what can't be
// read.
func within(regions, limit []Region) []Region {
	var out []Region
	for _, r := range regions {
		at := r.Start
		for _, l := range limit {
			lo, hi := max(l.Start, at), min(l.End, r.End)
			if lo >= hi {
				continue
			}
			part := r
			if at < lo {
				part.Start, part.End, part.Read = at, lo, false
				out = append(out, part)
			}
			part = r
			part.Start, part.End = lo, hi
			out = append(out, part)
			at = hi
		}
		if at < r.End {
			r.Start, r.Read = at, false
			out = append(out, r)
		}
	}
	return out
}

// A Dump says what a raw dump of memory is of.
type Dump struct {
	// Base is the address of the first byte.
	Base uint64
	// Symbols is the path of the kernel's vmlinux or vmlinuz, or of a text
	// like System.map or /proc/kallsyms. With none, the symbols that the
	// kernel carries along are looked for in the dump.
	Symbols string
}

// maxDumpSearch bounds the dumps that symbols are looked for in.
const maxDumpSearch = 1 << 30

// OpenDump opens a file with nothing but the bytes of a kernel's memory from
// d.Base on: what QEMU's memsave writes. How far KASLR moved the kernel is found
// out by its build-id, which therefore has to be in the dump, as has what is to
// be matched; the error wraps [ErrNoKernel] when it is not there. The module's Bias
// is the distance from the addresses of the symbols: 0 when those are where the
// kernel ran.
//
// Memory of something else than a kernel is for [NewImage].
func OpenDump(path string, d Dump) (*Image, error) {
	fd, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	img, err := openDump(fd, path, d)
	if err != nil {
		fd.Close()
		return nil, nameError(withPath(path, err))
	}
	img.closers = append(img.closers, fd)
	return img, nil
}

func openDump(fd *os.File, path string, d Dump) (*Image, error) {
	st, err := fd.Stat()
	if err != nil {
		return nil, err
	}
	size := uint64(st.Size())
	if !st.Mode().IsRegular() || size == 0 || d.Base+size < d.Base {
		return nil, fmt.Errorf("%d bytes at %#x are no memory: %w", size, d.Base, errors.ErrUnsupported)
	}
	mem := dumpMemory{fd, d.Base, size}
	var f *KernelSymbols
	if d.Symbols != "" {
		f, err = readSymbolFile(d.Symbols)
	} else {
		f, err = mem.symbols()
	}
	if err != nil {
		return nil, err
	}
	return newKernelMemory(mem, f, path, []Region{{Start: d.Base, End: d.Base + size}})
}

// dumpMemory is a file that holds memory.
type dumpMemory struct {
	r    io.ReaderAt
	base uint64
	size uint64
}

// ReadAddr implements [Memory].
func (m dumpMemory) ReadAddr(p []byte, addr uint64) error {
	off := addr - m.base
	if addr < m.base || off > m.size || uint64(len(p)) > m.size-off {
		return &AddrError{Addr: addr, Len: len(p), Err: ErrUnmapped}
	}
	if n, err := m.r.ReadAt(p, int64(off)); n < len(p) {
		return &AddrError{Addr: addr + uint64(n), Len: len(p) - n, Err: cmpErr(err)}
	}
	return nil
}

func cmpErr(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// symbols finds the tables that the kernel carries along.
func (m dumpMemory) symbols() (*KernelSymbols, error) {
	if m.size > maxDumpSearch {
		return nil, fmt.Errorf("%d bytes are too many to look for symbols in; give a file with them: %w", m.size, errors.ErrUnsupported)
	}
	b, err := readGrowing(m, m.base, m.size)
	if err != nil {
		return nil, err
	}
	t, err := kallsyms.Find(b, m.base)
	if err != nil {
		return nil, err
	}
	return &KernelSymbols{symbols: kallsymsSymbols(t.Symbols, map[string]int{"": 0})}, nil
}
