package source

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestNarrow compares objects for 32 bits: lines are no difference, code and data are.
func TestNarrow(t *testing.T) {
	testenv.Need(t, "gcc")
	pre := narrowObject(t, "int n = 1; int f(void) { return n; }\n")
	if is, err := narrow(pre); err != nil || !is {
		t.Fatal(is, err)
	}
	for _, c := range []struct {
		name, text string
		same       bool
	}{
		{"itself", "int n = 1; int f(void) { return n; }\n", true},
		{"lines", "/* one\ntwo */\nint n = 1; int f(void) { return n; }\n", true},
		{"code", "int n = 1; int f(void) { return n + 1; }\n", false},
		{"data", "int n = 2; int f(void) { return n; }\n", false},
		{"another name", "int m = 1; int f(void) { return m; }\n", false},
		{"one more", "int n = 1; int f(void) { return n; } int more;\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if same, err := sameLoaded(pre, narrowObject(t, c.text)); err != nil || same != c.same {
				t.Errorf("%v, %v, want %v", same, err, c.same)
			}
		})
	}
}

func narrowObject(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.c"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "gcc", "-m32", "-g", "-O2", "-c", "a.c")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return filepath.Join(dir, "a.o")
}
