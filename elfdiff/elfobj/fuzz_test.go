package elfobj

import (
	"bytes"
	"errors"
	"os"
	"testing"
)

// FuzzParse walks all of whatever parses. What can be rewritten must be the
// same when it is read again, and the second writing must give the same bytes.
func FuzzParse(f *testing.F) {
	f.Add(sound(f))
	f.Add(writeBuilder(f, livepatch()))
	f.Add(image(Prog{Vaddr: 0x1000, Filesz: 8, Memsz: 16}, Prog{}))
	if exe, err := os.ReadFile("/usr/lib/x86_64-linux-gnu/crt1.o"); err == nil {
		f.Add(exe)
	}
	clean := sound(f)
	for _, h := range hostile {
		v := &victim{b: bytes.Clone(clean)}
		v.f, _ = Parse(bytes.Clone(clean))
		h.damage(v)
		f.Add(v.b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Parse(b)
		if (file == nil) != (err != nil) {
			t.Fatalf("Parse returns %v, %v", file, err)
		}
		if err != nil {
			var fe *FormatError
			if !errors.As(err, &fe) {
				t.Fatalf("error of type %T: %v", err, err)
			}
			return
		}
		walk(file)
		var once, twice bytes.Buffer
		if _, err := file.Rewrite(&once); err != nil {
			checkType(t, err)
			return
		}
		again, err := Parse(once.Bytes())
		if err != nil {
			t.Fatalf("what Rewrite made doesn't parse: %v", err)
		}
		compareFiles(t, file, again)
		if _, err := again.Rewrite(&twice); err != nil || !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Fatalf("rewriting again gives another file: %v", err)
		}
	})
}

func checkType(t *testing.T, err error) {
	t.Helper()
	var fe *FormatError
	var se *SpecError
	if !errors.As(err, &fe) && !errors.As(err, &se) {
		t.Fatalf("error of type %T: %v", err, err)
	}
}

// FuzzUncompress gives arbitrary bytes to both decoders.
func FuzzUncompress(f *testing.F) {
	text := bytes.Repeat([]byte("text "), 1000)
	f.Add(true, uint64(len(text)), deflated(text))
	f.Add(false, uint64(len(text)), zstandard(text))
	f.Fuzz(func(t *testing.T, inflate bool, size uint64, data []byte) {
		c := stream{size: size, data: data}
		run := c.unzstd
		if inflate {
			run = c.inflate
		}
		b, err := run()
		if err == nil && uint64(len(b)) != size {
			t.Fatalf("%d bytes, not %d", len(b), size)
		}
	})
}
