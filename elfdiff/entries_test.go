package elfdiff_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// tableSource has functions that tables of the kernel's describe, as the macros
// of Linux 6.1 make them, and with other definitions those of other versions.
const tableSource = `
#ifndef ALTFLAGS
#define ALTFLAGS ""
#endif
#ifndef ALTPAD
#define ALTPAD ""
#endif
#ifndef BUGFORMAT
#define BUGFORMAT ""
#endif
#ifndef EXLAST
#define EXLAST "3"
#endif
#ifndef PVLAST
#define PVLAST ".balign 8\n"
#endif
extern int key[4];
extern void other(void);
#define ALT(n, code) asm volatile("1: nop; nop; nop\n2:\n.pushsection .altinstructions,\"a\"\n.long 1b - ., 3f - .\n.word " #n "\n" ALTFLAGS ".byte 2b-1b, 4f-3f" ALTPAD "\n.popsection\n.pushsection .altinstr_replacement,\"ax\"\n3: " code "\n4:\n.popsection")
#define EX asm volatile("1: nop\n2:\n.pushsection __ex_table,\"a\"\n.balign 4\n.long 1b - ., 2b - ., " EXLAST "\n.popsection")
#define BUG(line) asm volatile("1: ud2\n.pushsection __bug_table,\"aw\"\n.long 1b - .\n" BUGFORMAT ".long 2f - .\n.word " #line ", 1\n.popsection\n.pushsection .rodata.str1.1,\"aMS\",@progbits,1\n2: .asciz \"file.c\"\n.popsection")
#define BRANCH asm volatile("1: .byte 0x66, 0x90\n.pushsection __jump_table,\"aw\"\n.balign 8\n.long 1b - ., 1b - .\n.quad key + 4 - .\n.popsection")
#define PV(n) asm volatile("1: call *other\n2:\n.pushsection .parainstructions,\"a\"\n.balign 8\n.quad 1b\n.byte " #n ", 2b-1b\n.short 0\n" PVLAST ".popsection")
int first(int x) { ALT(7, "call other"); return x + ADD; }
int second(int x) { ALT(8, REPL); EX; return x * 3; }
int third(int x) { BUG(LINE); return x * 5; }
int fourth(int x) { BRANCH; return x + 2 * ADD; }
int fifth(int x) { PV(1); return x + 3 * ADD; }
int sixth(int x) { PV(KIND); return x * 7; }
`

// generations are versions of the kernel whose entries differ from those of 6.1.
var generations = []struct {
	name  string
	flags []string
	alt   int // bytes of an alternative
}{
	{"6.1", nil, 12},
	{"6.12", []string{`-DALTFLAGS=".word 0\n"`}, 14},
	{"5.10", []string{`-DALTPAD=", 99"`, `-DEXLAST="other - ."`, `-DPVLAST=""`}, 13},
	{"7.x", []string{`-DALTFLAGS=".word 0\n"`, `-DBUGFORMAT=".long 2f - .\n"`}, 14},
}

// TestTables compares objects with tables that describe code, entry by entry.
func TestTables(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "gcc")
	for _, g := range generations {
		t.Run(g.name, func(t *testing.T) { tables(t, g.flags, fmt.Sprintf(".altinstructions %d", g.alt)) })
	}
}

func tables(t *testing.T, generation []string, alternative string) {
	for _, c := range []struct {
		name    string
		flags   []string
		changed []string
		tables  []string // of the extracted object, with their sizes
	}{
		{"same", nil, nil, nil},
		{"line", []string{"-DLINE=99"}, nil, nil},
		{"replacement", []string{`-DREPL="lfence"`}, []string{"second"}, []string{alternative, "__ex_table 12", ".altinstr_replacement 3"}},
		{"code", []string{"-DADD=9"}, []string{"first", "fourth", "fifth"}, []string{alternative, "__jump_table 16", ".altinstr_replacement 5", ".parainstructions 16"}},
		{"last", []string{"-DKIND=2"}, []string{"sixth"}, []string{".parainstructions 16"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			pre, post := tableObject(t, generation...), tableObject(t, slices.Concat(generation, c.flags)...)
			d, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: true})
			if err != nil {
				t.Fatal(err)
			}
			var changed []string
			for _, ch := range d.Functions {
				if ch.Status != verdict.Same {
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
	head := "#ifndef LINE\n#define LINE 10\n#endif\n#ifndef ADD\n#define ADD 1\n#endif\n#ifndef REPL\n#define REPL \"mfence\"\n#endif\n#define BUG_(l) BUG(l)\n#ifndef KIND\n#define KIND 1\n#endif\n#define PV_(n) PV(n)\n"
	text := head + strings.NewReplacer("BUG(LINE)", "BUG_(LINE)", "PV(KIND)", "PV_(KIND)").Replace(tableSource)
	if err := os.WriteFile(src, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-O2", "-fcf-protection=none", "-fno-pic", "-mcmodel=kernel", "-fno-asynchronous-unwind-tables", "-ffunction-sections", "-c", src, "-o", obj}, flags...)
	if out, err := exec.Command(testenv.StandIn("gcc"), args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	b, err := os.ReadFile(obj)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
