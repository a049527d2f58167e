package elfdiff

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// blank is what moves every line of a source.
const blank = "\n\n\n\n\n\n\n"

// unused is a function that nothing refers to, and the compiler keeps.
const unused = "static __attribute__((used, noinline)) int unused_fn(int x) { static int n; return x * 3 + n++; }\n"

// TestMetamorphic compares objects whose sources say the same in another way:
// Compare has to find nothing, or exactly what was added.
func TestMetamorphic(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "gcc")
	sources := metamorphicSources(t)
	for n, name := range slices.Sorted(maps.Keys(sources)) {
		src := sources[name]
		var list []build // each source with a third of the builds
		for i, b := range builds() {
			if testenv.Asked(testenv.Long) || (n+i)%3 == 0 {
				list = append(list, b)
			}
		}
		for _, b := range testenv.Sample(n/3, list) {
			t.Run(name+"/"+b.String(), func(t *testing.T) {
				t.Parallel()
				testMetamorphic(t, src, b)
			})
		}
	}
}

// metamorphicSources returns the C sources of all fixtures, and generated ones.
func metamorphicSources(t *testing.T) map[string]string {
	list := map[string]string{}
	for _, f := range readFixtures(t) {
		if src, ok := f.parts["post.c"]; ok && !strings.Contains(src, "__LINE__") {
			list[f.name] = src
		}
	}
	for seed := range uint64(6) {
		list[fmt.Sprintf("generated%d", seed)] = generate(seed, 12).text(nil)
	}
	return list
}

func testMetamorphic(t *testing.T, src string, b build) {
	dir := t.TempDir()
	asserts := strings.Contains(src, "assert(")
	pre := b.compile(t, filepath.Join(dir, "0"), "unit.c", src)
	same := func(name, text string) {
		post := b.compile(t, filepath.Join(dir, name), "unit.c", text)
		if d := mustCompare(t, pre, post); d.Changes() != 0 || len(d.Refusals) > 0 {
			t.Errorf("%s:\n%s", name, report(d))
		}
	}
	same("rebuilt", src)
	same("shifted", blank+src)
	if asserts && !b.has("g") { // lines of the function that was added move the others
		return
	}
	for name, text := range map[string]string{"first": unused + src, "last": src + unused} {
		post := b.compile(t, filepath.Join(dir, name), "unit.c", text)
		d := mustCompare(t, pre, post)
		got := slices.DeleteFunc(verdicts(d), func(s string) bool { return strings.HasPrefix(s, "finding ") || strings.HasPrefix(s, "new-data") })
		if !slices.Equal(got, []string{"new unused_fn"}) {
			t.Errorf("unused function %s:\n%s", name, report(d))
		}
	}
}

// TestReordered generates sources whose functions are in another order.
func TestReordered(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "gcc")
	for _, b := range builds() {
		t.Run(b.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for seed := range uint64(4) {
				p := generate(seed, 12)
				p.asserts = b.has("g")
				order := rand.New(rand.NewPCG(seed, 99)).Perm(len(p.functions))
				pre := b.compile(t, filepath.Join(dir, "pre"), "unit.c", p.text(nil))
				post := b.compile(t, filepath.Join(dir, "post"), "unit.c", p.text(order))
				if d := mustCompare(t, pre, post); d.Changes() != 0 || len(d.Refusals) > 0 {
					t.Errorf("seed %d:\n%s", seed, report(d))
				}
			}
		})
	}
}

// sameFile reports whether two objects are the same byte by byte.
func sameFile(t *testing.T, a, b string) bool {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(x, y)
}

// mutations returns how many programs are mutated for each build.
func mutations() int {
	if !testenv.Asked(testenv.Long) {
		return 3
	}
	return 10
}

// TestMutations changes one thing in one function of a generated source.
// Compare has to see it, and ld with objdump are asked about all others.
func TestMutations(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "gcc")
	for i, b := range builds() {
		t.Run(b.String(), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for seed := range uint64(mutations()) {
				p := generate(seed+uint64(i)*100, 10)
				p.asserts = b.has("g")
				pre := b.compile(t, filepath.Join(dir, "pre"), "unit.c", p.text(nil))
				name := p.mutate()
				post := b.compile(t, filepath.Join(dir, "post"), "unit.c", p.text(nil))
				d := mustCompare(t, pre, post)
				if !slices.Contains(verdicts(d), "changed "+name) && !sameFile(t, pre, post) { // dead code
					t.Errorf("seed %d: %s\n%s", seed, p.mutated, report(d))
				}
				checkOracle(t, d, pre, post)
				checkExtract(t, d, dir)
			}
		})
	}
}
