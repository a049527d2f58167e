package image_test

import (
	"bytes"
	cmp2 "cmp"
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/bzimage"
	"github.com/gosplice/gosplice/internal/kallsyms"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	. "github.com/gosplice/gosplice/reloc/image"
)

// notInKallsyms are names that is_ignored_symbol of scripts/kallsyms.c (Linux
// 6.1) and scripts/mksysmap (6.12) leave out.
func notInKallsyms(name string) bool {
	for _, prefix := range []string{"$", ".L", "__crc_", "__kstrtab_", "__kstrtabns_", "__efistub_", "__kcfi_typeid_", "__pi_", "__UNIQUE_ID_addressable_", "L0"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch name {
	case "kallsyms_offsets", "kallsyms_relative_base", "kallsyms_num_syms", "kallsyms_names", "kallsyms_markers",
		"kallsyms_seqs_of_names", "kallsyms_token_table", "kallsyms_token_index":
		return true
	}
	return false
}

// placed is a symbol as the tables tell it.
type placed struct {
	name string
	addr uint64
}

// census counts the symbols of each name and address.
func census(img *Image, keep func(*Symbol) bool) map[placed]int {
	m := make(map[placed]int)
	for i := range img.Symbols() {
		if s := &img.Symbols()[i]; keep(s) {
			m[placed{s.Name, s.Addr}]++
		}
	}
	return m
}

// TestKallsymsAgainstSymtab: the vmlinuz of a stock kernel has the same symbols as
// its vmlinux, and the same bytes.
func TestKallsymsAgainstSymtab(t *testing.T) {
	for _, release := range vmtest.Releases() {
		t.Run(release, func(t *testing.T) {
			k := vmtest.Need(t, release)
			path, err := k.Vmlinux(vmtest.Context(t))
			if err != nil {
				t.Fatal(err)
			}
			full, packed := MustKernel(t, path), MustKernel(t, k.Image)
			compareSymbols(t, full, packed, absolutes(t, path))
			compareBytes(t, full, packed)
			if a, b := full.Modules()[0], packed.Modules()[0]; !bytes.Equal(a.BuildID, b.BuildID) || len(a.BuildID) == 0 {
				t.Errorf("build-id %x and %x", a.BuildID, b.BuildID)
			}
		})
	}
}

// absolutes returns the names of symbols that are numbers: scripts/kallsyms.c
// leaves those out that are no per-CPU variables.
func absolutes(t testing.TB, path string) map[placed]bool {
	t.Helper()
	f, err := elfobj.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	m := make(map[placed]bool)
	for i := range syms {
		if s := &syms[i]; s.Section == elfobj.SecAbs {
			m[placed{s.Name, s.Value}] = true
		}
	}
	return m
}

func compareSymbols(t *testing.T, full, packed *Image, abs map[placed]bool) {
	t.Helper()
	want := census(full, func(s *Symbol) bool { return !notInKallsyms(s.Name) && !abs[placed{s.Name, s.Addr}] })
	got := census(packed, func(s *Symbol) bool { return !notInKallsyms(s.Name) })
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(placed{})); diff != "" {
		t.Errorf("symbols (-.symtab +kallsyms):\n%.2000s", diff)
	}
	for i := range full.Symbols() {
		s := &full.Symbols()[i]
		for _, p := range packed.Lookup(s.Name) {
			if p.Addr != s.Addr || p.Type == elf.STT_NOTYPE { // those of per-CPU variables are all "A"
				continue
			}
			if p.Local != s.Local || p.Size < s.Size && p.End() != nextAddr(full, s.Addr) {
				t.Errorf("%+v, in .symtab %+v", p, *s)
			}
		}
	}
}

// nextAddr returns the address of the first symbol behind addr.
func nextAddr(img *Image, addr uint64) uint64 {
	list := img.Symbols()
	i, _ := slices.BinarySearchFunc(list, addr+1, func(s Symbol, a uint64) int { return cmp2.Compare(s.Addr, a) })
	if i == len(list) {
		return 0
	}
	return list[i].Addr
}

// compareBytes compares all that is loaded.
func compareBytes(t *testing.T, a, b *Image) {
	t.Helper()
	if !slices.Equal(a.Regions(), b.Regions()) {
		t.Errorf("regions %+v, and %+v", a.Regions(), b.Regions())
	}
	p, q := make([]byte, 1<<20), make([]byte, 1<<20)
	for _, r := range a.Regions() {
		for at := r.Start; at < r.End; at += uint64(len(p)) {
			n := min(uint64(len(p)), r.End-at)
			errA, errB := a.ReadAddr(p[:n], at), b.ReadAddr(q[:n], at)
			if errA != nil || errB != nil || !bytes.Equal(p[:n], q[:n]) {
				t.Errorf("%#x: %v, %v, or the bytes differ", at, errA, errB)
			}
		}
	}
}

// TestStrippedKernel: a vmlinux without symbols is no worse than a vmlinuz, with
// and without section headers.
func TestStrippedKernel(t *testing.T) {
	k := vmtest.Need(t, "6.1")
	fd, err := os.Open(k.Image)
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	st, err := fd.Stat()
	if err != nil {
		t.Fatal(err)
	}
	h, err := bzimage.ReadHeader(fd, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.Unpack(fd)
	if err != nil {
		t.Fatal(err)
	}
	want := MustKernel(t, k.Image)
	path := filepath.Join(t.TempDir(), "vmlinux")
	for _, name := range []string{"sections", "no sections"} {
		if name == "no sections" {
			clear(b[40:48]) // e_shoff
			clear(b[58:64]) // e_shentsize, e_shnum, e_shstrndx
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		img := MustKernel(t, path)
		if !slices.Equal(img.Symbols(), want.Symbols()) {
			t.Errorf("%s: %d symbols, want %d", name, len(img.Symbols()), len(want.Symbols()))
		}
	}
}

// TestOpenKernelErrors opens what is no kernel.
func TestOpenKernelErrors(t *testing.T) {
	dir := t.TempDir()
	header := make([]byte, 4096)
	copy(header[0x1fe:], "\x55\xaa")
	copy(header[0x202:], "HdrS\x0f\x02")
	tiny, err := os.ReadFile("../testdata/tiny.elf")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		data []byte
		ok   func(error) bool
	}{
		{"empty", nil, func(err error) bool { return errors.As(err, new(*elfobj.FormatError)) }},
		{"text", []byte("hello"), func(err error) bool { return errors.As(err, new(*elfobj.FormatError)) }},
		{"header only", header, func(err error) bool { return errors.As(err, new(*bzimage.Error)) }},
		{"lzma", []byte("\x5d\x00\x00\x00"), func(err error) bool { return errors.Is(err, errors.ErrUnsupported) }},
		{"object", BuildModule(t, nil), func(err error) bool { return errors.Is(err, errors.ErrUnsupported) }},
		{"program", tiny, func(err error) bool { return errors.Is(err, ErrNotKernel) }},
		{"no symbols", strip(t, tiny), func(err error) bool { return errors.Is(err, kallsyms.ErrNotFound) }},
	} {
		path := filepath.Join(dir, tt.name)
		if err := os.WriteFile(path, tt.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenKernel(path); err == nil || !tt.ok(err) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %T %v", tt.name, err, err)
		}
	}
	if _, err := OpenKernel(dir); err == nil {
		t.Error("a folder was opened")
	}
}

func strip(t testing.TB, b []byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stripped")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("strip", path).CombinedOutput(); err != nil {
		t.Skipf("strip: %v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
