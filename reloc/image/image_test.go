package image

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
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
	exe, err := os.ReadFile("../testdata/tiny.elf")
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
		{"object", func() []byte { b, _ := os.ReadFile("../testdata/tiny.o"); return b }(), nil},
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
