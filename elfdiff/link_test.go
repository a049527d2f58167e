package elfdiff

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/files"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

const linkMain = `
extern int printf(const char *, ...);
int log_calls;
void log_it(int x) { log_calls += x; }
int a(int x) { return x + 1; }
int b(int x) { return x * 2; }
int c(int x) { return x - 3; }
int f(int, int); // what takes one argument does not mind
int main(void) { for (int i = 0; i < 12; i++) printf("%d %d\n", f(i, 5), log_calls); return 0; }
`

// TestLinked lets ld put the extracted object in front of pre, whose own f is
// passed over, and runs the program: it has to behave as one made of post.
func TestLinked(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "gcc", "objcopy")
	// const_grown is not among them: gcc replaces its f by a table lookup
	for _, name := range []string{"constant", "new_call", "new_data", "new_string", "inlined", "switch", "static_local", "const_local", "statics_same_name", "func_name"} {
		for _, flags := range [][]string{{"-O2", "-ffunction-sections", "-fdata-sections"}, {"-O0"}, {"-Os", "-fPIC"}, {"-O1", "-fcf-protection=full"}} {
			t.Run(name+"/"+strings.Join(flags, ""), func(t *testing.T) {
				t.Parallel()
				b := build{cc: "gcc", flags: append(slices.Clone(flags), "-fno-inline")}
				if !slices.Contains(flags, "-fPIC") {
					b.flags = append(b.flags, "-fno-pic")
				}
				testLinked(t, readFixture(t, filepath.Join("testdata/cases", name+".txt")), b)
			})
		}
	}
}

func testLinked(t *testing.T, f fixture, b build) {
	dir := t.TempDir()
	pre := b.compile(t, filepath.Join(dir, "pre"), "unit.c", f.parts["pre.c"])
	post := b.compile(t, filepath.Join(dir, "post"), "unit.c", f.parts["post.c"])
	main := b.compile(t, dir, "main.c", linkMain)
	d := mustCompare(t, pre, post)
	x, err := Extract(d)
	if err != nil {
		t.Skip(err) // by design for some options
	}
	out, open := filepath.Join(dir, "out.o"), filepath.Join(dir, "open.o")
	if err := files.Write(out, x); err != nil {
		t.Fatal(err)
	}
	// the statics of pre become visible, as a splice target makes them
	args := []string{}
	for _, e := range x.Externals {
		if e.Pre != object.NoAtom {
			args = append(args, "--globalize-symbol="+e.Name)
		}
	}
	run(t, "objcopy", append(args, pre, open)...)
	want := runLinked(t, dir, main, post)
	got := runLinked(t, dir, main, out, open)
	if got != want {
		t.Errorf("patched:\n%s\npost:\n%s\n%s", got, want, report(d))
	}
}

func runLinked(t *testing.T, dir string, objs ...string) string {
	t.Helper()
	exe := filepath.Join(dir, "prog")
	os.Remove(exe)
	args := append([]string{"-no-pie", "-Wl,-z,muldefs", "-o", exe}, objs...)
	if msg, err := exec.Command(testenv.StandIn("gcc"), args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc %v: %v\n%s", args, err, msg)
	}
	msg, err := exec.Command(exe).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	return string(msg)
}
