package bzimage

import (
	"context"
	"io"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/decompress"
)

// maxVmlinux bounds a vmlinux that was packed as a whole, debug information and
// all, bytes.
const maxVmlinux = 2 << 30

// Vmlinux returns the vmlinux that a file of size bytes is or holds: a bzImage, or one that
// was packed as a whole. It is in memory if it was packed; else it reads from r.
func Vmlinux(ctx context.Context, r io.ReaderAt, size int64) (f *elfobj.File, packed bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	var head [1024]byte
	n, err := r.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return nil, false, err
	}
	var b []byte
	if Is(head[:n]) {
		h, err := ReadHeader(r, size)
		if err != nil {
			return nil, false, err
		}
		if b, err = h.Unpack(r); err != nil {
			return nil, false, err
		}
	} else if format, ok := decompress.Detect(head[:n]); ok {
		if b, err = io.ReadAll(io.NewSectionReader(r, 0, min(size, maxVmlinux))); err != nil {
			return nil, false, err
		}
		if b, err = format.Bytes(b, 0, decompress.Most(uint64(len(b)), maxVmlinux)); err != nil {
			return nil, false, err
		}
	} else {
		f, err = elfobj.NewFile(r, size)
		return f, false, err
	}
	if err := ctx.Err(); err != nil {
		return nil, true, err
	}
	f, err = elfobj.Parse(b)
	return f, true, err
}
