package elfobj

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gosplice/gosplice/internal/files"
)

// Open opens a file by name. Of a relocatable object all but the debug
// information is read at once; that, and the sections of other files, are read
// when they are asked for. The file should be closed when nothing of it will be
// asked for any more; otherwise it is closed when it is garbage. Errors carry
// the name.
//
// A file that is written to after it was opened gives an error when more of it
// is read, not a mixture.
func Open(name string) (*File, error) {
	fd, err := files.Open(name)
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
	src := source{r: fd, size: uint64(st.Size())}
	var typ [18]byte
	object := src.readFull(typ[:], 0) == nil && elf.Type(le.Uint16(typ[16:])) == elf.ET_REL
	if object {
		if err := src.loadEnds(fd); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	f, err := newFile(name, src)
	if err != nil {
		return nil, err
	}
	if object {
		if err := f.src.load(f.needed()); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if _, all := f.src.slice(0, f.src.size); all {
			f.src.r = nil
			return f, nil
		}
	}
	f.src.r, f.closer = &unchanged{fd, st}, fd
	return f, nil
}

const (
	// smallFile is up to what size a file is read in one go.
	smallFile = 64 << 10
	// tailSize is how much of the end of an object is read at first. The table
	// of section headers is there, which is about as large for the objects of
	// a large program.
	tailSize = 32 << 10
	// maxOpen is up to how many files are kept open for their debug
	// information. Where the limit of the process is, is not asked: some
	// systems have 256, and those with more objects have memory for them.
	maxOpen = 200
)

// loadEnds reads the header of an object and the end of it, or all of it where
// that is little, or where many files are open already.
func (s *source) loadEnds(fd *os.File) error {
	if s.size <= smallFile || fd.Fd() > maxOpen {
		return s.load([]extentRange{{0, s.size}})
	}
	return s.load([]extentRange{{0, ehdrSize}, {s.size - tailSize, s.size}})
}

// needed lists what of an object is read at once: all of it where there is
// little else.
func (f *File) needed() []extentRange {
	later := uint64(0)
	for _, s := range f.Sections {
		if s.hasBytes() && s.isDebug() && f.src.has(s.Offset, s.Size) {
			later += min(s.Size, smallFile)
		}
	}
	if later < smallFile {
		return []extentRange{{0, f.src.size}}
	}
	ranges := make([]extentRange, 0, len(f.Sections))
	for _, s := range f.Sections {
		if !s.hasBytes() || s.isDebug() || !f.src.has(s.Offset, s.Size) {
			continue
		}
		if n := len(ranges); n > 0 && ranges[n-1].end <= s.Offset && s.Offset-ranges[n-1].end <= maxGap {
			ranges[n-1].end = s.Offset + s.Size
			continue
		}
		if _, ok := f.src.slice(s.Offset, s.Size); !ok {
			ranges = append(ranges, extentRange{s.Offset, s.Offset + s.Size})
		}
	}
	return ranges
}

// isDebug reports whether the section is debug information, or relocations of
// such, which takes most of an object and is of use to few questions.
func (s *Section) isDebug() bool {
	if s.Flags&elf.SHF_ALLOC != 0 {
		return false
	}
	name := strings.TrimPrefix(s.Name, ".rela")
	return strings.HasPrefix(name, ".debug_") || strings.HasPrefix(name, ".zdebug_")
}

// An unchanged reads a file as long as nobody wrote to it.
type unchanged struct {
	fd *os.File
	st os.FileInfo // when it was opened
}

func (u *unchanged) ReadAt(p []byte, off int64) (int, error) {
	st, err := u.fd.Stat()
	if err != nil {
		return 0, err
	}
	if st.Size() != u.st.Size() || !st.ModTime().Equal(u.st.ModTime()) {
		return 0, errChanged
	}
	return u.fd.ReadAt(p, off)
}

var errChanged = errors.New("the file was written to since it was opened")

var _ io.ReaderAt = (*unchanged)(nil)

// Close releases what [Open] opened. Data that was returned stays valid.
func (f *File) Close() error {
	f.closing.Do(func() {
		if f.closer != nil {
			f.closeErr = f.closer.Close()
		}
	})
	return f.closeErr
}
