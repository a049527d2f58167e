package dwarf

import (
	"bytes"
	stddwarf "debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// linearised is an object whose sections have addresses, for debug/dwarf.
type linearised struct {
	*stddwarf.Data
	base  []uint64
	units []stddwarf.Offset
}

// place turns an address back.
func (l *linearised) place(f *elfobj.File, addr uint64) Addr {
	for i, b := range l.base {
		if b != 0 && addr >= b && addr < b+f.Sections[i].Size+1<<11 {
			return Addr{elfobj.SectionIndex(i), addr - b}
		}
	}
	return Addr{0, addr}
}

// linearise relocates copies of all debug sections.
func linearise(t testing.TB, f *elfobj.File) *linearised {
	t.Helper()
	l := &linearised{base: make([]uint64, len(f.Sections))}
	next := uint64(1) << 32
	for i, s := range f.Sections {
		if s.Flags&elf.SHF_ALLOC != 0 {
			l.base[i] = next
			next += (s.Size + 1<<12) &^ 15
		}
	}
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	sec := map[string][]byte{}
	for _, s := range f.Sections {
		if len(s.Name) < 7 || s.Name[:7] != ".debug_" {
			continue
		}
		b, err := s.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		b = append([]byte(nil), b...)
		relas, err := f.Relas(s.Index)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range relas {
			h, _ := amd64.HowtoOf(r.Type)
			v := syms[r.Sym].Value
			if y := syms[r.Sym].Section; int(y) < len(l.base) {
				v += l.base[y]
			}
			if h.Size == 4 { // 32-bit fields of addresses do not occur
				binary.LittleEndian.PutUint32(b[r.Offset:], uint32(int64(v)+r.Addend))
			} else if h.Size == 8 {
				binary.LittleEndian.PutUint64(b[r.Offset:], uint64(int64(v)+r.Addend))
			}
		}
		sec[s.Name] = b
	}
	l.Data, err = stddwarf.New(sec[".debug_abbrev"], nil, nil, sec[".debug_info"], sec[".debug_line"], nil, sec[".debug_ranges"], sec[".debug_str"])
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".debug_addr", ".debug_line_str", ".debug_str_offsets", ".debug_rnglists"} {
		if b := sec[name]; b != nil {
			if err := l.AddSection(name, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	return l
}

// testObjects returns checked-in objects, and those of the folder that is given.
func testObjects(t testing.TB) []string {
	t.Helper()
	list, err := filepath.Glob("testdata/*.o")
	if err != nil || len(list) == 0 {
		t.Fatalf("no objects: %v", err)
	}
	if dir := testenv.Value(testenv.Objects); dir != "" {
		err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".o" {
				list = append(list, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return list
}

func open(t testing.TB, path string) *elfobj.File {
	t.Helper()
	f, err := elfobj.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestOracle compares what is read of each object with what debug/dwarf reads.
func TestOracle(t *testing.T) {
	for _, path := range testObjects(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f := open(t, path)
			d, want := New(f), linearise(t, f)
			if !d.HasEntries() {
				t.Skip("no debug information")
			}
			compareEntries(t, d, want, f)
			compareLines(t, d, want, f)
			compareCalls(t, d, want, f)
		})
	}
}

// TestFixtures builds the checked-in objects again: they are what their source
// and the documented compilers give.
func TestFixtures(t *testing.T) {
	testenv.Need(t, "gcc", "clang-14", "ld")
	version, err := exec.Command("gcc", "-dumpfullversion").Output()
	if err != nil || string(version) != "12.2.0\n" {
		testenv.Skip(t, "needs gcc 12.2.0, not %s (%v)", version, err)
	}
	dir := t.TempDir()
	if out, err := exec.Command("testdata/build.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	built, err := filepath.Glob(filepath.Join(dir, "*.o"))
	if err != nil || len(built) == 0 {
		t.Fatalf("nothing was built: %v", err)
	}
	for _, path := range built {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("testdata", filepath.Base(path)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what its source gives (%v); run testdata/build.sh", filepath.Base(path), err)
		}
	}
}

// stdAttrs pairs the attributes of both readers.
var stdAttrs = map[Attr]stddwarf.Attr{
	AttrName: stddwarf.AttrName, AttrType: stddwarf.AttrType, AttrOrigin: stddwarf.AttrAbstractOrigin,
	AttrSpecification: stddwarf.AttrSpecification, attrSibling: stddwarf.AttrSibling, AttrByteSize: stddwarf.AttrByteSize,
	AttrBitSize: stddwarf.AttrBitSize, AttrBitOffset: stddwarf.AttrBitOffset, AttrDataBitOffset: stddwarf.AttrDataBitOffset,
	AttrMemberLocation: stddwarf.AttrDataMemberLoc, AttrConstValue: stddwarf.AttrConstValue, AttrUpperBound: stddwarf.AttrUpperBound,
	AttrCount: stddwarf.AttrCount, AttrLowPC: stddwarf.AttrLowpc, AttrHighPC: stddwarf.AttrHighpc, AttrRanges: stddwarf.AttrRanges,
	AttrCallFile: stddwarf.AttrCallFile, AttrCallLine: stddwarf.AttrCallLine, AttrCallOrigin: stddwarf.AttrCallOrigin,
	AttrDeclaration: stddwarf.AttrDeclaration, AttrEncoding: stddwarf.AttrEncoding, AttrExternal: stddwarf.AttrExternal,
	AttrDeclFile: stddwarf.AttrDeclFile, AttrDeclLine: stddwarf.AttrDeclLine, AttrLocation: stddwarf.AttrLocation,
	AttrInline: stddwarf.AttrInline, AttrPrototyped: stddwarf.AttrPrototyped, AttrNoReturn: stddwarf.AttrNoreturn, AttrStmtList: stddwarf.AttrStmtList,
	AttrCompDir: stddwarf.AttrCompDir, AttrProducer: stddwarf.AttrProducer, attrStrOffsetsBase: stddwarf.AttrStrOffsetsBase,
	attrAddrBase: stddwarf.AttrAddrBase, attrRnglistsBase: stddwarf.AttrRnglistsBase,
}

func compareEntries(t *testing.T, d *Data, want *linearised, f *elfobj.File) {
	units, err := d.Units()
	if err != nil {
		t.Fatal(err)
	}
	r := want.Reader()
	var e Entry
	n := 0
	for _, u := range units {
		want.units = append(want.units, stddwarf.Offset(u.first))
		g := u.Reader()
		r.Seek(stddwarf.Offset(u.first))
		depth := 0
		for g.Next(&e) {
			n++
			w, err := r.Next()
			if err != nil || w == nil {
				t.Fatalf("%#x: debug/dwarf: %v %v", e.Offset, w, err)
			}
			if w.Tag != 0 && uint64(w.Offset) != e.Offset || uint32(w.Tag) != uint32(e.Tag) || w.Children != e.Children {
				t.Fatalf("%#x: tag %#x, children %v; want %v", e.Offset, e.Tag, e.Children, w)
			}
			if e.Tag == TagNull {
				if depth--; depth == 0 {
					break
				}
				continue
			}
			compareEntry(t, &e, w, want, f)
			if e.Children {
				depth++
			}
		}
		if g.Err() != nil {
			t.Fatal(g.Err())
		}
	}
	if n == 0 {
		t.Fatal("no entries")
	}
}

func compareEntry(t *testing.T, e *Entry, w *stddwarf.Entry, l *linearised, f *elfobj.File) {
	for a, sa := range stdAttrs {
		v := w.AttrField(sa)
		if (v != nil) != e.Has(a) {
			t.Fatalf("%#x: %v is %v, have it: %v", e.Offset, sa, v, e.Has(a))
		}
		if v == nil {
			continue
		}
		var same bool
		switch val := v.Val.(type) {
		case string:
			same = string(e.Text(a)) == val
		case bool:
			same = e.Flag(a) == val
		case stddwarf.Offset:
			got, ok := e.Ref(a)
			same = ok && got == uint64(val)
		case uint64:
			got, ok := e.Addr(a)
			same = ok && got == l.place(f, val) || v.Class == stddwarf.ClassRngList || v.Class == stddwarf.ClassLocList
		case []byte:
			got, _, ok := e.Block(a)
			same = ok && len(got) == len(val)
		case int64:
			switch v.Class {
			case stddwarf.ClassConstant:
				got, ok := e.Int(a)
				same = ok && got == val
			default:
				got, ok := e.offset(a)
				same = ok && got == uint64(val) || e.form[a] == formRnglistx || e.form[a] == formLoclistx
			}
		default:
			same = v.Class == stddwarf.ClassLocListPtr || v.Class == stddwarf.ClassRngList || v.Class == stddwarf.ClassRangeListPtr
		}
		if !same {
			t.Fatalf("%#x: %v: form %#x value %#x; want %v (%T, %v)", e.Offset, sa, e.form[a], e.value[a], v.Val, v.Val, v.Class)
		}
	}
	if w.Tag != stddwarf.TagSubprogram && w.Tag != stddwarf.TagInlinedSubroutine && w.Tag != stddwarf.TagLexDwarfBlock && w.Tag != stddwarf.TagCompileUnit {
		return
	}
	ranges, err := l.Ranges(w)
	if err != nil {
		t.Fatal(err)
	}
	var want []Range
	for _, r := range ranges {
		if r[0] < r[1] {
			want = append(want, Range{l.place(f, r[0]), r[1] - r[0]})
		}
	}
	got := e.AppendRanges(nil)
	if len(got) != len(want) {
		t.Fatalf("%#x: ranges %x, want %x", e.Offset, got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%#x: ranges %x, want %x", e.Offset, got, want)
		}
	}
}

func compareLines(t *testing.T, d *Data, l *linearised, f *elfobj.File) {
	lines, err := d.Lines()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, off := range l.units {
		r := l.Reader()
		r.Seek(off)
		u, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		lr, err := l.LineReader(u)
		if err != nil {
			t.Fatal(err)
		}
		if lr == nil {
			continue
		}
		var last, e stddwarf.LineEntry
		for {
			if err := lr.Next(&e); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			// a row holds from its address up to the next one
			if last.File != nil && !last.EndSequence && last.Address < e.Address {
				n++
				at := l.place(f, last.Address)
				for _, a := range []Addr{at, at.add(e.Address - last.Address - 1)} {
					got, ok := lines.At(a)
					if !ok || got.Line != last.Line || got.Base() != path.Base(last.File.Name) {
						t.Fatalf("%x: line %d of %s, %v; want %d of %s", a, got.Line, got.File(), ok, last.Line, last.File.Name)
					}
				}
			}
			if last.EndSequence {
				if got, ok := lines.At(l.place(f, last.Address)); ok && got.Line == 0 {
					t.Fatalf("%x: behind the end, line %d", last.Address, got.Line)
				}
			}
			last = e
		}
	}
	if n == 0 {
		t.Fatal("no lines")
	}
}

// compareCalls asks debug/dwarf for all inlined calls, and this package at both
// ends of each.
func compareCalls(t *testing.T, d *Data, l *linearised, f *elfobj.File) {
	type call struct {
		lo, hi uint64
		line   int64
		off    stddwarf.Offset
	}
	var all []call
	for _, off := range l.units {
		r := l.Reader()
		r.Seek(off)
		depth := 0
		for {
			e, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if e == nil {
				break
			}
			if e.Tag == 0 {
				if depth--; depth == 0 {
					break
				}
				continue
			}
			if e.Children {
				depth++
			}
			if e.Tag != stddwarf.TagInlinedSubroutine {
				continue
			}
			ranges, err := l.Ranges(e)
			if err != nil {
				t.Fatal(err)
			}
			line, _ := e.Val(stddwarf.AttrCallLine).(int64)
			for _, r := range ranges {
				if r[0] < r[1] {
					all = append(all, call{r[0], r[1], line, e.Offset})
				}
			}
		}
	}
	for _, c := range all {
		for _, addr := range []uint64{c.lo, c.hi - 1} {
			got, err := d.CallsAt(l.place(f, addr))
			if err != nil {
				t.Fatal(err)
			}
			want := map[stddwarf.Offset]int64{}
			for _, o := range all {
				if addr >= o.lo && addr < o.hi {
					want[o.off] = o.line
				}
			}
			if len(want) != len(got) {
				t.Fatalf("%#x: %v, want %v", addr, got, want)
			}
			for i, g := range got {
				if line, ok := want[stddwarf.Offset(g.Entry)]; !ok || line != int64(g.Line) {
					t.Fatalf("%#x: %v, want %v", addr, got, want)
				}
				if i > 0 && g.Entry > got[i-1].Entry {
					t.Fatalf("%#x: %v is not the innermost first", addr, got)
				}
			}
		}
	}
}
