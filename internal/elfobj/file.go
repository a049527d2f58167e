package elfobj

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

var errTruncated = io.ErrUnexpectedEOF

// Sizes of the structures of ELF64 in bytes (gABI, chapter "Object Files").
const (
	ehdrSize  = 64
	shdrSize  = 64
	phdrSize  = 56
	symSize   = 24
	relaSize  = 24
	chdrSize  = 24
	wordSize  = 4 // entry of SHT_GROUP and SHT_SYMTAB_SHNDX
	maxUint16 = 0xffff
)

// le is the byte order of x86-64.
var le = binary.LittleEndian

// Header is what the file header says beyond the places of the tables (gABI
// "ELF Header"). Headers can be compared by ==.
type Header struct {
	Type       elf.Type
	Machine    elf.Machine
	OSABI      byte
	ABIVersion byte
	Flags      uint32
	Entry      uint64
}

// Prog is a program header.
type Prog = elf.ProgHeader

// A File is an ELF64 file for x86-64: a relocatable object, an executable, a
// shared object or a core. It is immutable and safe for concurrent use.
type File struct {
	Header
	Name     string     // as given to Open
	Sections []*Section // [0] is the null section; empty when there is no section header table
	Progs    []Prog

	src    source
	closer io.Closer

	shstrtab         SectionIndex // the section name table
	names            []byte       // its data
	extendedShnum    bool         // the number of sections is in section 0
	extendedShstrndx bool         // the index of the name table is in section 0

	unique   lazy[map[elf.SectionType]pair]
	overlaps lazy[map[SectionIndex]SectionIndex]
	byName   lazy[[]*Section]
	symbols  lazy[[]Symbol]
	dynamic  lazy[[]Symbol]
	relas    lazy[*relaIndex]
	groups   lazy[[]Group]
	loads    lazy[[]Prog]
	closing  sync.Once
	closeErr error
}

// Parse reads a file that is in memory. Everything is sliced from b, which
// must not be changed afterwards.
//
// Bad input is a [*FormatError]. See the package comment about what is checked
// here and what later.
func Parse(b []byte) (*File, error) {
	return newFile("", source{mem: b, size: uint64(len(b))})
}

// NewFile reads the headers of a file of size bytes, and its sections when
// they are asked for. It is meant for large files of which little is needed,
// such as a vmlinux with debug information. The reader must stay usable.
func NewFile(r io.ReaderAt, size int64) (*File, error) {
	if size < 0 {
		return nil, fmt.Errorf("elfobj: file size %d is negative", size)
	}
	return newFile("", source{r: r, size: uint64(size)})
}

// Open opens a file by name. Relocatable objects are read as a whole, as every
// part of them is needed; of others the sections are read when they are asked
// for, so that the file must be closed. Errors carry the name.
func Open(name string) (*File, error) {
	fd, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	f, err := openFile(name, fd)
	if err != nil || f.closer == nil {
		fd.Close()
	}
	return f, err
}

func openFile(name string, fd *os.File) (*File, error) {
	st, err := fd.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, &FormatError{File: name, Msg: "not a regular file", Err: errors.ErrUnsupported}
	}
	src := source{r: fd, size: uint64(st.Size())}
	var typ [18]byte
	if src.readFull(typ[:], 0) == nil && elf.Type(le.Uint16(typ[16:])) == elf.ET_REL {
		src.mem, err = src.bytes(0, src.size)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		src.r = nil
	}
	f, err := newFile(name, src)
	if err == nil && src.r != nil {
		f.closer = fd
	}
	return f, err
}

// Close releases what [Open] opened. Data that was returned stays valid.
func (f *File) Close() error {
	f.closing.Do(func() {
		if f.closer != nil {
			f.closeErr = f.closer.Close()
		}
	})
	return f.closeErr
}

func newFile(name string, src source) (*File, error) {
	f := &File{Name: name, src: src}
	h, err := f.readHeader()
	if err != nil {
		return nil, err
	}
	if err := f.readSections(h); err != nil {
		return nil, err
	}
	if err := f.readProgs(h); err != nil {
		return nil, err
	}
	return f, nil
}
