package dwarf

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// linkedSources are units that know some types and not others.
var linkedSources = map[string]string{
	"knows.c": `struct shared { long a; int b; };
		enum state { OFF, ON }; typedef struct { int x; } plain_t; union both { int i; float f; };
		enum { LIMIT = 7 };
		static const int constant = 3;
		int knows(struct shared *s, enum state e, plain_t *p, union both *u) { return s->b + e + p->x + u->i + LIMIT + constant; }
		int main(void) { return 0; }`,
	"declares.c": `struct shared; union both; enum state;
		int declares(struct shared *s, union both *u) { return s == (void *)u; }`,
	"other.c": `struct shared { char other; }; /* of another size */
		int other(struct shared *s) { return s->other; }`,
	"also.c": `struct shared { long a; int b; };
		struct holder { struct shared in; } held = { { 1, 2 } };`,
}

// TestUnitsWith searches linked programs for the units that know types.
func TestUnitsWith(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "gcc")
	for _, flags := range []string{"-gdwarf-5", "-gdwarf-4", "-gdwarf-5 -gz", "-gdwarf-5 -O2 -ffunction-sections -Wl,--emit-relocs", "-gdwarf-4 -Wl,-O2", "clang -gdwarf-5", "clang -gdwarf-4 -O1"} {
		t.Run(flags, func(t *testing.T) {
			f := linkSources(t, flags)
			defer f.Close()
			for _, c := range []struct {
				w    Wanted
				want string
			}{
				{Wanted{TagStructure, "shared", 16}, "also.c knows.c"},
				{Wanted{TagStructure, "shared", 0}, "also.c knows.c other.c"},
				{Wanted{TagStructure, "shared", 8}, ""},
				{Wanted{TagStructure, "hared", 0}, ""},
				{Wanted{TagStructure, "both", 0}, ""},
				{Wanted{TagUnion, "both", 0}, "knows.c"},
				{Wanted{TagEnumeration, "state", 0}, "knows.c"},
				{Wanted{TagTypedef, "plain_t", 0}, "knows.c"},
				{Wanted{TagStructure, "holder", 0}, "also.c"},
				{Wanted{TagEnumerator, "LIMIT", 0}, "knows.c"},
			} {
				if c.w.Tag == TagEnumerator && strings.HasPrefix(flags, "clang") {
					continue // clang leaves such enumerations out
				}
				if got := unitsWith(t, f, c.w); got != c.want {
					t.Errorf("%+v: %q, want %q", c.w, got, c.want)
				}
			}
		})
	}
}

// linkSources compiles and links linkedSources.
func linkSources(t *testing.T, flags string) *elfobj.File {
	t.Helper()
	compiler, args := "gcc", strings.Fields(flags)
	if args[0] == "clang" {
		testenv.Need(t, "clang-14")
		compiler, args = "clang-14", args[1:]
	}
	dir := t.TempDir()
	for _, name := range []string{"also.c", "declares.c", "knows.c", "other.c"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(linkedSources[name]), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	cmd := exec.Command(compiler, append(args, "-w", "-o", "program")...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", compiler, err, out)
	}
	f, err := elfobj.Open(filepath.Join(dir, "program"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// unitsWith names the units, and checks that the ranges of those with code lead back
// to them.
func unitsWith(t *testing.T, f *elfobj.File, w Wanted) string {
	t.Helper()
	var names []string
	err := NewLinked(f).UnitsWith(t.Context(), []Wanted{{Tag: TagStructure, Name: "nothing"}, w}, func(u *Unit, which []int) {
		if diff := cmp.Diff([]int{1}, which); diff != "" {
			t.Errorf("which: %s", diff)
		}
		root := u.Root()
		names = append(names, filepath.Base(root.Name()))
		if code := root.AppendRanges(nil); (len(code) > 0) != (root.Name() != "also.c") {
			t.Errorf("%s: ranges %v", root.Name(), code)
		}
	})
	if err != nil {
		t.Error(err)
	}
	return strings.Join(names, " ")
}

// TestEachUnitEnds ends by the context, and when it was told to.
func TestEachUnitEnds(t *testing.T) {
	testenv.Need(t, "gcc")
	f := linkSources(t, "-g")
	defer f.Close()
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := NewLinked(f).EachUnit(ctx, nil, func(*Unit) bool { n++; cancel(); return true })
	if !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("%d units, %v", n, err)
	}
	n = 0
	if err := NewLinked(f).EachUnit(t.Context(), nil, func(*Unit) bool { n++; return n < 2 }); err != nil || n != 2 {
		t.Errorf("%d units, %v", n, err)
	}
}

// FuzzUnitsWith searches arbitrary bytes.
func FuzzUnitsWith(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.o")
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "point", uint16(TagStructure))
	}
	f.Fuzz(func(t *testing.T, b []byte, name string, tag uint16) {
		file, err := elfobj.Parse(b)
		if err != nil {
			return
		}
		for _, d := range []*Data{New(file), NewLinked(file)} {
			_ = d.UnitsWith(t.Context(), []Wanted{{Tag: Tag(tag), Name: name}, {Tag: TagEnumerator, Name: name}}, func(u *Unit, _ []int) {
				root := u.Root()
				root.AppendRanges(nil)
			})
		}
	})
}
