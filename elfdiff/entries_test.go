package elfdiff_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// tableSource has functions that tables of the kernel's describe, as the macros
// of Linux 6.1 make them.
const tableSource = `
extern int key[4];
extern void other(void);
#define ALT(n, code) asm volatile("1: nop; nop; nop\n2:\n.pushsection .altinstructions,\"a\"\n.long 1b - ., 3f - .\n.word " #n "\n.byte 2b-1b, 4f-3f\n.popsection\n.pushsection .altinstr_replacement,\"ax\"\n3: " code "\n4:\n.popsection")
#define EX asm volatile("1: nop\n2:\n.pushsection __ex_table,\"a\"\n.balign 4\n.long 1b - ., 2b - ., 3\n.popsection")
#define BUG(line) asm volatile("1: ud2\n.pushsection __bug_table,\"aw\"\n.long 1b - ., 2f - .\n.word " #line ", 1\n.popsection\n.pushsection .rodata.str1.1,\"aMS\",@progbits,1\n2: .asciz \"file.c\"\n.popsection")
#define BRANCH asm volatile("1: .byte 0x66, 0x90\n.pushsection __jump_table,\"aw\"\n.balign 8\n.long 1b - ., 1b - .\n.quad key + 4 - .\n.popsection")
int first(int x) { ALT(7, "call other"); return x + ADD; }
int second(int x) { ALT(8, REPL); EX; return x * 3; }
int third(int x) { BUG(LINE); return x * 5; }
int fourth(int x) { BRANCH; return x + 2 * ADD; }
`

// TestTables compares objects with tables that describe code, entry by entry.
func TestTables(t *testing.T) {
	testenv.Need(t, "gcc")
	for _, c := range []struct {
		name    string
		flags   []string
		changed []string
		tables  []string // of the extracted object, with their sizes
	}{
		{"same", nil, nil, nil},
		{"line", []string{"-DLINE=99"}, nil, nil},
		{"replacement", []string{`-DREPL="lfence"`}, []string{"second"}, []string{".altinstructions 12", "__ex_table 12", ".altinstr_replacement 3"}},
		{"code", []string{"-DADD=9"}, []string{"first", "fourth"}, []string{".altinstructions 12", "__jump_table 16", ".altinstr_replacement 5"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pre, post := tableObject(t), tableObject(t, c.flags...)
			d, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: true})
			if err != nil {
				t.Fatal(err)
			}
			var changed []string
			for _, ch := range d.Functions {
				if ch.Status != elfdiff.Same {
					changed = append(changed, ch.Name)
				}
			}
			if !slices.Equal(changed, c.changed) || len(d.Refusals) > 0 {
				t.Fatalf("changed %v, want %v; refused %v", changed, c.changed, d.Refusals)
			}
			if changed == nil {
				return
			}
			x, err := elfdiff.Extract(d)
			if err != nil {
				t.Fatal(err)
			}
			var tables []string
			for i := range x.Spec.Sections {
				s := &x.Spec.Sections[i]
				for _, want := range c.tables {
					if name, size, _ := strings.Cut(want, " "); s.Name == name && size == strconv.Itoa(len(s.Data)) {
						tables = append(tables, want)
					}
				}
			}
			if len(tables) != len(c.tables) {
				t.Errorf("tables %v, want %v", tables, c.tables)
			}
			strict, err := elfdiff.Compare(pre, post, elfdiff.Options{})
			if err != nil || len(strict.Refusals) == 0 && c.name == "code" {
				t.Errorf("without Tables: %v, %v; want a refusal", strict.Refusals, err)
			}
		})
	}
}

func tableObject(t *testing.T, flags ...string) *object.Object {
	t.Helper()
	o, err := elfdiff.NewObject(bytes.NewReader(tableFile(t, flags...)))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// tableFile compiles tableSource.
func tableFile(t testing.TB, flags ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	src, obj := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.o")
	head := "#ifndef LINE\n#define LINE 10\n#endif\n#ifndef ADD\n#define ADD 1\n#endif\n#ifndef REPL\n#define REPL \"mfence\"\n#endif\n#define BUG_(l) BUG(l)\n"
	text := head + strings.Replace(tableSource, "BUG(LINE)", "BUG_(LINE)", 1)
	if err := os.WriteFile(src, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-O2", "-fcf-protection=none", "-fno-pic", "-mcmodel=kernel", "-fno-asynchronous-unwind-tables", "-ffunction-sections", "-c", src, "-o", obj}, flags...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	b, err := os.ReadFile(obj)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
