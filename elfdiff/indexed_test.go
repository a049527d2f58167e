package elfdiff

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// indexedText has a function with an operation on data, and objects; the %s are
// an operation, a number that makes the function another one, a section, and its objects.
const indexedText = `
	.text
	.globl entry
	.type entry,@function
entry:	%s
	mov $%d, %%ecx
	ret
	.size entry,.-entry
	.section %s
%s`

// indexedObject returns the source of a local object of some numbers.
func indexedObject(name string, numbers ...int) string {
	list := strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", ","), "[]")
	return fmt.Sprintf("\t.type %s,@object\n%s: .quad %s\n\t.size %s,.-%s\n", name, name, list, name, name)
}

// TestIndexed: a place that a register is added to may be meant from any object of its
// section. Where these do not keep their distances, or travel, code that travels or is
// called the same is refused; and nothing else is.
func TestIndexed(t *testing.T) {
	testenv.Need(t, "gcc")
	a, z, more, one := indexedObject("a", 1, 2, 3, 4), indexedObject("z", 5, 6, 7), indexedObject("more", 8, 9), indexedObject("one", 1)
	const ro, rw = ".rodata", ".data"
	for _, c := range []struct {
		name, op, section string
		pre, post         string
		changed           bool // entry, by another number
		want              string
	}{
		{"the same", "mov z+8(,%rdi,8), %rax", rw, z + a, z + a, false, ""},
		{"the same, of code that changed", "mov z+8(,%rdi,8), %rax", rw, z + a, z + a, true, ""},
		{"a base alone, of code that changed", "mov z+8(%rdi), %rax", ro, z + a, z + a, true, ""},
		{"one object", "mov a-24(,%rdi,8), %rax", rw, a, a, true, ""},
		{"a new one in front", "mov a-16(,%rdi,8), %rax", rw, a + z, more + a + z, true, "entry"},
		{"a new one in front, a base", "mov a-16(%rdi), %rax", rw, a + z, more + a + z, true, "entry"},
		{"a new one in front, an address", "lea a-16(,%rdi,8), %rax", rw, a + z, more + a + z, true, "entry"},
		{"a new one in front, added", "add $a-16, %rax", rw, a + z, more + a + z, true, "entry"},
		{"a new one in front, added to another", "add $a-16, %rdi", rw, a + z, more + a + z, true, "entry"},
		{"a new one in front, stored to", "mov %rax, a-16(,%rdi,8)", rw, a + z, more + a + z, true, "entry"},
		{"a new one in front, and no register", "mov a+8, %eax", rw, a + z, more + a + z, true, ""},
		{"a new one in front, PC-relative", "mov a+8(%rip), %rax", rw, a + z, more + a + z, true, ""},
		{"a new one in front, code that stays", "mov a+8(,%rdi,8), %rax", rw, a + z, more + a + z, false, "entry"},
		{"one that is gone, code that stays", "mov a+8(,%rdi,8), %rax", rw, a + more + z, a + more, false, "entry"},
		{"another order, code that stays", "mov a+8(,%rdi,8), %rax", rw, a + z, z + a, false, "entry"},
		{"numbers of one word move, code that stays", "mov a+8(,%rdi,8), %rax", rw, one + a, a + one, false, ""},
		{"numbers of one word move, code that stays and may mean another", "mov one(,%rdi,8), %rax", rw, one + z + a, one + a + z, false, "entry"},
		{"numbers of one word move, of code that changed", "mov a+8(,%rdi,8), %rax", rw, one + a, a + one, true, "entry"},
		{"a new constant", "mov more-24(,%rdi,8), %rax", ro, z, more + z, true, "entry"},
		{"a new constant behind", "mov more-24(,%rdi,8), %rax", ro, z, z + more, true, "entry"},
		{"a new constant alone", "mov more-24(,%rdi,8), %rax", ro, "", more, true, ""},
		{"a changed constant in front", "mov a-24(,%rdi,8), %rax", ro, z + a, strings.Replace(z, "7", "8", 1) + a, false, "entry"},
		{"a changed constant behind", "mov a-8(,%rdi,8), %rax", ro, z + a, z + strings.Replace(a, "4", "5", 1), false, "entry"},
		{"a changed constant of one word", "mov one-16(,%rdi,8), %rax", ro, a + one + z, a + strings.Replace(one, "1", "2", 1) + z, false, "entry"},
		{"a changed constant alone", "mov a-24(,%rdi,8), %rax", ro, a, strings.Replace(a, "4", "5", 1), false, ""},
		{"the border of a changed constant", "lea a(%rip), %rdx\n mov -8(%rdx,%rdi,8),%rax", ro, z + a, strings.Replace(z, "7", "8", 1) + a, false, "entry"},
		{"the border of constants", "lea a(%rip), %rdx\n mov -8(%rdx,%rdi,8),%rax", ro, z + a, z + a, true, ""},
	} {
		dir, b := t.TempDir(), build{cc: "gcc"}
		post := 1
		if c.changed {
			post = 2
		}
		op := c.op
		if strings.Contains(op, "more") && !strings.Contains(c.pre, "more:") {
			op = "nop"
		}
		d := mustCompare(t, b.compile(t, filepath.Join(dir, "pre"), "unit.s", fmt.Sprintf(indexedText, op, 1, c.section, c.pre)),
			b.compile(t, filepath.Join(dir, "post"), "unit.s", fmt.Sprintf(indexedText, c.op, post, c.section, c.post)))
		var got []string
		for i := range d.Refusals {
			if d.Refusals[i].Code == CodeEdgeReference {
				got = append(got, d.Refusals[i].Symbol)
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %q is refused, want %q\n%s", c.name, s, c.want, report(d))
		}
	}
}
