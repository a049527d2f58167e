package corpus

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// write makes files in a new folder, and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func compileIn(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("gcc", args...)
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
}

func TestUnits(t *testing.T) {
	testenv.Need(t, "gcc")
	dir := write(t, map[string]string{"a.c": "int f(void); int main(void) { return f(); }", "b/c.c": "int f(void) { return 0; }"})
	for _, version := range []string{"-gdwarf-4", "-gdwarf-5"} {
		compileIn(t, dir, version, "-o", "prog", "a.c", "b/c.c")
		got, err := units(filepath.Join(dir, "prog"))
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"a.c", "b/c.c"}; !cmp.Equal(got, want) {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
	if _, err := units(filepath.Join(dir, "a.c")); err == nil {
		t.Error("a file that is no ELF was read")
	}
}

// TestReverse has nm say in which order the functions stand.
func TestReverse(t *testing.T) {
	testenv.Need(t, "gcc", "ld", "nm")
	dir := write(t, map[string]string{"a.c": "int a(void) { return 1; } int b(void) { return a() + 1; } int c(void) { return b() + a(); }"})
	compileIn(t, dir, "-O0", "-ffunction-sections", "-c", "a.c")
	out := filepath.Join(dir, "out.o")
	if err := reverse(context.Background(), filepath.Join(dir, "a.o"), out); err != nil {
		t.Fatal(err)
	}
	order := func(path string) []string {
		said, err := exec.Command("objdump", "-h", path).Output()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for word := range strings.FieldsSeq(string(said)) {
			if strings.HasPrefix(word, ".text.") {
				names = append(names, word)
			}
		}
		return names
	}
	pre, got := order(filepath.Join(dir, "a.o")), order(out)
	slices.Reverse(got)
	if len(pre) != 3 || !cmp.Equal(got, pre) {
		t.Errorf("sections %q, reversed %q", pre, got)
	}
}

func TestPairs(t *testing.T) {
	pre := write(t, map[string]string{"a.o": "", "d/b.o": "", "e.o": ""})
	post := write(t, map[string]string{"a.o": "", "d/b.o": ""})
	c := &Corpus{Files: []string{"a.c", "d/b.c", "e.c", "f.c"}}
	var got []string
	for p := range c.Pairs(pre, post) {
		got = append(got, p.Source)
	}
	if want := []string{"a.c", "d/b.c"}; !cmp.Equal(got, want) {
		t.Errorf("pairs %q, want %q", got, want)
	}
}

// TestHow keeps what is made otherwise apart.
func TestHow(t *testing.T) {
	for want, how := range map[string]How{
		"":          {Every: 1},
		"_gcc-10":   {CC: kbuild.Compiler{Command: "gcc-10", Buildroot: "bullseye"}},
		"_gcc-10_2": {CC: kbuild.Compiler{Command: "gcc-10"}, Every: 2},
		"_3":        {Every: 3},
	} {
		if got := how.suffix(); got != want {
			t.Errorf("%+v: %q, want %q", how, got, want)
		}
	}
	if got, want := each([]string{"a", "b", "c", "d", "e"}, 2), []string{"a", "c", "e"}; !cmp.Equal(got, want) {
		t.Errorf("each second %q, want %q", got, want)
	}
}
