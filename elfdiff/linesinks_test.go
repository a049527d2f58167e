package elfdiff_test

import (
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// warning calls NAME with a number in EDX, and traps at a place for which the bug
// table has another.
const warning = `
void user(void) {
	asm("mov $NUMBER,%edx\ncall CALLEE\n1: ud2\n.pushsection __bug_table,\"aw\"\n.long 1b - ., 2f - .\n.word LINE, 1\n.popsection\n"
	    ".pushsection .rodata.str1.1,\"aMS\",@progbits,1\n2: .asciz \"file.c\"\n.popsection");
}
void tail(void) { asm("mov $NUMBER,%edx\njmp CALLEE"); }
`

// TestLineWithoutDebug compares objects that have no debug information: a number is
// a line only when a table or the function that takes it says so.
func TestLineWithoutDebug(t *testing.T) {
	testenv.Need(t, "gcc")
	for _, c := range []struct {
		name, callee string
		number, line [2]string
		changed      string
	}{
		{"the bug table says it", "other", [2]string{"100", "107"}, [2]string{"100", "107"}, "tail"},
		{"the bug table says something else", "other", [2]string{"100", "107"}, [2]string{"90", "97"}, "user tail"},
		{"the bug table says it of one", "other", [2]string{"100", "107"}, [2]string{"100", "108"}, "user tail"},
		{"a known function", "__ext4_std_error", [2]string{"100", "107"}, [2]string{"1", "2"}, ""},
		{"another argument of it", "__might_sleep", [2]string{"100", "107"}, [2]string{"1", "2"}, "user tail"},
		{"only the table", "other", [2]string{"5", "5"}, [2]string{"100", "107"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			var o [2]*object.Object
			for i := range o {
				text := strings.NewReplacer("NUMBER", c.number[i], "LINE", c.line[i], "CALLEE", c.callee).Replace(warning)
				o[i] = compileKernel(t, dir, text, []string{"pre.o", "post.o"}[i])
			}
			d, err := elfdiff.Compare(o[0], o[1], elfdiff.Options{Tables: true})
			if err != nil {
				t.Fatal(err)
			}
			var changed []string
			for _, ch := range d.Functions {
				if ch.Status == verdict.Changed {
					changed = append(changed, ch.Name)
				}
			}
			if got := strings.Join(changed, " "); got != c.changed {
				t.Errorf("changed: %q, want %q", got, c.changed)
			}
		})
	}
}
