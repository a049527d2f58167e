package elfobj

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestUncompressed compares with what objcopy makes of compressed sections.
func TestUncompressed(t *testing.T) {
	names, files := fixtures(t)
	compressed := 0
	for _, name := range names {
		plain := filepath.Join(t.TempDir(), "plain.o")
		if msg, err := exec.Command("objcopy", "--decompress-debug-sections", files[name], plain).CombinedOutput(); err != nil {
			t.Fatalf("objcopy: %v: %s", err, msg)
		}
		f, err := Open(files[name])
		if err != nil {
			t.Fatal(err)
		}
		p, err := Open(plain)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range f.Sections {
			old := strings.HasPrefix(s.Name, ".zdebug_")
			if s.Flags&elf.SHF_COMPRESSED == 0 && !old {
				continue
			}
			got, err := s.Uncompressed()
			if err != nil {
				t.Error(err)
				continue
			}
			compressed++
			w := p.Sections[s.Index] // names are not unique: there are several .debug_macro
			if want, err := w.Data(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %s: %d bytes differ from the %d that objcopy makes (%v)", name, s.Name, len(got), len(want), err)
			}
		}
	}
	if compressed == 0 {
		testenv.Skip(t, "no compiler here compresses")
	}
}

// deflated and zstandard compress a text.
func deflated(b []byte) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func zstandard(b []byte) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll(b, nil)
}

// TestCompression gives headers and streams that don't belong together.
func TestCompression(t *testing.T) {
	text := bytes.Repeat([]byte("what gcc -g writes, again and again. "), 5000)
	size := uint64(len(text))
	skippable := append([]byte{0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0}, "abc"...)
	for _, c := range []struct {
		name string
		typ  elf.CompressionType
		size uint64
		data []byte
		want string // in the error; empty for success
	}{
		{"zlib", elf.COMPRESS_ZLIB, size, deflated(text), ""},
		{"zlib, nothing", elf.COMPRESS_ZLIB, 0, deflated(nil), ""},
		{"zlib, too small", elf.COMPRESS_ZLIB, size - 1, deflated(text), errSize.Error()},
		{"zlib, too large", elf.COMPRESS_ZLIB, size + 1, deflated(text), errSize.Error()},
		{"zlib, truncated", elf.COMPRESS_ZLIB, size, deflated(text)[:100], "unexpected EOF"},
		{"zlib, garbage", elf.COMPRESS_ZLIB, size, []byte("garbage"), "invalid header"},
		{"zlib, empty", elf.COMPRESS_ZLIB, size, nil, "EOF"},
		{"zlib, absurd", elf.COMPRESS_ZLIB, 1 << 40, deflated(text), ErrTooLarge.Error()},
		{"zlib, wraps around", elf.COMPRESS_ZLIB, 1<<64 - 1, deflated(text), ErrTooLarge.Error()},
		{"zstd", elf.COMPRESS_ZSTD, size, zstandard(text), ""},
		{"zstd, two frames", elf.COMPRESS_ZSTD, 2 * size, append(zstandard(text), zstandard(text)...), ""},
		{"zstd, skippable frame", elf.COMPRESS_ZSTD, size, append(skippable, zstandard(text)...), ""},
		{"zstd, zeros", elf.COMPRESS_ZSTD, 1 << 20, zstandard(make([]byte, 1<<20)), ""},
		{"zstd, too small", elf.COMPRESS_ZSTD, size - 1, zstandard(text), "decompressed size exceeds"},
		{"zstd, too large", elf.COMPRESS_ZSTD, size + 1, zstandard(text), errSize.Error()},
		{"zstd, more than the blocks", elf.COMPRESS_ZSTD, 1 << 20, zstandard(text), errRatio.Error()},
		{"zstd, absurd", elf.COMPRESS_ZSTD, 1 << 40, zstandard(text), ErrTooLarge.Error()},
		{"zstd, truncated", elf.COMPRESS_ZSTD, size, zstandard(text)[:30], "unexpected EOF"},
		{"zstd, garbage", elf.COMPRESS_ZSTD, size, []byte("garbage"), "magic"},
		{"zstd, empty", elf.COMPRESS_ZSTD, size, nil, errRatio.Error()},
		{"other", 9, size, text, "compression type"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := make([]byte, chdrSize)
			le.PutUint32(data, uint32(c.typ))
			le.PutUint64(data[8:], c.size)
			var b Builder
			i := b.AddSection(SectionHeader{Name: ".debug_str", Type: elf.SHT_PROGBITS, Flags: elf.SHF_COMPRESSED}, append(data, c.data...))
			f, err := Parse(writeBuilder(t, &b))
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Section(i).Uncompressed()
			checkUncompressed(t, got, err, c.size, c.want)
		})
	}
}

func checkUncompressed(t *testing.T, got []byte, err error, size uint64, want string) {
	t.Helper()
	switch {
	case want == "" && (err != nil || uint64(len(got)) != size):
		t.Errorf("%d bytes, %v", len(got), err)
	case want != "" && err == nil:
		t.Errorf("%d bytes and no error, want %s", len(got), want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("got %v\nwant %s", err, want)
	case want != "" && !strings.HasPrefix(err.Error(), "section .debug_str: offset 0x40: "):
		t.Errorf("no place: %v", err)
	}
}

// TestZdebug reads the form that binutils wrote before SHF_COMPRESSED.
func TestZdebug(t *testing.T) {
	text := bytes.Repeat([]byte("old "), 1000)
	header := append([]byte("ZLIB"), binary.BigEndian.AppendUint64(nil, uint64(len(text)))...)
	var b Builder
	z := b.AddSection(SectionHeader{Name: ".zdebug_info", Type: elf.SHT_PROGBITS}, append(header, deflated(text)...))
	p := b.AddSection(SectionHeader{Name: ".zdebug_str", Type: elf.SHT_PROGBITS}, []byte("plain"))
	f, err := Parse(writeBuilder(t, &b))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Section(z).Uncompressed(); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if got, err := f.Section(p).Uncompressed(); err != nil || string(got) != "plain" {
		t.Errorf("%q, %v", got, err)
	}
}
