package elfdiff

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// loopSource has loops that are aligned, and tables about what is behind them.
const loopSource = `
extern int key[4]; extern void other(int);
#define EX asm volatile("1: nop\n2:\n.pushsection __ex_table,\"a\"\n.balign 4\n.long 1b - ., 2b - ., 3\n.popsection")
#define BUG asm volatile("1: ud2\n.pushsection __bug_table,\"aw\"\n.long 1b - ., 2f - .\n.word 7, 1\n.popsection\n.pushsection .rodata.str1.1,\"aMS\",@progbits,1\n2: .asciz \"file.c\"\n.popsection")
#define BRANCH asm volatile("1: .byte 0x66, 0x90\n.pushsection __jump_table,\"aw\"\n.balign 8\n.long 1b - ., 2f - .\n.quad key + 4 - .\n.popsection\n2:")
int sum(const int *p, int n) {
	int s = 0;
	if (n > 70) BUG;
	for (int i = 0; i < n; i++) { s += p[i] * i; if (s > 1000) EX; }
	BRANCH;
	for (int i = 0; i < n; i++) { other(s); s ^= p[i]; }
	if (s < 0) BUG;
	switch (n) { case 0: other(1); case 1: other(7); break; case 2: other(9); break; case 3: return 4; case 4: other(3); break; case 5: s++; }
	return s;
}
int more(int n) { while (n > 3) { other(n--); EX; } return n; }
`

// TestMovedTables puts functions of all lengths in front of others, so that padding in
// these differs: what tables say about them is the same.
func TestMovedTables(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "gcc")
	for _, b := range []build{{"gcc", []string{"-O2"}}, {"gcc", []string{"-O3", "-falign-loops=32"}}, {"clang-14", []string{"-O2"}}} {
		testenv.Need(t, b.cc)
		b.flags = append(b.flags, "-fno-pic", "-mcmodel=kernel", "-fno-function-sections", "-fno-align-functions", "-fno-asynchronous-unwind-tables")
		if b.cc != "gcc" {
			b.flags = append(b.flags, "-mllvm", "-align-all-nofallthru-blocks=4")
		}
		t.Run(b.String(), func(t *testing.T) {
			t.Parallel()
			dir, moved := t.TempDir(), 0
			pre := b.compile(t, dir+"/pre", "unit.c", loopSource)
			for n := range 12 {
				front := fmt.Sprintf("asm(\".globl front; .type front, @function; front: ret; .skip %d, 0xc3; .size front, .-front\");\n", n)
				d := compareTables(t, pre, b.compile(t, filepath.Join(dir, fmt.Sprint(n)), "unit.c", front+loopSource))
				if got := strings.Join(verdicts(d), ", "); got != "new front, finding unused front" {
					t.Errorf("%d: %s\n%s", n, got, report(d))
				}
				for i := range d.Functions {
					if d.Functions[i].Incidental != nil {
						moved++
					}
				}
			}
			if moved == 0 && b.cc == "gcc" {
				t.Error("no padding differs")
			}
			other := strings.Replace(loopSource, "if (s < 0) BUG;", "if (s < 0) { BUG; }", 1)
			if d := compareTables(t, pre, b.compile(t, dir+"/other", "unit.c", strings.Replace(other, ".long 1b - ., 2b - ., 3", ".long 1b - ., 1b - ., 3", 1))); d.Outcome() != OutcomeCarried {
				t.Errorf("another entry: %v\n%s", d.Outcome(), report(d))
			}
		})
	}
}
