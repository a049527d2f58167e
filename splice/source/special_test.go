package source

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/ktree"
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

// TestOver: what changes in code that has run before the kernel does is ignored, and said.
func TestOver(t *testing.T) {
	testenv.Need(t, "gcc")
	var sides [2]*object.Object
	for i, text := range []string{"int f(int a) { return a; }\n", "int f(int a) { return a + 1; }\n"} {
		var err error
		if sides[i], err = elfdiff.Open(objectOf(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	diff, err := elfdiff.Compare(sides[0], sides[1], elfdiff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		object, special string
		over            bool
	}{
		{"drivers/firmware/efi/libstub/tpm.o", "the EFI stub", true},
		{"arch/x86/realmode/rm/reboot.o", "the code for real mode", false},
		{"drivers/firmware/efi/tpm.o", "", false},
	} {
		u := &ktree.Unit{Object: c.object, Special: c.special}
		x := compared{compiled: &compiled{planned: &planned{pre: u, post: u}}, diff: diff, result: NewObjectResult(u.Object, "")}
		x.tell()
		if x.matters() == c.over || (x.result.Outcome == elfdiff.OutcomeIgnored) != c.over {
			t.Errorf("%s: matters %v, outcome %s", c.object, x.matters(), x.result.Outcome)
		}
		if c.over && (len(x.result.Findings) != 1 || len(x.result.Changes) == 0) {
			t.Errorf("%s: %+v", c.object, x.result)
		}
	}
}

func objectOf(t *testing.T, text string) string { return compileFor(t, text, "-m64") }

func narrowObject(t *testing.T, text string) string { return compileFor(t, text, "-m32") }

func compileFor(t *testing.T, text, width string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.c"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "gcc", width, "-g", "-O2", "-c", "a.c")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return filepath.Join(dir, "a.o")
}
