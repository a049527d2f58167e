package elfdiff

import (
	"bytes"
	"debug/dwarf"
	"debug/elf"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gosplice/gosplice/elfdiff/internal/typediff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// wantTypes is what Types has to say about testdata/types: a line for each
// change, in order, with the functions that use it. A "-" is before what does
// not matter.
var wantTypes = []string{
	"- layout struct renamed: old_name renamed to new_name [use n]",
	"- layout struct unused: size 4 -> 8; b added at +0x4 []",
	"- signature local: (result): int -> long [local, use_heap]",
	"constant LIMIT: LIMIT 16 -> 32 [use_state]",
	"enum enum state: PAUSED = 1 added; RUNNING 1 -> 2 [use_state s]",
	"layout nameless_t: b: int -> short [use_state t]",
	"layout struct either: hi moved from +0x6 to +0x4; lo moved from +0x4 to +0x6 [use_more e]",
	"layout struct far_away: size 4 -> 8; pad added at +0x0; value moved from +0x0 to +0x4 [signature b->far]",
	"layout struct flags: two moved from +0x0:1-3 to +0x0:1-4; three moved from +0x0:4-7 to +0x0:5-7 [use_more f]",
	"layout struct grown: added added at +0x4 [use g, use_more x->items, use_state o->inner]",
	"layout struct heap: size 16 -> 24 because of struct pile [use_heap h]",
	"layout struct moved: second moved from +0x4 to +0x0; first moved from +0x0 to +0x4 [use m]",
	"layout struct ops: open: int (*)(struct list *, int) -> int (*)(struct list *, long) [use_ops ops]",
	"layout struct pile: size 8 -> 16; more added at +0x8 [use_heap h->pile]",
	"layout struct retyped: n: u32 -> int [use r]",
	"layout struct table: size 56 -> 72; rows: int [4][3] -> int [4][4]; name moved from +0x30 to +0x40 [use_more t]",
	"layout union word: size 4 -> 8; bytes: unsigned char [4] -> unsigned char [8] [use_more w]",
	"signature outside: parameter 2: int -> long [use]",
	"signature signature: c added: long [signature]",
}

// typeReport prints changes in the form of wantTypes. The compilers name some
// types differently.
func typeReport(t *testing.T, d *Diff) []string {
	t.Helper()
	list, err := d.Types()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i := range list {
		c := &list[i]
		var uses []string
		for _, u := range c.Uses {
			uses = append(uses, strings.TrimSpace(u.Symbol+" "+u.Via))
		}
		slices.Sort(uses)
		s := string(c.Kind) + " " + c.String() + " [" + strings.Join(uses, ", ") + "]"
		if !c.Matters() {
			s = "- " + s
		}
		out = append(out, strings.NewReplacer("short int", "short", "long int", "long").Replace(s))
	}
	slices.Sort(out)
	return out
}

// TestTypes compares the checked-in objects of both compilers.
func TestTypes(t *testing.T) {
	for _, cc := range []string{"gcc", "clang"} {
		d := mustCompare(t, "testdata/types/"+cc+"-pre.o", "testdata/types/"+cc+"-post.o")
		if diff := cmp.Diff(wantTypes, typeReport(t, d)); diff != "" {
			t.Errorf("%s:\n%s", cc, diff)
		}
	}
}

// typesBuilds are ways of writing the same types.
var typesBuilds = []build{
	{"gcc", append([]string{"-O2", "-g"}, sectionFlags...)},
	{"gcc", append([]string{"-O1", "-gdwarf-4", "-gz"}, sectionFlags...)},
	{"clang-14", append([]string{"-O2", "-gdwarf-4"}, sectionFlags...)},
}

func readSource(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata/types", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestTypesBuilds compiles the sources again in several ways. What changed is
// the same; by which expression it is reached may be another.
func TestTypesBuilds(t *testing.T) {
	testenv.Need(t, "gcc")
	changes := func(list []string) (out []string) {
		for _, s := range list {
			s, _, _ = strings.Cut(strings.TrimPrefix(s, "- "), " [")
			if !strings.HasPrefix(s, "constant ") { // clang leaves enumerations out that no variable has
				out = append(out, s)
			}
		}
		slices.Sort(out)
		return out
	}
	for _, b := range typesBuilds {
		t.Run(b.String(), func(t *testing.T) {
			testenv.Need(t, b.cc)
			dir := t.TempDir()
			d := mustCompare(t,
				b.compile(t, filepath.Join(dir, "pre"), "unit.c", readSource(t, "pre.c")),
				b.compile(t, filepath.Join(dir, "post"), "unit.c", readSource(t, "post.c")))
			want := slices.DeleteFunc(slices.Clone(wantTypes), func(s string) bool {
				return strings.HasPrefix(s, "signature outside:") && !declares(t, filepath.Join(dir, "pre", "unit.o"), "outside")
			})
			if diff := cmp.Diff(changes(want), changes(typeReport(t, d))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// debugOf reads the debug information of an object.
func debugOf(t *testing.T, path string) *dwarf.Data {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := f.DWARF()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// declares reports whether the debug information has the parameters of a function of
// another file: gcc writes them since version 11.
func declares(t *testing.T, path, name string) bool {
	t.Helper()
	for r := debugOf(t, path).Reader(); ; {
		e, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e == nil {
			return false
		}
		if e.Tag == dwarf.TagSubprogram && e.Val(dwarf.AttrName) == name && e.Children {
			return true
		}
	}
}

// allTypes compares all types of two objects, whether code changed or not.
func allTypes(t testing.TB, pre, post *object.Object) []typediff.Found {
	t.Helper()
	d := &Diff{Pre: pre, Post: post}
	c, err := d.typedPair().Comparer()
	if err != nil {
		t.Fatal(err)
	}
	return typediff.Changes(c)
}

// TestTypesSame compares objects whose types are the same: with themselves, as
// the other compiler has them, moved by some lines, and with others in between.
func TestTypesSame(t *testing.T) {
	testenv.Serial(t)
	for _, path := range []string{"testdata/types/gcc-pre.o", "testdata/types/clang-pre.o", "testdata/objects/debug.o"} {
		if list := allTypes(t, mustOpen(t, path), mustOpen(t, path)); len(list) > 0 {
			t.Errorf("%s and itself: %v", path, &list[0])
		}
	}
	if list := allTypes(t, mustOpen(t, "testdata/types/gcc-pre.o"), mustOpen(t, "testdata/types/clang-pre.o")); len(list) > 0 {
		t.Errorf("gcc and clang: %v", &list[0])
	}
	testenv.Need(t, "gcc")
	src := readSource(t, "pre.c")
	for _, b := range typesBuilds {
		t.Run(b.String(), func(t *testing.T) {
			testenv.Need(t, b.cc)
			dir := t.TempDir()
			pre := mustOpen(t, b.compile(t, filepath.Join(dir, "pre"), "unit.c", src))
			for name, text := range map[string]string{
				"blank":  blank + src,
				"more":   "struct one_more { long x; char name_that_is_new[3]; };\nstruct one_more *get(void) { return 0; }\n" + src,
				"behind": src + "\nunion one_more { long x; struct grown *y; };\nint get(union one_more *z) { return z->y->a; }\n",
			} {
				post := mustOpen(t, b.compile(t, filepath.Join(dir, name), "unit.c", text))
				if list := allTypes(t, pre, post); len(list) > 0 {
					t.Errorf("%s: %v", name, &list[0])
				}
			}
		})
	}
}

// TestTypesJSON wants names of fields that tools can count on, and nothing where
// there is nothing.
func TestTypesJSON(t *testing.T) {
	d := mustCompare(t, "testdata/types/gcc-pre.o", "testdata/types/gcc-post.o")
	list, err := d.Types()
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"kind":"layout","name":"struct moved"`, `"what":"moved"`, `"because":"struct pile"`, `"symbol":"use_heap","via":"h"`,
		`{"name":"two","type":"unsigned int","offset":0,"bit":1,"bits":3}`,
	} {
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("%s is not in %s", want, b)
		}
	}
}

// TestNoTypes wants an error that can be told from others, and none when there
// is nothing to compare.
func TestNoTypes(t *testing.T) {
	d := mustCompare(t, "testdata/objects/pre.o", "testdata/objects/post.o")
	if list, err := d.Types(); !errors.Is(err, types.ErrNoTypes) || list != nil {
		t.Errorf("without debug information: %v, %v", list, err)
	}
	d = mustCompare(t, "testdata/objects/pre.o", "testdata/objects/pre.o")
	if list, err := d.Types(); err != nil || list != nil {
		t.Errorf("nothing changed: %v, %v", list, err)
	}
}

// BenchmarkTypes compares the types of a pair, with reading the debug
// information.
func BenchmarkTypes(b *testing.B) {
	paths := []string{"testdata/types/gcc-pre.o", "testdata/types/gcc-post.o"}
	if p, q := testenv.Value(testenv.Pre), testenv.Value(testenv.Post); p != "" && q != "" {
		paths = []string{p, q}
	}
	var d *Diff
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		d = mustCompare(b, paths[0], paths[1])
		b.StartTimer()
		if _, err := d.Types(); err != nil {
			b.Fatal(err)
		}
	}
}

// TestTypePrivate tells types that only changed functions use from those that
// others use, or that stay in memory.
func TestTypePrivate(t *testing.T) {
	testenv.Need(t, "gcc")
	const source = `
struct context { int a; FIELD int b; };
struct kept { int a; FIELD int b; };
struct shared { int a; FIELD int b; };
static struct kept *list;
int other(struct shared *s) { return s->a; }
static __attribute__((noinline)) int help(struct context *c) { return c->b + NUMBER; }
int f(struct shared *s) { struct context c = { 1 }; asm volatile("" : : "r"(&c) : "memory"); return help(&c) + list->b + s->b + NUMBER; }
`
	for _, b := range typesBuilds {
		t.Run(b.String(), func(t *testing.T) {
			testenv.Need(t, b.cc)
			dir := t.TempDir()
			d := mustCompare(t,
				b.compile(t, filepath.Join(dir, "pre"), "unit.c", strings.NewReplacer("FIELD", "", "NUMBER", "1000").Replace(source)),
				b.compile(t, filepath.Join(dir, "post"), "unit.c", strings.NewReplacer("FIELD", "long c;", "NUMBER", "2000").Replace(source)))
			list, err := d.Types()
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{}
			for i := range list {
				got[list[i].Name] = list[i].Private
			}
			if diff := cmp.Diff(map[string]bool{"struct context": true, "struct kept": false, "struct shared": false}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
