package elfobj

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

var errTruncated = ErrTruncated

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

	unique    lazy[map[elf.SectionType]pair]
	overlaps  lazy[map[SectionIndex]SectionIndex]
	byName    lazy[nameIndex]
	searches  atomic.Int32
	symbols   lazy[[]Symbol]
	dynamic   lazy[[]Symbol]
	relas     lazy[*relaIndex]
	groups    lazy[[]Group]
	loads     lazy[[]Prog]
	plainSize lazy[uint64] // of all compressed sections
	closing   sync.Once
	closeErr  error
}

// Parse reads a file that is in memory. Everything is sliced from b, which
// must not be changed afterwards.
//
// Bad input is a [*FormatError]. See the package comment about what is checked
// here and what later.
func Parse(b []byte) (*File, error) {
	return newFile("", memory(b))
}

// NewFile reads the headers of a file of size bytes, and its sections when
// they are asked for. It is meant for large files of which little is needed,
// such as a vmlinux with debug information. The reader must stay usable.
func NewFile(r io.ReaderAt, size int64) (*File, error) {
	if r == nil {
		return nil, errors.New("elfobj: no file is given")
	}
	if size < 0 {
		return nil, fmt.Errorf("elfobj: file size %d is negative", size)
	}
	return newFile("", source{r: r, size: uint64(size)})
}

// Size returns the size of the file in bytes.
func (f *File) Size() uint64 { return f.src.size }

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

// Fresh returns the same file with nothing read but the headers. What is asked of
// it, such as a large symbol table that is needed once, is not kept by f. It lasts
// as long as f is open.
func (f *File) Fresh() (*File, error) { return newFile(f.Name, f.src) }
