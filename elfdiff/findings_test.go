package elfdiff_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestMissing compares objects of which at least one has nothing to compare.
func TestMissing(t *testing.T) {
	testenv.Need(t, "gcc", "strip")
	const code, other, data = "int f(int x) { return x * 3; }", "int f(int x) { return x * 5; }", "int table[3] = { 1, 2, 3 };"
	for _, c := range []struct {
		name      string
		pre, post string
		flags     [2]string
		strip     bool
		code      elfdiff.Code // "" when it can be compared
		outcome   elfdiff.Outcome
	}{
		{"intermediate code", code, other, [2]string{"-flto", "-flto"}, false, elfdiff.CodeIntermediate, elfdiff.OutcomeRefused},
		{"one with intermediate code", code, other, [2]string{"-O2", "-flto"}, false, elfdiff.CodeIntermediate, elfdiff.OutcomeRefused},
		{"intermediate and machine code", code, other, [2]string{"-ffat-lto-objects", "-ffat-lto-objects"}, false, "", elfdiff.OutcomeCarried},
		{"stripped", code, other, [2]string{"-O2", "-O2"}, true, elfdiff.CodeNoSymbols, elfdiff.OutcomeRefused},
		{"stripped data", data, data, [2]string{"-O2", "-O2"}, true, elfdiff.CodeNoSymbols, elfdiff.OutcomeRefused},
		{"empty", "", "", [2]string{"-O2", "-O2"}, false, elfdiff.CodeNoCode, elfdiff.OutcomeRefused},
		{"code and none", code, data, [2]string{"-O2", "-O2"}, false, elfdiff.CodeNoCode, elfdiff.OutcomeRefused},
		{"none and code", data, code, [2]string{"-O2", "-O2"}, false, elfdiff.CodeNoCode, elfdiff.OutcomeRefused},
		{"data", data, data, [2]string{"-O2", "-O2"}, false, "", elfdiff.OutcomeSame},
		{"common data", "int x;", "int x;", [2]string{"-fcommon", "-fcommon"}, false, "", elfdiff.OutcomeSame},
	} {
		t.Run(c.name, func(t *testing.T) {
			var o [2]*object.Object
			for i, text := range []string{c.pre, c.post} {
				flags := []string{"gcc", c.flags[i]}
				if c.flags[i] == "-ffat-lto-objects" {
					flags = append(flags, "-flto")
				}
				b := compileText(t, flags, text)
				if c.strip {
					b = stripped(t, b)
				}
				var err error
				if o[i], err = elfdiff.NewObject(bytes.NewReader(b)); err != nil {
					t.Fatal(err)
				}
			}
			d, err := elfdiff.Compare(o[0], o[1], elfdiff.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if d.Outcome() != c.outcome || c.code != "" && d.Refusals[0].Code != c.code {
				t.Errorf("%v, %v; want %v, %v", d.Outcome(), d.Refusals, c.outcome, c.code)
			}
			if _, err := elfdiff.Extract(d); c.code != "" && !errors.Is(err, elfdiff.ErrRefused) {
				t.Errorf("extracted with %v", err)
			}
		})
	}
}

// stripped removes all symbols of an object.
func stripped(t *testing.T, b []byte) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.o")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("strip", "-s", path).CombinedOutput(); err != nil {
		t.Fatalf("strip: %v\n%s", err, out)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
