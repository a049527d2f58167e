package reloc

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/reloc/image"
)

// TestConstants: what describes a type is found by the table of virtual functions that leads to it, and a constant that no code
// uses by its name; not where run has another content.
func TestConstants(t *testing.T) {
	testenv.Need(t, "gcc", "g++")
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	compile := func(path string, args ...string) string {
		out := path + ".o"
		if b, err := exec.Command("g++", append(args, "-c", "-o", out, path)...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		return out
	}
	const shape = `struct shape { virtual long area(long n) { return n; } virtual ~shape() {} };
extern "C" long measure(long n) { shape *s = new shape; long r = s->area(n); delete s; return r; }
extern const long limits[3]; const long limits[3] = {1, VALUE, 3};
extern const char *const names[2]; const char *const names[2] = {"one", "two"};
`
	main := compile(write("main.cc", "extern \"C\" long measure(long); extern const long limits[3]; int main() { return measure(limits[1]); }\n"))
	for _, c := range []struct {
		value string // of limits in run
		flags []string
		want  map[string]bool
	}{
		{"2", []string{"-Os", "-fPIC"}, map[string]bool{"_ZTV5shape": true, "_ZTI5shape": true, "limits": true, "names": true}},
		{"2", []string{"-O2"}, map[string]bool{"_ZTI5shape": true, "limits": true, "names": true}},
		{"5", []string{"-Os", "-fPIC"}, map[string]bool{"_ZTI5shape": true, "limits": false, "names": true}},
	} {
		src := write("shape.cc", shape)
		pre := compile(src, append(c.flags, "-DVALUE=2")...)
		run := compile(write("run.cc", shape), append(c.flags, "-DVALUE="+c.value)...)
		prog := filepath.Join(dir, "prog")
		if b, err := exec.Command("g++", "-o", prog, main, run).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, b)
		}
		o, err := object.Open(pre)
		if err != nil {
			t.Fatal(err)
		}
		img, err := image.OpenELF(prog)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Match(context.Background(), o, img, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range o.Atoms {
			a := &o.Atoms[i]
			if want, ok := c.want[a.Name]; ok && a.Kind == object.Const {
				if _, got := r.AtomAddr(a.ID); got != want {
					t.Errorf("%v, %s: %s located: %t", c.flags, c.value, a.Name, got)
				}
			}
		}
		img.Close()
		o.Close()
	}
}
