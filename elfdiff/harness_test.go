package elfdiff

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// A fixture is a text file of several parts, each headed by "-- NAME --": the
// sources of pre and post, and what Compare has to say about them.
type fixture struct {
	name  string
	parts map[string]string
}

func readFixture(t testing.TB, path string) fixture {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := fixture{name: strings.TrimSuffix(filepath.Base(path), ".txt"), parts: map[string]string{}}
	part := ""
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(name, " --\n") {
			part = strings.TrimSuffix(name, " --\n")
			continue
		}
		f.parts[part] += line
	}
	return f
}

func readFixtures(t testing.TB) []fixture {
	t.Helper()
	paths, err := filepath.Glob("testdata/cases/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no test cases: %v", err)
	}
	var list []fixture
	for _, p := range paths {
		list = append(list, readFixture(t, p))
	}
	return list
}

// source returns the name and text of pre or post; .c, .cc or .s.
func (f fixture) source(t testing.TB, side string) (name, text string) {
	t.Helper()
	for _, ext := range []string{".c", ".cc", ".s"} {
		if text, ok := f.parts[side+ext]; ok {
			return side + ext, text
		}
	}
	t.Fatalf("%s: no source of %s", f.name, side)
	return "", ""
}

// build is a compiler with options.
type build struct {
	cc    string // gcc or clang-14, whatever stands for it
	flags []string
}

func (b build) String() string { return b.cc + strings.Join(b.flags, "") }

// has reports whether the build has a flag; "sections" stands for
// -ffunction-sections, "O0" for -O0 and "gcc" for the compiler.
func (b build) has(what string) bool {
	if neg, ok := strings.CutPrefix(what, "!"); ok {
		return !b.has(neg)
	}
	if what == "sections" {
		what = "ffunction-sections"
	}
	return strings.TrimSuffix(b.cc, "-14") == what || slices.Contains(b.flags, "-"+what)
}

var sectionFlags = []string{"-ffunction-sections", "-fdata-sections"}

// builds returns the matrix of compilers and options: a selection in which each pair
// of options occurs, or all when [testenv.Long] is asked for.
func builds() []build {
	var all []build
	for _, cc := range []string{"gcc", "clang-14"} {
		if _, err := exec.LookPath(testenv.StandIn(cc)); err != nil {
			continue
		}
		n := 0
		for _, sections := range [][]string{sectionFlags, {"-fno-function-sections"}} {
			for _, opt := range []string{"-O2", "-O0", "-Os", "-O1", "-O3"} {
				for _, cf := range []string{"-fcf-protection=none", "-fcf-protection=full"} {
					for _, pic := range []string{"-fPIC", "-fno-pic"} {
						for _, g := range []string{"-g0", "-g"} {
							if n++; !testenv.Asked(testenv.Long) && !selected(n, cc) {
								continue
							}
							all = append(all, build{cc, append([]string{opt, cf, pic, g}, sections...)})
						}
					}
				}
			}
		}
	}
	return all
}

// selected picks every fourteenth of the 80 combinations, so that each option
// occurs with and without the others, and fewer with the second compiler or in
// a short run.
func selected(n int, cc string) bool {
	if cc == "gcc" && !testing.Short() {
		return n%14 == 1
	}
	return n%41 == 4
}

// compile builds one source. name is what the compiler sees, and what it puts
// into the object.
func (b build) compile(t testing.TB, dir, name, text string) string {
	t.Helper()
	src, obj := filepath.Join(dir, name), filepath.Join(dir, strings.TrimSuffix(name, filepath.Ext(name))+".o")
	if err := os.MkdirAll(filepath.Dir(src), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(src, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	cc := testenv.StandIn(b.cc)
	if strings.HasSuffix(name, ".cc") {
		cc = filepath.Join(filepath.Dir(cc), strings.NewReplacer("gcc", "g++", "clang", "clang++").Replace(filepath.Base(cc)))
		testenv.Need(t, cc)
	}
	args := append(slices.Clone(b.flags), "-w", "-c", filepath.Base(name), "-o", obj)
	cmd := exec.Command(cc, args...)
	cmd.Dir = filepath.Dir(src)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", cc, args, err, out)
	}
	return obj
}

func mustOpen(t testing.TB, path string) *object.Object {
	t.Helper()
	o, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func mustCompare(t testing.TB, pre, post string) *Diff {
	t.Helper()
	d, err := Compare(mustOpen(t, pre), mustOpen(t, post), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// report prints all that is not the same.
func report(d *Diff) string {
	var b strings.Builder
	for _, list := range [][]verdict.Change{d.Functions, d.Data} {
		for i := range list {
			if ch := &list[i]; ch.Status != verdict.Same {
				fmt.Fprintf(&b, "  %s %s %s (%s) %v\n", ch.Status, ch.Kind, ch.Name, ch.Rule, ch.Reasons)
			}
		}
	}
	for _, f := range d.Findings {
		fmt.Fprintf(&b, "  finding %s\n", f)
	}
	for _, f := range d.Refusals {
		fmt.Fprintf(&b, "  refusal %s\n", f)
	}
	return b.String()
}

// run runs a tool and returns what it prints.
func run(t testing.TB, tool string, args ...string) string {
	t.Helper()
	testenv.Need(t, tool)
	var stderr bytes.Buffer
	cmd := exec.Command(tool, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", tool, args, err, stderr.Bytes())
	}
	return string(out)
}
