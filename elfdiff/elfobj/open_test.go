package elfobj

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// withDebug is an object whose debug information is too large to be read along.
func withDebug(t *testing.T, debug int) []byte {
	b := new(Builder)
	text := b.AddSection(SectionHeader{Name: ".text", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR}, []byte{0xc3})
	b.AddSymbol(Symbol{Name: "f", Section: text, Size: 1, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC)})
	b.AddSection(SectionHeader{Name: ".debug_info", Type: elf.SHT_PROGBITS}, bytes.Repeat([]byte("info"), debug/4))
	b.AddSection(SectionHeader{Name: ".data", Type: elf.SHT_PROGBITS, Flags: elf.SHF_ALLOC}, bytes.Repeat([]byte("data"), 64<<10/4))
	return writeBuilder(t, b)
}

func openBytes(t *testing.T, b []byte) (string, *File) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a.o")
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return name, f
}

// sectionNamed returns the only section of that name.
func sectionNamed(t *testing.T, f *File, name string) *Section {
	t.Helper()
	for s := range f.SectionsNamed(name) {
		return s
	}
	t.Fatalf("no section %s", name)
	return nil
}

// TestOpenReadsLater compares what Open reads bit by bit with what Parse slices
// from the whole file.
func TestOpenReadsLater(t *testing.T) {
	for _, size := range []int{0, 16 << 10, 1 << 20} {
		b := withDebug(t, size)
		_, f := openBytes(t, b)
		whole, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if later := f.src.r != nil; later != (size == 1<<20) {
			t.Errorf("%d bytes of debug information: read later is %v", size, later)
		}
		held := 0
		for _, e := range f.src.mem {
			held += len(e.b)
		}
		if most := 64<<10 + tailSize + 3*maxGap; size == 1<<20 && held > most {
			t.Errorf("%d bytes in memory, want at most %d", held, most)
		}
		compareFiles(t, whole, f)
		if err := walk(f); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenAndOverwrite(t *testing.T) {
	name, f := openBytes(t, withDebug(t, 1<<20))
	if err := os.Chtimes(name, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := sectionNamed(t, f, ".debug_info").Data(); !errors.Is(err, errChanged) {
		t.Errorf("debug information of a file that was written to: %v", err)
	}
	if b, err := sectionNamed(t, f, ".data").Data(); err != nil || string(b[:4]) != "data" {
		t.Errorf("what was read before: %q, %v", b[:4], err)
	}
}

// TestOpenAndReplace has another file under the same name, as compilers do it:
// the one that was opened stays readable.
func TestOpenAndReplace(t *testing.T) {
	name, f := openBytes(t, withDebug(t, 1<<20))
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, withDebug(t, 4), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := sectionNamed(t, f, ".debug_info").Data(); err != nil || len(b) != 1<<20 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := sectionNamed(t, f, ".debug_info").Data(); err != nil || len(b) != 1<<20 {
		t.Errorf("after Close, what was read before: %d bytes, %v", len(b), err)
	}
}

func TestClosedBeforeRead(t *testing.T) {
	_, f := openBytes(t, withDebug(t, 1<<20))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sectionNamed(t, f, ".debug_info").Data(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("debug information of a closed file: %v", err)
	}
}
