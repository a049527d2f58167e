package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// magic is how a file begins; the version of its form and the digest are behind it.
const magic = "gosplice bundle\n"

const (
	version  = 1
	headSize = len(magic) + 4 + sha256.Size
)

// Limits of a file: what is packed to less than a part of it is nothing that a compiler made.
const (
	maxFile  = 1 << 30 // bytes
	maxRatio = 32
	slack    = 1 << 20
)

// ErrFormat is for a file that is no bundle, is damaged, or is of another version.
var ErrFormat = errors.New("not a bundle of this version")

// header is the first line of the content.
type header struct {
	*Bundle
	Sizes [][2]int `json:"sizes"` // of pre and post, bytes
}

// Is reports whether a file that begins so is a bundle, of whatever version.
func Is(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) }

// content returns the content of the file: the same for the same bundle.
func (b *Bundle) content() ([]byte, error) {
	h := header{Bundle: b, Sizes: [][2]int{}}
	for i := range b.Objects {
		h.Sizes = append(h.Sizes, [2]int{len(b.Objects[i].Pre), len(b.Objects[i].Post)})
	}
	out, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	out = append(out, '\n')
	for i := range b.Objects {
		out = append(append(out, b.Objects[i].Pre...), b.Objects[i].Post...)
	}
	return out, nil
}

// ID returns the digest of all that is in the bundle, hexadecimal.
func (b *Bundle) ID() (string, error) {
	c, err := b.content()
	return fmt.Sprintf("%x", digest(c)), err
}

func digest(content []byte) [sha256.Size]byte { return sha256.Sum256(content) }

// WriteTo writes the file.
func (b *Bundle) WriteTo(w io.Writer) (int64, error) {
	c, err := b.content()
	if err != nil {
		return 0, err
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		return 0, err
	}
	defer z.Close()
	sum := digest(c)
	head := append(binary.LittleEndian.AppendUint32([]byte(magic), version), sum[:]...)
	n, err := w.Write(z.EncodeAll(c, head))
	return int64(n), err
}

// Read reads a file. Whatever is in it, memory is bounded by its size. An error of its form is
// an [ErrFormat].
func Read(r io.Reader) (*Bundle, error) {
	if r == nil {
		return nil, errors.New("read bundle: nothing is given")
	}
	file, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	switch {
	case !Is(file) || len(file) < headSize:
		return nil, fmt.Errorf("%w: it does not begin as one", ErrFormat)
	case len(file) > maxFile:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrFormat, maxFile)
	}
	if v := binary.LittleEndian.Uint32(file[len(magic):]); v != version {
		return nil, fmt.Errorf("%w: its form is %d, and %d is known", ErrFormat, v, version)
	}
	content, err := unpack(file[headSize:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if sum := digest(content); !bytes.Equal(sum[:], file[headSize-sha256.Size:headSize]) {
		return nil, fmt.Errorf("%w: it is damaged: its digest is another", ErrFormat)
	}
	b, err := parse(content)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return b, nil
}

func unpack(packed []byte) ([]byte, error) {
	limit := int64(len(packed))*maxRatio + slack
	z, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(uint64(limit)), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	content, err := io.ReadAll(io.LimitReader(z, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fmt.Errorf("%d bytes unpack to more than %d", len(packed), limit)
	}
	return content, err
}

// parse reads the content, and takes it in its one form only.
func parse(content []byte) (*Bundle, error) {
	line, rest, ok := bytes.Cut(content, []byte("\n"))
	if !ok {
		return nil, errors.New("the content has no first line")
	}
	h := header{Bundle: &Bundle{}}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return nil, err
	}
	b := h.Bundle
	if b == nil || b.Schema != Schema || len(h.Sizes) != len(b.Objects) {
		return nil, errors.New("its first line has another schema, or not a size for each object")
	}
	for i := range b.Objects {
		for k, to := range []*[]byte{&b.Objects[i].Pre, &b.Objects[i].Post} {
			n := h.Sizes[i][k]
			if n < 0 || n > len(rest) {
				return nil, fmt.Errorf("object %d: %d bytes where %d are left", i, n, len(rest))
			}
			*to, rest = rest[:n:n], rest[n:]
		}
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes behind the objects", len(rest))
	}
	if again, err := json.Marshal(h); err != nil || !bytes.Equal(again, line) {
		return nil, errors.New("its first line is not in the form that it has")
	}
	return b, nil
}
