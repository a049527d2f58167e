package ehframe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// libraries are shared objects that most systems have, each with something of
// its own: libc a signal frame and expressions, libgcc_s personality routines,
// libstdc++ LSDAs.
var libraries = []string{
	"/lib/x86_64-linux-gnu/libc.so.6",
	"/lib64/ld-linux-x86-64.so.2",
	"/lib/x86_64-linux-gnu/libm.so.6",
	"/lib/x86_64-linux-gnu/libgcc_s.so.1",
	"/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
}

func openLibrary(t testing.TB, name string) *elfobj.File {
	t.Helper()
	f, err := elfobj.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// A dumped FDE is what readelf prints for one.
type dumped struct {
	offset, start, end uint64
	columns            []string
	rows               []string // "address CFA rule..."
}

// TestReadelf compares every row of every FDE with what readelf makes of it.
func TestReadelf(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "readelf")
	for _, name := range libraries {
		t.Run(filepath.Base(name), func(t *testing.T) {
			table, err := FromELF(openLibrary(t, name), 0)
			if err != nil {
				t.Fatal(err)
			}
			compareWithReadelf(t, table, name)
		})
	}
}

// TestReadelfObject does the same for what the compiler makes of a file with
// all that C has to offer.
func TestReadelfObject(t *testing.T) {
	testenv.Need(t, "readelf", "gcc")
	const source = `
#include <stdlib.h>
#include <string.h>
extern void use(void *, ...);
void __attribute__((cold)) bye(void);
int leaf(int x) { return x * 3; }
int vla(int n) { char b[n]; use(b); return b[n / 2]; }
int alloc(int n) { char *p = alloca(n); use(p); if (n > 7) bye(); return p[3]; }
void align(void) { int v[64] __attribute__((aligned(256))); use(v, 1, 2, 3, 4, 5, 6, 7, 8, 9); }
__attribute__((naked)) void bare(void) { __asm__("ret"); }
long many(long a, long b, long c, long d, long e, long f, long g) {
	long x = a; for (long i = 0; i < g; i++) { use(&x, a, b, c, d, e, f, g, i); x += b * i; if (x == c) return d; } return x + e + f;
}
void clean(int *p) { free((void *)(long)*p); }
int tidy(int n) { int __attribute__((cleanup(clean))) x = n; use(&x); return x; }
`
	for _, flags := range []string{"-O0", "-O2 -fexceptions", "-Os", "-O2 -fno-omit-frame-pointer -mno-red-zone", "-O3 -mavx2 -freorder-blocks-and-partition"} {
		t.Run(flags, func(t *testing.T) {
			dir := t.TempDir()
			c, so := filepath.Join(dir, "x.c"), filepath.Join(dir, "x.so")
			if err := os.WriteFile(c, []byte(source), 0o666); err != nil {
				t.Fatal(err)
			}
			args := append(strings.Fields(flags), "-w", "-fPIC", "-shared", "-o", so, c)
			if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
				t.Fatalf("gcc: %v\n%s", err, out)
			}
			table, err := FromELF(openLibrary(t, so), 0)
			if err != nil {
				t.Fatal(err)
			}
			compareWithReadelf(t, table, so)
		})
	}
}

func compareWithReadelf(t *testing.T, table *Table, name string) {
	t.Helper()
	want := dump(t, name)
	i, rows := 0, 0
	for f, err := range table.FDEs() {
		if err != nil {
			t.Fatal(err)
		}
		if i == len(want) {
			t.Fatalf("FDE at %#x: readelf has only %d", f.Offset, len(want))
		}
		w := want[i]
		i++
		if f.Offset != w.offset || f.Start != w.start || f.End != w.end {
			t.Fatalf("FDE at %#x for %#x-%#x, readelf has one at %#x for %#x-%#x",
				f.Offset, f.Start, f.End, w.offset, w.start, w.end)
		}
		rows += len(w.rows)
		if len(w.rows) > 0 { // readelf prints none when the CIE says all
			compareRows(t, table, f, w)
		}
		// Whoever looks the code up must find the same entry.
		if f.End > f.Start {
			for _, pc := range []uint64{f.Start, f.End - 1} {
				if got, err := table.Lookup(pc); err != nil || got.Offset != f.Offset {
					t.Errorf("Lookup(%#x) = FDE at %#x, %v; want %#x", pc, got.Offset, err, f.Offset)
				}
			}
		}
	}
	if i != len(want) {
		t.Errorf("%d FDEs, readelf has %d", i, len(want))
	}
	t.Logf("%d FDEs, %d rows", i, rows)
}

func compareRows(t *testing.T, table *Table, f FDE, w dumped) {
	t.Helper()
	var got []string
	for loc, row := range table.Rows(f) {
		got = append(got, format(loc, &row, w.columns))
	}
	if strings.Join(got, "\n") != strings.Join(w.rows, "\n") {
		t.Errorf("FDE at %#x, columns %v:\ngot\n  %s\nreadelf\n  %s", f.Offset, w.columns,
			strings.Join(got, "\n  "), strings.Join(w.rows, "\n  "))
	}
	// A row that is asked for by address must be the same.
	for loc, row := range table.Rows(f) {
		if loc >= f.End {
			break
		}
		at, err := table.frame.rowAt(&f, loc)
		if err != nil {
			t.Fatalf("rowAt(%#x): %v", loc, err)
		}
		if g, w := format(loc, at, w.columns), format(loc, &row, w.columns); g != w && !repeats(table, f, loc) {
			t.Errorf("rowAt(%#x) = %s, want %s", loc, g, w)
		}
	}
}

// repeats tells whether several rows have one address.
func repeats(table *Table, f FDE, loc uint64) bool {
	n := 0
	for l := range table.Rows(f) {
		if l == loc {
			n++
		}
	}
	return n > 1
}

var regNames = []string{"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "ra"}

// format writes a row as readelf does.
func format(loc uint64, r *Row, columns []string) string {
	s := fmt.Sprintf("%016x ", loc)
	if r.CFAExpr != nil {
		s += "exp"
	} else {
		s += fmt.Sprintf("%s%+d", regNames[r.CFAReg], r.CFAOffset)
	}
	for _, c := range columns {
		i := 0
		for regNames[i] != c {
			i++
		}
		rule := r.Regs[i]
		switch rule.Kind {
		case Unspecified, Undefined:
			s += " u"
		case SameValue:
			s += " s"
		case Offset:
			s += fmt.Sprintf(" c%+d", rule.N)
		case ValOffset:
			s += fmt.Sprintf(" v%+d", rule.N)
		case Register:
			s += fmt.Sprintf(" r%d (%s)", rule.N, regNames[rule.N])
		case Expression:
			s += " exp"
		case ValExpression:
			s += " vexp"
		}
	}
	return s
}

// dump parses the output of readelf, e.g.
//
//	0000006c 0000000000000020 00000070 FDE cie=00000000 pc=00000000000270e0..0000000000027143
//	   LOC           CFA      rbx   ra
//	00000000000270e0 rsp+8    u     c-8
func dump(t *testing.T, name string) []dumped {
	t.Helper()
	// readelf exits with 1 when the separate file of debug information that
	// the library mentions is not installed.
	out, err := exec.Command("readelf", "-W", "--debug-dump=frames-interp", name).Output()
	if len(out) == 0 {
		t.Fatal(err)
	}
	if i := bytes.Index(out, []byte("Contents of the .debug_frame")); i >= 0 {
		out = out[:i]
	}
	var list []dumped
	var cur *dumped
	sc := bufio.NewScanner(bytes.NewReader(out))
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		switch {
		case len(f) >= 6 && f[3] == "FDE":
			start, end, _ := strings.Cut(strings.TrimPrefix(f[5], "pc="), "..")
			list = append(list, dumped{offset: hex(t, f[0]), start: hex(t, start), end: hex(t, end)})
			cur = &list[len(list)-1]
		case len(f) >= 4 && f[3] == "CIE", len(f) == 0:
			cur = nil
		case cur != nil && f[0] == "LOC":
			cur.columns = f[2:]
		case cur != nil:
			cur.rows = append(cur.rows, strings.Join(f, " "))
		}
	}
	return list
}

func hex(t *testing.T, s string) uint64 {
	t.Helper()
	v, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
