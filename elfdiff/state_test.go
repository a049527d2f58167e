package elfdiff

import (
	"path/filepath"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestStateHints: what is said to help is what the target can do: nothing of a program is overwritten or set, and a constant
// of another size nowhere.
func TestStateHints(t *testing.T) {
	testenv.Need(t, "gcc")
	b := build{cc: "gcc", flags: []string{"-O2", "-fdata-sections"}}
	const kernel, program = true, false
	for _, c := range []struct {
		name, pre, post string
		tables          bool
		code            Code
		hint            string
	}{
		{"a table of a program grows", "const int all[] = {1, 2};", "const int all[] = {1, 2, 3};", program, CodeConstShared, finding.HintNewConstant},
		{"a table of a program changes", "const int all[] = {1, 2};", "const int all[] = {1, 3};", program, CodeConstShared, finding.HintNewConstant},
		{"a table of a kernel grows", "const int all[] = {1, 2};", "const int all[] = {1, 2, 3};", kernel, CodeConstShared, finding.HintNewConstant},
		{"a table of a kernel changes", "const int all[] = {1, 2};", "const int all[] = {1, 3};", kernel, CodeConstShared, "keep its size, and have it overwritten where it is (Options.InPlace)"},
		{"a variable of a program", "int all[] = {1, 2};", "int all[] = {1, 3};", program, CodeDataChanged, finding.HintOwnFunction},
		{"a variable of a kernel", "int all[] = {1, 2};", "int all[] = {1, 3};", kernel, CodeDataChanged, "have members that still hold their old initial value set (Options.Initials); or " + finding.HintOwnFunction},
	} {
		t.Run(c.name, func(t *testing.T) {
			const user = "\nextern const int *kept; int f(int i) { kept = (const int *)all; return all[i]; }\n"
			dir := t.TempDir()
			object := func(side, text string) string { return b.compile(t, filepath.Join(dir, side), "unit.c", text+user) }
			d, err := Compare(mustOpen(t, object("pre", c.pre)), mustOpen(t, object("post", c.post)), Options{Tables: c.tables})
			if err != nil {
				t.Fatal(err)
			}
			for i := range d.Refusals {
				if f := &d.Refusals[i]; f.Code == c.code {
					if f.Hint != c.hint {
						t.Errorf("hint %q", f.Hint)
					}
					return
				}
			}
			t.Errorf("not %s: %v", c.code, d.Refusals)
		})
	}
}
