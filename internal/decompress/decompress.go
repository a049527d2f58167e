// Package decompress unpacks what Linux is shipped in: kernel images and
// modules that were compressed with one of the formats of
// CONFIG_KERNEL_* and CONFIG_MODULE_COMPRESS_*.
//
// The format is told by the first bytes, never by a name. How much comes out is
// bounded by the caller, since a few bytes can stand for gigabytes.
package decompress

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
	"github.com/pierrec/lz4/v4"
)

// maxWindow bounds what a decoder may look back on: 128 MiB is what zstd has at
// --ultra -22 (windowLog 27), and more than any xz preset.
const maxWindow = 128 << 20

// ErrTooLarge says that more came out than the caller allowed.
var ErrTooLarge = errors.New("larger than allowed")

// Kernels and modules shrink to a fifth at most.
const (
	mostRatio = 7
	mostSlack = 32 << 20
)

// Most returns how many bytes may come out of so many packed ones, and no more than
// limit: seven times as many, and 32 MiB. What says more is a bomb.
func Most(packed, limit uint64) uint64 { return min(limit, mostRatio*packed+mostSlack) }

// A Format is a way of compression.
type Format struct {
	Name  string // as in CONFIG_KERNEL_*, lower case: "gzip"
	magic string
	// open makes a reader of what the packed bytes stand for. It is nil when
	// the format is only recognised.
	open func(io.Reader) (io.Reader, error)
	// whole, when there is one, unpacks everything in less memory: what came
	// out serves as the window.
	whole func(data, dst []byte, limit uint64) ([]byte, error)
}

// formats are those that lib/decompress.c of Linux 6.12 knows, by its magic
// numbers.
func formats() []Format {
	return []Format{
		{"gzip", "\x1f\x8b", func(r io.Reader) (io.Reader, error) {
			z, err := gzip.NewReader(r)
			if err == nil {
				z.Multistream(false) // what follows is the kernel's own
			}
			return z, err
		}, nil},
		{"xz", "\xfd7zXZ\x00", func(r io.Reader) (io.Reader, error) {
			z, err := xz.NewReader(r, maxWindow)
			if err == nil {
				z.Multistream(false)
			}
			return z, err
		}, nil},
		{"zstd", "\x28\xb5\x2f\xfd", func(r io.Reader) (io.Reader, error) {
			z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
			if err != nil {
				return nil, err
			}
			return zstdReader{z}, nil
		}, wholeZstd},
		{"lz4", "\x02\x21\x4c\x18", func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }, wholeLZ4},
		{"bzip2", "BZh", func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }, nil},
		{"lzma", "\x5d\x00\x00", nil, nil},
		{"lzo", "\x89LZO", nil, nil},
	}
}

// wholeZstd unpacks into dst, and beyond its capacity if need be. What comes out may
// have the size of a window, since that is what a frame may ask for.
func wholeZstd(data, dst []byte, limit uint64) ([]byte, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(max(limit, maxWindow)), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	b, err := z.DecodeAll(data, dst)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = fmt.Errorf("%w: %w", ErrTooLarge, err)
	}
	return b, err
}

// zstdReader gives the decoder's memory back at the end of the stream.
type zstdReader struct{ z *zstd.Decoder }

func (r zstdReader) Read(p []byte) (int, error) {
	n, err := r.z.Read(p)
	if err != nil {
		r.z.Close()
	}
	return n, err
}

// Detect returns the format that data begins like.
func Detect(data []byte) (Format, bool) {
	for _, f := range formats() {
		if bytes.HasPrefix(data, []byte(f.magic)) {
			return f, true
		}
	}
	return Format{}, false
}

// Head unpacks the first n bytes, or fewer when there are no more, of data that
// may be cut.
func (f Format) Head(data []byte, n int) ([]byte, error) {
	if f.open == nil {
		return nil, fmt.Errorf("compressed with %s: %w", f.Name, errors.ErrUnsupported)
	}
	r, err := f.open(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	b := make([]byte, n)
	got, err := io.ReadFull(r, b)
	if got == 0 && err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	return b[:got], nil
}

// Bytes unpacks data, which may be followed by something else in the formats
// that say where they end. hint is how much is expected, 0 when that is not
// known; what is allocated grows with what comes out. More than limit bytes are
// an error that is [ErrTooLarge], a format that is only recognised one that is
// [errors.ErrUnsupported].
func (f Format) Bytes(data []byte, hint, limit uint64) ([]byte, error) {
	if f.open == nil {
		return nil, fmt.Errorf("compressed with %s: %w", f.Name, errors.ErrUnsupported)
	}
	// A hint is only believed as far as the format could keep it.
	room := int(min(hint, limit, uint64(len(data))*16)) + bytes.MinRead
	if f.whole != nil {
		b, err := f.whole(data, make([]byte, 0, room), limit)
		if err == nil && uint64(len(b)) > limit {
			err = ErrTooLarge
		}
		if err != nil {
			return nil, fmt.Errorf("%s, after %d bytes: %w", f.Name, len(b), err)
		}
		return b, nil
	}
	r, err := f.open(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	var b bytes.Buffer
	b.Grow(room)
	n, err := io.Copy(&b, io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s, after %d bytes: %w", f.Name, n, err)
	case uint64(n) > limit:
		return nil, fmt.Errorf("%s: %w: more than %d bytes", f.Name, ErrTooLarge, limit)
	}
	return b.Bytes(), nil
}
