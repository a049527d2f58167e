package bzimage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// kernel makes a bzImage around a payload.
func kernel(payload []byte) []byte {
	const sects, offset = 2, 0x40
	b := make([]byte, (sects+1)*sector+offset)
	le := binary.LittleEndian
	b[offSetupSects] = sects
	le.PutUint16(b[offBootFlag:], 0xaa55)
	copy(b[offMagic:], "HdrS")
	le.PutUint16(b[offProtocol:], 0x020f)
	le.PutUint16(b[offKernelVersion:], 0x200)
	copy(b[0x400:], "6.1.0-test (x@y) #1\x00")
	le.PutUint32(b[offPayloadOffset:], offset)
	le.PutUint32(b[offPayloadLength:], uint32(len(payload)))
	le.PutUint64(b[offPrefAddress:], 0x1000000)
	le.PutUint32(b[offInitSize:], 0x2000000)
	return append(append(b, payload...), "the rest of the file"...)
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

func zstandard(b []byte) []byte {
	z, _ := zstd.NewWriter(nil)
	return binary.LittleEndian.AppendUint32(z.EncodeAll(b, nil), uint32(len(b)))
}

var vmlinux = bytes.Repeat([]byte("\x7fELF, or so"), 10000)

func TestUnpack(t *testing.T) {
	for name, payload := range map[string][]byte{"gzip": gzipped(vmlinux), "zstd": zstandard(vmlinux)} {
		b := kernel(payload)
		h, err := ReadHeader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if h.Format.Name != name || h.KernelVersion != "6.1.0-test (x@y) #1" || h.PrefAddress != 0x1000000 || h.Size != uint32(len(vmlinux)) {
			t.Errorf("%+v", h)
		}
		got, err := h.Unpack(bytes.NewReader(b))
		if err != nil || !bytes.Equal(got, vmlinux) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// TestTools packs as the kernel's build does it: the size stands behind all but
// gzip's.
func TestTools(t *testing.T) {
	for _, line := range []string{"xz --check=crc32 --x86 --lzma2=dict=32MiB", "lz4 -l -9 -q", "zstd -q -19", "bzip2 -9"} {
		args := strings.Fields(line)
		testenv.Need(t, args[0])
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = bytes.NewReader(vmlinux)
		packed, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		b := kernel(binary.LittleEndian.AppendUint32(packed, uint32(len(vmlinux))))
		h, err := ReadHeader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := h.Unpack(bytes.NewReader(b)); err != nil || h.Format.Name != args[0] || !bytes.Equal(got, vmlinux) {
			t.Errorf("%s: %s, %d bytes, %v", line, h.Format.Name, len(got), err)
		}
	}
}

func TestErrors(t *testing.T) {
	good := kernel(zstandard(vmlinux))
	payload := len(good) - len("the rest of the file") - len(zstandard(vmlinux))
	set := func(off int, v ...byte) func([]byte) { return func(b []byte) { copy(b[off:], v) } }
	for _, tt := range []struct {
		name   string
		change func([]byte)
		size   int
		want   error
		text   string
	}{
		{"empty", nil, 0, ErrNotBzImage, ""},
		{"short", nil, 0x210, nil, ""},
		{"no magic", set(offMagic, 'x'), -1, ErrNotBzImage, ""},
		{"no flag", set(offBootFlag, 0), -1, ErrNotBzImage, ""},
		{"old", set(offProtocol, 0x07, 0x02), -1, errors.ErrUnsupported, "protocol 2.7"},
		{"cut", nil, len(good) - 100, io.ErrUnexpectedEOF, "in a file of"},
		{"far payload", set(offPayloadOffset, 0xff, 0xff, 0xff, 0xff), -1, io.ErrUnexpectedEOF, ""},
		{"long payload", set(offPayloadLength, 0xff, 0xff, 0xff, 0xff), -1, io.ErrUnexpectedEOF, ""},
		{"no payload", set(offPayloadLength, 0, 0, 0, 0), -1, io.ErrUnexpectedEOF, ""},
		{"unknown format", set(payload, 1, 2, 3), -1, errors.ErrUnsupported, "begins with 01 02 03"},
		{"lzma", set(payload, 0x5d, 0, 0), -1, errors.ErrUnsupported, "lzma"},
		{"bzip2 it is not", set(payload, 'B', 'Z', 'h'), -1, nil, "bzip2"},
		{"damaged", set(payload+20, 0xff, 0xff, 0xff, 0xff), -1, nil, "zstd"},
		{"size 0", set(len(good)-24, 0, 0, 0, 0), -1, errors.ErrUnsupported, "unpacked size"},
		{"size huge", set(len(good)-24, 0, 0, 0, 0x80), -1, errors.ErrUnsupported, "unpacked size"},
		{"size small", set(len(good)-24, 1, 0, 0, 0), -1, nil, "larger than allowed"},
		{"size large", set(len(good)-24, 0, 0, 0, 0x20), -1, io.ErrUnexpectedEOF, "unpacked to"},
	} {
		b := slices.Clone(good)
		if tt.change != nil {
			tt.change(b)
		}
		if tt.size >= 0 {
			b = b[:tt.size]
		}
		h, err := ReadHeader(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			_, err = h.Unpack(bytes.NewReader(b))
		}
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if e := new(Error); err != nil && !errors.Is(err, ErrNotBzImage) && !errors.As(err, &e) {
			t.Errorf("%s: %T", tt.name, err)
		}
	}
}

// FuzzReadHeader reads any bytes, and unpacks what is small.
func FuzzReadHeader(f *testing.F) {
	f.Add(kernel(zstandard(vmlinux[:100])))
	f.Add(kernel(gzipped(vmlinux[:100])))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		h, err := ReadHeader(r, int64(len(b)))
		if err != nil || h.Size > 1<<20 {
			return
		}
		if got, err := h.Unpack(r); err == nil && len(got) != int(h.Size) {
			t.Errorf("%d bytes, the header says %d", len(got), h.Size)
		}
	})
}
