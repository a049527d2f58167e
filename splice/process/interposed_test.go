//go:build linux && amd64

package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/splice"
)

// TestInterposed changes a library of which the program has a function too: the library's calls lead to
// that, and those of new code would not.
func TestInterposed(t *testing.T) {
	testenv.Need(t, "gcc")
	const (
		helper = "__attribute__((noinline)) long helper(long n) { return n * 2; }\n"
		hidden = "__attribute__((noinline, visibility(\"hidden\"))) long helper(long n) { return n * 2; }\n"
		static = "__attribute__((noinline)) static long helper(long n) { return n * 2; }\n"
		calls  = "long entry(long n) { return helper(n) + 1; }\n"
		more   = "long entry(long n) { return helper(n) + 1000; }\n"
		none   = "long entry(long n) { return n + 1; }\n"
		own    = "long helper(long n) { return n * 55; }\n"
	)
	changed := strings.Replace(helper, "n * 2", "n * 3", 1)
	for _, c := range []struct {
		name, pre, post, program string
		refused                  bool
	}{
		{"both change", helper + calls, changed + more, own, true},
		{"a new call", helper + none, helper + more, own, true},
		{"a new function", none, helper + more, own, true},
		{"the call that was", helper + calls, helper + more, own, false},
		{"nobody else has it", helper + calls, changed + more, "", false},
		{"nobody else has the new one", none, helper + more, "", false},
		{"hidden", hidden + none, hidden + more, own, false},
		{"static", static + calls, static + more, own, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			build := func(name, text string, flags ...string) string {
				t.Helper()
				src, out := filepath.Join(dir, name+".c"), filepath.Join(dir, name)
				if err := os.WriteFile(src, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				if _, err := builds.gcc("interposed/"+c.name+name, append([]string{src}, flags...)...); err != nil {
					t.Fatal(err)
				}
				top, _ := builds.dir()
				if err := os.Rename(filepath.Join(top, "interposed", c.name+name), out); err != nil {
					t.Fatal(err)
				}
				return out
			}
			pre, post := build("pre.o", c.pre, "-O2", "-fPIC", "-c"), build("post.o", c.post, "-O2", "-fPIC", "-c")
			lib := build("libown.so", "", "-shared", pre)
			main := build("main", c.program+"#include <unistd.h>\nlong entry(long);\nint main(void) { char c = entry(1); write(1, \"x\\n\", 2); return read(0, &c, 1); }\n", lib, "-rdynamic", "-Wl,-rpath,"+dir)
			v := start(t, main)
			if line, err := v.out.ReadString('\n'); err != nil {
				t.Fatal(line, err)
			}
			u, err := updateFor(v.pid, pre, post)
			if c.refused {
				checkRefusal(t, err, splice.CodeInterposed)
			} else if err != nil {
				t.Error(err)
			} else {
				v.apply(u)
			}
		})
	}
}
