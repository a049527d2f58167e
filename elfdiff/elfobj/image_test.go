package elfobj

import (
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestImages reads executables and shared objects: tables as readelf prints
// them, and memory as the sections have it.
func TestImages(t *testing.T) {
	testenv.Need(t, "gcc", "readelf")
	for _, flags := range []string{"-no-pie", "-pie -g", "-static", "-no-pie -Wl,--emit-relocs"} {
		t.Run(flags, func(t *testing.T) {
			dir := t.TempDir()
			src, exe := filepath.Join(dir, "a.c"), filepath.Join(dir, "a")
			if err := os.WriteFile(src, []byte(sourceC), 0o666); err != nil {
				t.Fatal(err)
			}
			msg, err := exec.Command("gcc", append(strings.Fields(flags), "-o", exe, src)...).CombinedOutput()
			if err != nil {
				t.Fatalf("gcc: %v: %s", err, msg)
			}
			f, err := Open(exe)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			checkRead(t, f, exe)
			checkMemory(t, f)
			if err := walk(f); err != nil {
				t.Error(err)
			}
			if _, err := f.Rewrite(io.Discard); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("Rewrite of an image: %v", err)
			}
		})
	}
}

// checkMemory compares what ReadAddr gives with the sections.
func checkMemory(t *testing.T, f *File) {
	t.Helper()
	for _, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC == 0 || s.Flags&elf.SHF_TLS != 0 || s.Size == 0 {
			continue
		}
		got := bytes.Repeat([]byte{0xaa}, int(s.Size))
		if n, err := f.ReadAddr(got, s.Addr); err != nil || n != len(got) {
			t.Errorf("%s: %d bytes, %v", s.Name, n, err)
		}
		want, err := s.Data()
		if err != nil {
			t.Fatal(err)
		}
		if s.Type == elf.SHT_NOBITS {
			want = make([]byte, s.Size)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: memory differs from the section", s.Name)
		}
	}
}

// image makes an executable with these segments of type PT_LOAD and no
// sections; the whole file can be their content.
func image(progs ...Prog) []byte {
	var out bytes.Buffer
	(&Spec{}).WriteTo(&out)
	b := out.Bytes()
	b[16] = byte(elf.ET_EXEC)
	b[offPhoff], b[offPhentsize], b[offPhnum] = ehdrSize, phdrSize, byte(len(progs))
	for _, p := range progs {
		h := make([]byte, phdrSize)
		le.PutUint32(h, uint32(elf.PT_LOAD))
		for i, v := range []uint64{p.Off, p.Vaddr, p.Paddr, p.Filesz, p.Memsz, p.Align} {
			le.PutUint64(h[8+8*i:], v)
		}
		b = append(b, h...)
	}
	return append(b, "abcdefghijklmnop"...)
}

func TestReadAddr(t *testing.T) {
	const at = ehdrSize + 3*phdrSize // where the letters are
	const top = 0xffffffff_fffffffc
	b := image(
		Prog{Off: at + 8, Vaddr: 0x2000, Filesz: 4, Memsz: 8},
		Prog{Off: at, Vaddr: 0x1ffc, Filesz: 4, Memsz: 4},
		Prog{Off: at, Vaddr: top, Filesz: 4, Memsz: 4},
	)
	overlapping := image(
		Prog{Off: at, Vaddr: 0x1000, Filesz: 8, Memsz: 8},
		Prog{Off: at + 8, Vaddr: 0x1004, Filesz: 2, Memsz: 2},
		Prog{},
	)
	outside := image(Prog{Off: at, Vaddr: 0x1000, Filesz: 100, Memsz: 100}, Prog{Off: 1 << 63, Vaddr: 0x2000, Filesz: 1 << 63, Memsz: 1 << 63}, Prog{})
	for _, c := range []struct {
		file  []byte
		vaddr uint64
		n     int
		want  string
		err   string
	}{
		{b, 0x1ffc, 12, "abcdijkl\x00\x00\x00\x00", ""}, // over the border of segments, and into .bss
		{b, 0x1ffe, 4, "cdij", ""},
		{b, 0x2006, 4, "\x00\x00", "address 0x2008 is in no PT_LOAD segment"},
		{b, 0x1000, 1, "", "address 0x1000 is in no PT_LOAD segment"},
		{b, 0x3000, 0, "", ""},
		{b, top, 4, "abcd", ""},
		{b, top, 5, "abcd", "address wraps around"},
		{overlapping, 0x1000, 6, "abcdij", ""},
		{overlapping, 0x1004, 4, "ij", "address 0x1006 is in no"},
		{outside, 0x1000, 50, "", "segment at address 0x1000"},
		{outside, 0x2000, 8, "", "segment at address 0x2000"},
		{outside, 0x2000 + 1<<62, 8, "", "segment at address 0x2000"},
	} {
		f, err := Parse(c.file)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, c.n)
		n, err := f.ReadAddr(p, c.vaddr)
		if string(p[:n]) != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%d bytes at %#x: %q, %v", c.n, c.vaddr, p[:n], err)
		}
	}
}

// TestOpen reports what is wrong with the name of the file.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	os.WriteFile(text, []byte("no object"), 0o666)
	for _, c := range []struct {
		name string
		is   error
	}{
		{text, ErrNotELF}, {dir, errors.ErrUnsupported}, {filepath.Join(dir, "none"), os.ErrNotExist},
	} {
		if f, err := Open(c.name); f != nil || !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	object := filepath.Join(dir, "a.o")
	os.WriteFile(object, sound(t), 0o666)
	f, err := Open(object)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := walk(f); err != nil {
		t.Errorf("after Close: %v", err)
	}
}

// TestConcurrent uses one file from many goroutines; run it with -race.
func TestConcurrent(t *testing.T) {
	b := sound(t)
	f, err := NewFile(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := walk(f); err != nil {
				t.Error(err)
			}
			for range f.SectionsNamed(".text") {
			}
			if _, err := f.Rewrite(io.Discard); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestFresh: what one file has read, the other has not, and both are the same.
func TestFresh(t *testing.T) {
	f, err := Parse(sound(t))
	if err != nil {
		t.Fatal(err)
	}
	want, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	g, err := f.Fresh()
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Symbols()
	if err != nil || !slices.Equal(got, want) || len(got) > 0 && &got[0] == &want[0] {
		t.Errorf("%d symbols, want %d others: %v", len(got), len(want), err)
	}
}
