package reloc

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

func TestSegments(t *testing.T) {
	s, err := NewSegments(Segment{0x2000, []byte("world")}, Segment{0x1ffb, []byte("hello")})
	if err != nil {
		t.Fatal(err)
	}
	var b [4]byte
	if err := s.ReadAddr(b[:], 0x1ffe); err != nil || string(b[:]) != "lowo" {
		t.Errorf("%q, %v", b, err)
	}
	var e *AddrError
	if err := s.ReadAddr(b[:], 0x2003); !errors.As(err, &e) || e.Addr != 0x2005 || !errors.Is(err, ErrUnmapped) {
		t.Errorf("behind the end: %v", err)
	}
	if err := s.ReadAddr(b[:], 0x10); !errors.As(err, &e) || e.Addr != 0x10 {
		t.Errorf("in front: %v", err)
	}
	if _, err := NewSegments(Segment{0x1000, make([]byte, 17)}, Segment{0x1010, nil}, Segment{0x1010, make([]byte, 1)}); err == nil {
		t.Error("overlapping segments were taken")
	}
	if _, err := NewSegments(Segment{^uint64(0), make([]byte, 2)}); err == nil {
		t.Error("a segment over the end of the address space was taken")
	}
}

func TestNewImage(t *testing.T) {
	mem := Segments{}
	for _, tt := range []struct {
		name    string
		mem     Memory
		regions []Region
		symbols []Symbol
	}{
		{"no memory", nil, nil, nil},
		{"upside down", mem, []Region{{Start: 2, End: 1}}, nil},
		{"overlap", mem, []Region{{Start: 0, End: 2}, {Start: 1, End: 3}}, nil},
		{"no such module", mem, []Region{{Start: 0, End: 2, Module: 1}}, nil},
		{"symbol of no module", mem, []Region{{Start: 0, End: 2}}, []Symbol{{Name: "x", Module: 3}}},
	} {
		if img, err := NewImage(tt.mem, tt.regions, nil, tt.symbols); err == nil || img != nil {
			t.Errorf("%s: taken", tt.name)
		}
	}
}

// TestOpenELFErrors opens what is no image.
func TestOpenELFErrors(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.ReadFile("testdata/tiny.elf")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		data []byte
		want any
	}{
		{"text", []byte("hello"), new(*elfobj.FormatError)},
		{"cut", exe[:100], new(*elfobj.FormatError)},
		{"object", func() []byte { b, _ := os.ReadFile("testdata/tiny.o"); return b }(), nil},
	} {
		path := filepath.Join(dir, tt.name)
		if err := os.WriteFile(path, tt.data, 0o600); err != nil {
			t.Fatal(err)
		}
		img, err := OpenELF(path)
		switch {
		case err == nil || img != nil:
			t.Errorf("%s: opened", tt.name)
		case tt.want == nil && !errors.Is(err, errors.ErrUnsupported):
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != nil && !errors.As(err, tt.want):
			t.Errorf("%s: %T %v", tt.name, err, err)
		case !bytes.Contains([]byte(err.Error()), []byte(path)):
			t.Errorf("%s: %v does not name the file", tt.name, err)
		}
	}
	if _, err := OpenELF(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := OpenProcess(-1); err == nil {
		t.Error("process -1 was opened")
	}
}

// TestSymbolsAgainstNM compares the symbols of an image with what nm lists.
func TestSymbolsAgainstNM(t *testing.T) {
	testenv.Need(t, "nm")
	b := build(t, config{opt: "-O2", link: "pie"}, victims...)
	out, err := exec.Command("nm", "--defined-only", "-P", b.image).Output()
	if err != nil {
		t.Fatal(err)
	}
	img := mustImage(t, b.image)
	for line := range bytes.Lines(out) {
		f := bytes.Fields(line)
		if len(f) < 3 {
			continue
		}
		name := unversioned(string(f[0]))
		var want uint64
		for _, c := range f[2] {
			want = want<<4 | uint64(bytes.IndexByte([]byte("0123456789abcdef"), c))
		}
		found := false
		for _, s := range img.Lookup(name) {
			found = found || s.Addr == want
		}
		if !found {
			t.Errorf("%s: nm has it at %#x, we at %+v", name, want, img.Lookup(name))
		}
	}
	for _, s := range img.Symbols() {
		if s.Type == elf.STT_TLS || s.Size == 0 {
			continue
		}
		if got, off, ok := img.SymbolAt(s.Addr + s.Size - 1); !ok || got.Addr+off != s.Addr+s.Size-1 {
			t.Errorf("SymbolAt(%s+%#x): %+v %v", s.Name, s.Size-1, got, ok)
		}
	}
}
