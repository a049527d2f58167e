package reloc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/reloc/image"
)

// family is a file like two others: the same code, about other variables.
const family = `
int TAG_table[8];
int TAG_add(int i, int x) { if (TAG_table[i & 7]) return -1; TAG_table[i & 7] = x; return 0; }
int TAG_del(int i) { int x = TAG_table[i & 7]; TAG_table[i & 7] = 0; return x; }
`

// tiny is a file with a start function of a few bytes, as every third one has.
const tiny = `
extern int level;
__attribute__((noinline)) int TAG_work(int x) { return x * MUL + level; }
static int start(void) { return 0; }
__attribute__((section(".init.text"))) int TAG_init(void) { return 1; }
`

// plain is a file with a start function that is like no other.
const plain = `
int plain_work(int x) { return x * 2357 - 11; }
__attribute__((section(".init.text"))) int plain_init(int x) { return x / 1237 + (x & 0x1234567); }
`

// caller is a file that says where functions of the others are.
const caller = `
int a_add(int, int), b_add(int, int), c_add(int, int), a_del(int), b_del(int);
int level = 3;
int main_all(int x)
{
	return a_add(x, 1) * 3 + b_add(x, 2) * 5 + c_add(x, 3) * 7 + a_del(x) + b_del(x) * 11;
}
`

// setObjects compiles the files of a little kernel and links them.
func setObjects(t *testing.T) (objects []string, img *image.Image) {
	t.Helper()
	testenv.Need(t, "gcc")
	dir := t.TempDir()
	tag := func(name, tag, code string, args ...string) {
		code = strings.ReplaceAll(code, "TAG", tag)
		objects = append(objects, kernelSource(t, filepath.Join(dir, name), code, args...))
	}
	tag("plain.c", "", plain)
	tag("a.c", "a", family)
	tag("x.c", "x", tiny, "-DMUL=37")
	tag("b.c", "b", family)
	tag("y.c", "y", tiny, "-DMUL=41")
	tag("main.c", "", caller)
	tag("c.c", "c", family)
	tag("z.c", "z", tiny, "-DMUL=43")
	return objects, mustImage(t, linkKernel(t, dir, objects...))
}

// opener opens objects by their places in a list.
func opener(paths []string) func(int) (*object.Object, error) {
	return func(i int) (*object.Object, error) { return elfdiff.Open(paths[i]) }
}

// verdictsOf returns a line for each function of a set, in order.
func verdictsOf(s *Set) []string {
	var out []string
	for _, r := range s.Results {
		for i := range r.Functions {
			f := &r.Functions[i]
			out = append(out, fmt.Sprintf("%s %v %#x", f.Name, f.Verdict, f.Address))
		}
	}
	slices.Sort(out)
	return out
}

// TestSet matches files that look like each other, without symbols. One by one most
// are ambiguous; as a set all are found, where the linker's symbols have them, and
// in whatever order they are given.
func TestSet(t *testing.T) {
	objects, img := setObjects(t)
	alone := 0
	for _, path := range objects {
		r := mustMatch(t, mustOpen(t, path), img, Options{NoSymbols: true})
		for i := range r.Functions {
			if r.Functions[i].Verdict == Ambiguous {
				alone++
			}
		}
	}
	if alone < 6 {
		t.Errorf("%d functions are ambiguous, one by one: this shows nothing", alone)
	}
	var first []string
	for _, reverse := range []bool{false, true} {
		if reverse {
			slices.Reverse(objects)
		}
		s, err := MatchAll(t.Context(), len(objects), opener(objects), img, Options{NoSymbols: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Conflicts) > 0 {
			t.Errorf("conflicts: %v", s.Conflicts)
		}
		for k, r := range s.Results {
			for i := range r.Functions {
				f := &r.Functions[i]
				want := img.Lookup(f.Name)
				if f.Verdict != Matched || len(want) != 1 || f.Address != want[0].Addr {
					t.Errorf("%s: %s: %v at %#x by %v, the linker has it at %+v", objects[k], f.Name, f.Verdict, f.Address, f.By, want)
				}
			}
			for _, v := range r.Symbols {
				if want := img.Lookup(v.Name); v.Has&UseAddress != 0 && len(want) == 1 && v.Address != want[0].Addr {
					t.Errorf("%s: %s is %#x, the linker made it %#x", objects[k], v.Name, v.Address, want[0].Addr)
				}
			}
		}
		if got := verdictsOf(s); first == nil {
			first = got
		} else if !slices.Equal(got, first) {
			t.Errorf("in another order of objects:\n%v\nis now\n%v", first, got)
		}
	}
}

// TestSetConflict has a call lead to another function that looks the same. No byte
// of its own object tells that it should not, and no symbol does, but where other
// objects say that function is.
func TestSetConflict(t *testing.T) {
	objects, img := setObjects(t)
	from, to := img.Lookup("a_add")[0].Addr, img.Lookup("b_add")[0].Addr
	pre := mustOpen(t, objects[5])
	main := mustMatch(t, pre, img, Options{}).Functions[0]
	for _, ref := range pre.Atom(main.Atom).Refs {
		if pre.Symbol(ref.Sym).Name != "a_add" {
			continue
		}
		at := main.Address + main.RunOffset(ref.Offset)
		var field [4]byte
		if err := img.ReadAddr(field[:], at); err != nil {
			t.Fatal(err)
		}
		was := binary.LittleEndian.Uint32(field[:])
		for i := range field {
			img = withFlip(img, at+uint64(i), byte(was>>(8*i))^byte((was+uint32(to-from))>>(8*i)))
		}
	}
	for _, opt := range []Options{{}, {NoSymbols: true}} {
		s, err := MatchAll(t.Context(), len(objects), opener(objects), img, opt)
		if err != nil {
			t.Fatal(err)
		}
		found := slices.ContainsFunc(s.Conflicts, func(c Conflict) bool { return c.Name == "a_add" && len(c.Claims) == 2 })
		for _, r := range s.Results {
			found = found || slices.ContainsFunc(r.Functions, func(f FuncResult) bool { return f.Verdict == Mismatch })
		}
		if !found {
			t.Errorf("search %v: not found: %v", opt.NoSymbols, verdictsOf(s))
		}
	}
}

// TestSetErrors ends with the error of what could not be opened.
func TestSetErrors(t *testing.T) {
	_, img := setObjects(t)
	broken := errors.New("broken")
	_, err := MatchAll(t.Context(), 3, func(int) (*object.Object, error) { return nil, broken }, img, Options{})
	if !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
	s, err := MatchAll(t.Context(), 0, nil, img, Options{})
	if err != nil || len(s.Results) != 0 {
		t.Errorf("no objects: %v, %v", s, err)
	}
}

// TestSetProgress tells of every object of every round once.
func TestSetProgress(t *testing.T) {
	objects, img := setObjects(t)
	var told []string
	opt := Options{NoSymbols: true, Progress: func(stage string, done, total int) {
		if done == 0 {
			told = append(told, stage)
		}
		if last := told[len(told)-1]; last != stage || done > total || len(told) == 1 && total != len(objects) {
			t.Errorf("%s: %d of %d, in %s", stage, done, total, last)
		}
	}}
	if _, err := MatchAll(t.Context(), len(objects), opener(objects), img, opt); err != nil {
		t.Fatal(err)
	}
	if len(told) < 2 || told[0] != "match" || told[1] != "match again" {
		t.Errorf("stages %v", told)
	}
}

// TestSamples searches for functions by the samples of a file and by a pass over
// its text: what is found is the same.
func TestSearchBySamples(t *testing.T) {
	testenv.Need(t, "gcc")
	b := build(t, config{opt: "-O2", link: "pie"}, victims...)
	img := mustImage(t, b.stripped)
	passes := img.WithMemory(img)
	for _, path := range b.objects {
		pre := mustOpen(t, path)
		var found [2][]string
		for k, img := range []*image.Image{img, passes} {
			for _, f := range mustMatch(t, pre, img, Options{NoSymbols: true}).Functions {
				found[k] = append(found[k], fmt.Sprintf("%s %v %#x %#x", f.Name, f.Verdict, f.Address, f.Candidates))
			}
		}
		if !slices.Equal(found[0], found[1]) {
			t.Errorf("%s: by samples\n%v\nby passes\n%v", path, found[0], found[1])
		}
	}
}
