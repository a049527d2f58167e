package decompress

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/pierrec/lz4/v4"
)

// The legacy frame of LZ4 (doc/lz4_Frame_format.md of lz4 1.9.4, "Legacy frame"):
// a magic number, and blocks that each begin with their packed size.
const (
	lz4Magic = 0x184c2102
	lz4Block = 8 << 20 // what a block holds at most, unpacked
)

// wholeLZ4 unpacks each block to where it belongs.
func wholeLZ4(data, dst []byte, limit uint64) ([]byte, error) {
	le := binary.LittleEndian
	for off := 0; off < len(data); {
		if len(data)-off < 4 {
			return dst, io.ErrUnexpectedEOF
		}
		size := le.Uint32(data[off:])
		off += 4
		switch {
		case size == lz4Magic: // frames may follow each other
			continue
		case uint64(size) > uint64(len(data)-off):
			return dst, fmt.Errorf("block of %#x bytes at %#x: %w", size, off, io.ErrUnexpectedEOF)
		case uint64(len(dst)) > limit:
			return dst, ErrTooLarge
		}
		block := data[off : off+int(size)]
		off += int(size)
		free := dst[len(dst):min(cap(dst), len(dst)+lz4Block)]
		n, err := lz4.UncompressBlock(block, free)
		if err != nil && len(free) < lz4Block { // perhaps there was no room
			dst = slices.Grow(dst, lz4Block)
			n, err = lz4.UncompressBlock(block, dst[len(dst):len(dst)+lz4Block])
		}
		if err != nil {
			return dst, fmt.Errorf("block of %#x bytes at %#x: %w", size, off-int(size), err)
		}
		dst = dst[:len(dst)+n]
	}
	return dst, nil
}
