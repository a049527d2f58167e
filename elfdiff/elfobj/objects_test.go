package elfobj

import (
	"bytes"
	"debug/elf"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestObjects compares every .o and .ko file below a folder with readelf, rewrites it
// and compares again, and lets ld -r take both. Files that are not ELF64 for x86-64
// are counted and passed over. The folder is a kernel's build tree, or the unpacked
// modules of a distribution, such as
//
//	apt-get download linux-image-6.1.0-50-cloud-amd64
//	dpkg -x linux-image-6.1.0-50-cloud-amd64_*.deb modules
//	GOSPLICE_TEST=objects=$PWD/modules go test -run TestObjects -timeout 1h
func TestObjects(t *testing.T) {
	dir := testenv.NeedValues(t, "reads objects", testenv.Objects)[0]
	testenv.Need(t, "readelf", "ld")
	var total struct{ files, other, sections, symbols, relas, bytes int }
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.HasSuffix(name, ".o") && !strings.HasSuffix(name, ".ko") {
			return err
		}
		f, err := Open(name)
		if err != nil {
			total.other++
			t.Logf("passed over: %v", err)
			return nil
		}
		defer f.Close()
		t.Run(strings.TrimPrefix(name, dir+"/"), func(t *testing.T) {
			checkRead(t, f, name)
			checkGroups(t, f, name)
			if f.Type == elf.ET_REL {
				checkRewrite(t, f, name)
			}
			if err := walk(f); err != nil {
				t.Error(err)
			}
		})
		syms, _ := f.Symbols()
		total.files++
		total.sections += len(f.Sections)
		total.symbols += len(syms)
		total.bytes += int(f.src.size)
		for i := range f.Sections {
			relas, _ := f.Relas(SectionIndex(i))
			total.relas += len(relas)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files (%d bytes) with %d sections, %d symbols, %d relocations; %d passed over",
		total.files, total.bytes, total.sections, total.symbols, total.relas, total.other)
}

// TestManySections reads what as makes of more sections than 16 bits can
// number, and writes it again. TestManySectionsBuilt does so with what is made here.
func TestManySections(t *testing.T) {
	if testing.Short() || !testenv.Asked(testenv.More) {
		t.Skipf("takes seconds: asked for by %s=%s", testenv.Env, testenv.More)
	}
	testenv.Need(t, "as", "ld", "readelf")
	const n = 66_000
	file := assemble(t, manySections(n))
	f, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Sections) < n {
		t.Fatalf("%d sections", len(f.Sections))
	}
	for i := range syms {
		if s := &syms[i]; s.Type() == elf.STT_FUNC && f.Section(s.Section).Name != ".text."+s.Name {
			t.Fatalf("symbol %s is in section %s", s.Name, f.Section(s.Section).Name)
		}
	}
	checkRead(t, f, file)
	checkRewrite(t, f, file)
}

// TestLazy reads files through an io.ReaderAt, and expects what Parse gives.
func TestLazy(t *testing.T) {
	names, files := fixtures(t)
	for _, name := range names {
		b, err := os.ReadFile(files[name])
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		lazy, err := NewFile(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		compareFiles(t, parsed, lazy)
		var a, z bytes.Buffer
		if _, err := parsed.Rewrite(&a); err != nil {
			t.Fatal(err)
		}
		if _, err := lazy.Rewrite(&z); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.Bytes(), z.Bytes()) {
			t.Errorf("%s: Rewrite depends on how the file is read", name)
		}
	}
}

// compareFiles compares all of two files but for the places in the file, and
// the fields of section 0, which depend on how many sections there are.
func compareFiles(t testing.TB, a, b *File) {
	t.Helper()
	equal := func(what string, x, y any) {
		if d := cmp.Diff(x, y); d != "" {
			t.Errorf("%s: -a +b:\n%.2000s", what, d)
		}
	}
	equal("header", a.Header, b.Header)
	equal("number of sections", len(a.Sections), len(b.Sections))
	if t.Failed() {
		return
	}
	for i := range a.Sections {
		x, y := a.Sections[i].SectionHeader, b.Sections[i].SectionHeader
		x.Offset, y.Offset = 0, 0
		if i == 0 {
			x.Size, y.Size, x.Link, y.Link = 0, 0, 0, 0
		}
		if x != y {
			t.Errorf("section %d: %+v, %+v", i, x, y)
		}
		p, err1 := a.Sections[i].Data()
		q, err2 := b.Sections[i].Data()
		rewritten := x.Type == elf.SHT_SYMTAB || x.Type == elf.SHT_SYMTAB_SHNDX
		if (err1 == nil) != (err2 == nil) || !rewritten && !bytes.Equal(p, q) {
			t.Errorf("section %d %s: data differs (%v, %v)", i, x.Name, err1, err2)
		}
		r, _ := a.Relas(SectionIndex(i))
		s, _ := b.Relas(SectionIndex(i))
		equal("relocations", r, s)
	}
	x, _ := a.Symbols()
	y, _ := b.Symbols()
	equal("symbols", x, y)
	g, _ := a.Groups()
	h, _ := b.Groups()
	equal("groups", g, h)
}
