//go:build linux && amd64

package process

import (
	"cmp"
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice"
)

// throwCases are programs of testdata/throw. Where an exception may pass through
// the new code, the program's unwinder is led to it; where that can't be, it is
// refused before anything is touched.
var throwCases = []struct {
	name   string
	step   string // flags of the file that is patched
	main   string // source and flags of the rest
	link   string
	shared bool // what is patched is a library
	want   splice.Code
	ask    string // as in patch, when it is applied; with nothing applied it is "before"
	before string
	after  string // it is reverted, when that is not as before
}{
	{name: "C++", step: "-x c++", main: "main.cc", link: "-lstdc++", before: "3:106|2:-1", ask: "3:506|2:-1"},
	{name: "C in C++", main: "main.cc", link: "-lstdc++", before: "3:106|2:-1", ask: "3:506|2:-1"},
	{name: "through a pointer", step: "-DPOINTER", main: "main.cc", link: "-lstdc++", before: "3:106|2:-1", ask: "3:506|2:-1"},
	{name: "at -O0", step: "-x c++ -O0 -fPIC", main: "main.cc", link: "-lstdc++", before: "3:106|2:-1", ask: "3:506|2:-1"},
	{name: "static C++", step: "-x c++", main: "main.cc", link: "-static -lstdc++", before: "3:106|2:-1", ask: "3:506|2:-1"},
	{name: "a C library", step: "-fPIC", main: "main.cc", link: "-lstdc++ -rdynamic", shared: true, before: "3:106|2:-1", ask: "3:506|2:-1"},
	{name: "a library catches", step: "-x c++", main: "main.cc -DFRAMEWORK", link: "-lstdc++", before: "3:106|2:-1", ask: "3:506|2:-1"},
	{name: "calls nothing", step: "-x c++ -DLEAF", main: "main.cc", link: "-lstdc++", before: "3:109|2:106", ask: "3:509|2:506"},
	{name: "only jumps", step: "-x c++ -DTAIL", main: "main.cc", link: "-lstdc++", before: "3:206|2:-1", ask: "3:1006|2:-1"},
	{name: "calls the C library", step: "-x c++ -DLIBC", main: "main.cc", link: "-lstdc++", before: "3:103", ask: "3:503"},
	{name: "nobody catches", step: "-x c++", main: "main.cc -DQUIET", link: "-lstdc++", before: "3:106|2:104", ask: "3:506|2:504"},
	{name: "C with a C++ library", main: "main.c", link: "-Wl,--no-as-needed -lstdc++", before: "3:106", ask: "3:506"},
	{name: "static C", main: "main.c", link: "-static", before: "3:106", ask: "3:506"},
	{name: "static, with musl", step: "-DLEAF " + muslSpecs, main: "main.c " + muslSpecs, link: "-static", before: "3:109", ask: "3:509"},
	{name: "static and position independent", step: "-fPIE -DLEAF", main: "main.c -fPIE", link: "-static-pie", before: "3:109", ask: "3:509"},
	{name: "cancelled", main: "main.c -DCANCEL", link: "-pthread", before: "3:106|0:0", ask: "3:506|0:0"},
	{name: "cancelled with cleanups", step: "-fexceptions", main: "main.c -DCANCEL -fexceptions", link: "-pthread", before: "3:106|0:1", ask: "3:506|0:2", after: "3:106|0:3"},
	{name: "static and stripped", step: "-x c++", main: "main.cc", link: "-static -s -lstdc++", want: splice.CodeUnwinding, before: "3:106|2:-1"},
}

// muslSpecs are what musl-gcc gives gcc.
const muslSpecs = "-specs=/usr/lib/x86_64-linux-musl/musl-gcc.specs"

func TestExceptions(t *testing.T) {
	testenv.Need(t, "gcc", "g++")
	for i, c := range throwCases {
		if testing.Short() && i%4 != 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(c.main, muslSpecs) {
				testenv.Need(t, "musl-gcc")
			}
			dir := "throw-" + strings.ReplaceAll(c.name, " ", "-")
			b := throwProgram(t, dir, c.step, c.main, c.link, c.shared)
			v := start(t, b.program)
			v.expect("before", c.before)
			u := v.update(b)
			for _, dry := range []bool{true, false} {
				_, err := Apply(context.Background(), v.pid, u, Options{DryRun: dry})
				if c.want != "" {
					checkRefusal(t, err, c.want)
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if c.want != "" {
				v.expect("refused", c.before)
				return
			}
			v.expect("applied", c.ask)
			v.revert()
			v.expect("reverted", cmp.Or(c.after, c.before))
		})
	}
}

// throwProgram builds a program of testdata/throw.
func throwProgram(t testing.TB, dir, step, main, link string, shared bool) built {
	t.Helper()
	must := func(out string, args ...string) string {
		t.Helper()
		path, err := builds.gcc(dir+"/"+out, args...)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	source := filepath.Join("testdata", "throw", "step.c")
	flags := append([]string{"-O2"}, strings.Fields(step)...)
	b := built{pre: must("step.o", append(flags, "-c", source)...), post: must("post.o", append(flags, "-DPATCHED", "-c", source)...)}
	mainSource, mainFlags, _ := strings.Cut(main, " ")
	args := append(strings.Fields("-O2 "+mainFlags), filepath.Join("testdata", "throw", mainSource))
	if strings.Contains(main, "FRAMEWORK") {
		lib := must("libframework.so", "-shared", "-fPIC", "-O2", filepath.Join("testdata", "throw", "framework.cc"))
		args = append(args, lib, "-Wl,-rpath,"+filepath.Dir(lib))
	}
	if shared {
		lib := must("libstep.so", "-shared", b.pre)
		args = append(args, lib, "-Wl,-rpath,"+filepath.Dir(lib))
	} else {
		args = append(args, b.pre)
	}
	b.program = must("program", append(args, strings.Fields(link)...)...)
	return b
}

// TestVouched applies what nothing throws through, because the caller says so.
func TestVouched(t *testing.T) {
	testenv.Need(t, "gcc", "g++")
	b := throwProgram(t, "throw-vouched", "-x c++", "main.cc", "-lstdc++", false)
	v := start(t, b.program)
	v.expect("before", "3:106")
	if _, err := Apply(context.Background(), v.pid, v.update(b), Options{NoExceptions: true}); err != nil {
		t.Fatal(err)
	}
	v.expect("applied", "3:506|5:510")
	v.revert()
	v.expect("reverted", "3:106|2:-1")
}

// TestExceptionTable finds functions that handle exceptions when they are compared,
// whatever differs in them.
func TestExceptionTable(t *testing.T) {
	testenv.Need(t, "g++")
	dir := t.TempDir()
	compile := func(name string, flags ...string) *object.Object {
		out := filepath.Join(dir, name)
		args := append(flags, "-O2", "-c", filepath.Join("testdata", "throw", "table.cc"), "-o", out)
		if text, err := exec.Command("g++", args...).CombinedOutput(); err != nil {
			t.Fatalf("g++: %v\n%s", err, text)
		}
		o, err := elfdiff.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	pre := compile("pre.o")
	for _, flag := range []string{"-DCODE", "-DTYPE", "-DCLEANUP"} {
		d, err := elfdiff.Compare(pre, compile("post.o", flag), elfdiff.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Refusals) != 0 || !slices.ContainsFunc(d.Findings, func(f elfdiff.Finding) bool { return f.Code == elfdiff.CodeException && f.Symbol == "guarded" }) {
			t.Errorf("%s: %v, %v", flag, d.Refusals, d.Findings)
		}
	}
}
