package splice

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestTwice: objects of C++ have each a pointer for the unwinder, and may; variables of one name may not come twice.
func TestTwice(t *testing.T) {
	testenv.Need(t, "g++")
	dir := t.TempDir()
	object := func(name, text string) Object {
		src, out := filepath.Join(dir, name+".cc"), filepath.Join(dir, name+".o")
		if err := os.WriteFile(src, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if text, err := exec.Command("g++", "-O2", "-fPIE", "-c", "-o", out, src).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return Object{Name: name, ELF: b}
	}
	a, b := object("a", "void may(); int a() { try { may(); } catch (int n) { return n; } return 0; }\n"), object("b", "void may(); int b() { try { may(); } catch (int n) { return n; } return 0; }\n")
	if err := twice(&Update{Objects: []Object{a, b}}); err != nil {
		t.Error(err)
	}
	c, d := object("c", "int shared = 1;\n"), object("d", "int shared = 1;\n")
	if err := twice(&Update{Objects: []Object{c, d}}); !errors.Is(err, CodeDefined) {
		t.Error(err)
	}
}
