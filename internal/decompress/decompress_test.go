package decompress

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// tools are commands that pack standard input, as scripts/Makefile.lib of
// Linux 6.12 calls them for kernels and modules.
var tools = []struct {
	format string
	cmd    string
	ends   bool // the format says where it ends
}{
	{"gzip", "gzip -n -9", true},
	{"xz", "xz --check=crc32 --x86 --lzma2=dict=32MiB", true},
	{"zstd", "zstd -q --ultra --long=27", false},
	{"lz4", "lz4 -l -9 -q", false},
	{"bzip2", "bzip2 -9", false},
}

func sample() []byte {
	var b []byte
	for i := range uint32(1 << 14) { // branches, for the x86 filter
		b = append(b, 0xe8)
		b = binary.LittleEndian.AppendUint32(b, i*17)
		b = append(b, "the same words again, "...)
	}
	return b
}

func TestTools(t *testing.T) {
	want := sample()
	for _, tool := range tools {
		t.Run(tool.format, func(t *testing.T) {
			args := strings.Fields(tool.cmd)
			testenv.Need(t, args[0])
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Stdin = bytes.NewReader(want)
			packed, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			f, ok := Detect(packed)
			if !ok || f.Name != tool.format {
				t.Fatalf("detected %q, %v", f.Name, ok)
			}
			n := uint64(len(want))
			for _, hint := range []uint64{0, n, 1 << 60} {
				if got, err := f.Bytes(packed, hint, n); err != nil || !bytes.Equal(got, want) {
					t.Errorf("hint %d: %d bytes, %v", hint, len(got), err)
				}
			}
			if _, err := f.Bytes(packed, 0, n-1); !errors.Is(err, ErrTooLarge) {
				t.Errorf("beyond the limit: %v", err)
			}
			if _, err := f.Bytes(packed[:len(packed)/2], 0, n); err == nil {
				t.Error("half of it was taken")
			}
			if got, err := f.Head(packed, 100); err != nil || !bytes.Equal(got, want[:100]) {
				t.Errorf("head: %q, %v", got, err)
			}
			if tool.ends {
				if got, err := f.Bytes(append(packed, "and more"...), 0, n); err != nil || !bytes.Equal(got, want) {
					t.Errorf("with something behind it: %d bytes, %v", len(got), err)
				}
			}
		})
	}
}

func TestUnsupported(t *testing.T) {
	for name, head := range map[string]string{"lzma": "\x5d\x00\x00\x80\x00", "lzo": "\x89LZO\x00"} {
		f, ok := Detect([]byte(head))
		if !ok || f.Name != name {
			t.Errorf("%s: detected %q, %v", name, f.Name, ok)
		}
		if _, err := f.Bytes([]byte(head), 0, 100); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f, ok := Detect([]byte("\x7fELF")); ok {
		t.Errorf("ELF is %s", f.Name)
	}
}

// FuzzBytes unpacks any bytes: never more than was allowed, and no more memory.
func FuzzBytes(f *testing.F) {
	for _, s := range []string{"\x1f\x8b\x08", "\xfd7zXZ\x00", "\x28\xb5\x2f\xfd", "\x02\x21\x4c\x18\xff\xff\x00\x00", "BZh9"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		format, ok := Detect(b)
		if !ok {
			return
		}
		if got, err := format.Bytes(b, 1<<40, 1<<20); err == nil && len(got) > 1<<20 {
			t.Errorf("%s: %d bytes", format.Name, len(got))
		}
	})
}
