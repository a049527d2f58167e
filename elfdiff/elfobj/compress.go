package elfobj

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Limits of what the compressed bytes can yield. A size in a header beyond
// them is a lie, or a bomb, and nothing is allocated for it.
const (
	deflateRatio = 1032      // what deflate can reach at most; see zlib's FAQ "Technical"
	zstdRatio    = 4096      // zstd has no such bound, but debug information stays below 100
	zstdBlock    = 128 << 10 // most that one block can yield, RFC 8878 section 3.1.1.2.4
	ratioSlack   = 1 << 20   // small sections of zeros may reach any ratio
	firstChunk   = 64 << 10
)

// Limits of what all compressed sections of a file can yield together. What gcc
// and clang write stays below the size of the file: relocations, which are not
// compressed, take as much as what they apply to.
const (
	plainRatio = 2
	plainSlack = 8 << 20
)

// ErrTooLarge is wrapped by the error for compressed sections that would grow
// beyond all proportion to their file: [Section.Uncompressed] says the bound.
var ErrTooLarge = errors.New("the compressed sections grow beyond all proportion")

var errNotCompressed = errors.New("not compressed")

// Uncompressed returns the data of the section, uncompressed if need be: with
// SHF_COMPRESSED (gABI "Compressed Sections", zlib or zstd) and the older GNU
// form, where the name begins with .zdebug_. Otherwise it is Data.
//
// The bytes are made once and shared; they must not be changed. Content that
// is damaged, or of another size than its header says, is a [*FormatError]. So
// is every compressed section of a file whose compressed sections would yield
// more than 8 MiB and twice the size of the file together: [ErrTooLarge].
func (s *Section) Uncompressed() ([]byte, error) {
	if !s.mayBeCompressed() {
		return s.Data()
	}
	return s.cached().plain.get(s.uncompress)
}

func (s *Section) mayBeCompressed() bool {
	return s.Flags&elf.SHF_COMPRESSED != 0 || strings.HasPrefix(s.Name, ".zdebug_")
}

// CheckCompressed reports whether the compressed sections of the file stay within
// the bound that [Section.Uncompressed] states, by what their headers say. The
// error is a [*FormatError] that wraps [ErrTooLarge].
func (f *File) CheckCompressed() error {
	_, err := f.plainSize.get(f.sumPlain)
	return err
}

// sumPlain adds up what compressed sections say that they yield. A header that
// can't be read counts for nothing: neither can its section.
func (f *File) sumPlain() (uint64, error) {
	total, limit := uint64(0), plainRatio*f.src.size+plainSlack
	for _, s := range f.Sections {
		if !s.mayBeCompressed() || !s.hasBytes() {
			continue
		}
		var head [chdrSize]byte
		n := min(s.Size, chdrSize)
		if f.src.readFull(head[:n], s.Offset) != nil {
			continue
		}
		c, err := s.stream(head[:n])
		if err != nil {
			continue
		}
		if total += min(c.size, limit+1); total > limit {
			return total, f.wrap(ErrTooLarge, s, s.Offset, "%#x bytes of debug information in a file of %#x bytes", c.size, f.src.size)
		}
	}
	return total, nil
}

// A stream is a compressed section taken apart.
type stream struct {
	typ  elf.CompressionType
	size uint64 // uncompressed, as the header says
	data []byte
}

func (s *Section) uncompress() ([]byte, error) {
	if s.Type == elf.SHT_NOBITS || s.Flags&elf.SHF_ALLOC != 0 {
		return nil, s.file.fail(s, s.Offset, "compressed, but of type %v with flags %v", s.Type, s.Flags)
	}
	if err := s.file.CheckCompressed(); err != nil {
		return nil, err
	}
	raw, err := s.Data()
	if err != nil {
		return nil, err
	}
	c, err := s.stream(raw)
	if err == errNotCompressed {
		return raw, nil
	}
	if err != nil {
		return nil, err
	}
	var b []byte
	switch c.typ {
	case elf.COMPRESS_ZLIB:
		b, err = c.inflate()
	case elf.COMPRESS_ZSTD:
		b, err = c.unzstd()
	default:
		return nil, s.file.wrap(errors.ErrUnsupported, s, s.Offset, "compression type %v", c.typ)
	}
	if err != nil {
		return nil, s.file.wrap(err, s, s.Offset, "uncompress %#x bytes to %#x by %v", len(c.data), c.size, c.typ)
	}
	return b, nil
}

// stream reads the header in front of the compressed data.
func (s *Section) stream(raw []byte) (stream, error) {
	if s.Flags&elf.SHF_COMPRESSED != 0 {
		if len(raw) < chdrSize {
			return stream{}, s.file.wrap(errTruncated, s, s.Offset, "compression header in %d bytes", len(raw))
		}
		return stream{elf.CompressionType(le.Uint32(raw)), le.Uint64(raw[8:]), raw[chdrSize:]}, nil
	}
	const magic, header = "ZLIB", 12
	if len(raw) < header || string(raw[:4]) != magic {
		return stream{}, errNotCompressed // objcopy leaves sections that would grow as they are
	}
	return stream{elf.COMPRESS_ZLIB, binary.BigEndian.Uint64(raw[4:]), raw[header:]}, nil
}

var (
	errRatio = errors.New("the compressed bytes can't yield that many")
	errSize  = errors.New("the size in the header is wrong")
)

// bound returns what n compressed bytes may yield at most.
func bound(n int, ratio uint64) uint64 { return uint64(n)*ratio + ratioSlack }

// inflate undoes zlib. The result grows with what really comes out.
func (c *stream) inflate() ([]byte, error) {
	if c.size > bound(len(c.data), deflateRatio) {
		return nil, errRatio
	}
	r, err := zlib.NewReader(bytes.NewReader(c.data))
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, min(c.size+1, max(firstChunk, 8*uint64(len(c.data))))) // one more, to meet the end
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case uint64(len(b)) > c.size:
			return nil, errSize
		case err == io.EOF && uint64(len(b)) < c.size:
			return nil, errSize
		case err == io.EOF:
			return b, nil
		case err != nil:
			return nil, err
		}
	}
}

// unzstd undoes zstd. The decoder allocates what the frame header says, hence
// the frames are walked first: the blocks must be able to yield that.
func (c *stream) unzstd() ([]byte, error) {
	if c.size > bound(len(c.data), zstdRatio) {
		return nil, errRatio
	}
	most, err := zstdBound(c.data)
	if err != nil {
		return nil, err
	}
	if c.size > most {
		return nil, errRatio
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(max(c.size, zstd.MinWindowSize)), zstd.WithDecoderMaxWindow(1<<41))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	b, err := d.DecodeAll(c.data, make([]byte, 0, c.size))
	if err != nil {
		return nil, err
	}
	if uint64(len(b)) != c.size {
		return nil, errSize
	}
	return b, nil
}

// zstdBound returns the number of bytes that the blocks of all frames can
// yield at most, by going through their headers (RFC 8878, section 3.1.1).
func zstdBound(b []byte) (uint64, error) {
	most := uint64(0)
	for len(b) > 0 {
		var h zstd.Header
		if err := h.Decode(b); err != nil {
			return 0, err
		}
		if h.Skippable {
			skip := uint64(h.HeaderSize) + uint64(h.SkippableSize)
			if skip > uint64(len(b)) {
				return 0, errTruncated
			}
			b = b[skip:]
			continue
		}
		rest, n, err := zstdBlocks(b[h.HeaderSize:])
		if err != nil {
			return 0, err
		}
		if h.HasCheckSum {
			if len(rest) < 4 {
				return 0, errTruncated
			}
			rest = rest[4:]
		}
		most += n
		b = rest
	}
	return most, nil
}

// zstdBlocks goes through the blocks of one frame. It returns what follows
// them, and their bound.
func zstdBlocks(b []byte) (rest []byte, most uint64, err error) {
	const (
		headerSize = 3
		raw, rle   = 0, 1
		compressed = 2
	)
	for {
		if len(b) < headerSize {
			return nil, 0, errTruncated
		}
		h := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
		last, typ, size := h&1 != 0, h>>1&3, h>>3
		b = b[headerSize:]
		stored, yield := size, uint64(size)
		switch typ {
		case rle:
			stored = 1
		case compressed:
			yield = zstdBlock
		case raw:
		default:
			return nil, 0, errors.New("zstd block of reserved type")
		}
		if uint64(stored) > uint64(len(b)) {
			return nil, 0, errTruncated
		}
		b = b[stored:]
		most += min(yield, zstdBlock)
		if last {
			return b, most, nil
		}
	}
}
