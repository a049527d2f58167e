package affected

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestAssembled: only an object that its debug information shows to be compiled is none of
// assembly.
func TestAssembled(t *testing.T) {
	testenv.Need(t, "gcc")
	for _, c := range []struct {
		file, text, flag string
		want             bool
	}{
		{"c.c", "int f(void) { return 1; }\n", "-g", false},
		{"s.S", ".text\n.globl f\n.type f,@function\nf:\tret\n.size f,.-f\n", "-g", true},
		{"bare.c", "int f(void) { return 1; }\n", "-g0", true},
	} {
		dir := t.TempDir()
		source, object := filepath.Join(dir, c.file), filepath.Join(dir, "x.o")
		if err := os.WriteFile(source, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "gcc", c.flag, "-c", source, "-o", object).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		o, err := elfdiff.Open(object)
		if err != nil {
			t.Fatal(err)
		}
		if got := assembled(o); got != c.want {
			t.Errorf("%s %s: %v", c.file, c.flag, got)
		}
	}
}
