package elfdiff_test

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// initialsCases are variables whose initial value is A in pre, and B in post. want
// lists the words that are set: name, offset and size. Where none is, why says it.
var initialsCases = []struct {
	name, text, a, b string
	want             []string // with debug information
	plain            []string // without; nil for the same
	why              string
}{
	{name: "int", text: "int n = V;", a: "1", b: "2", want: []string{"n+0:4"}, plain: []string{"n+0:4"}},
	{name: "of zeros", text: "int n = V;", a: "0", b: "2", want: []string{"n+0:4"}, plain: []string{"n+0:4"}},
	{name: "to zeros", text: "long n = V;", a: "-1", b: "0", want: []string{"n+0:8"}, plain: []string{"n+0:8"}},
	{name: "member", text: "struct { char c; short s; long l; } x[2] = { { 1, 2, 3 }, { 1, V, 4 } };", a: "7", b: "0x708", want: []string{"x[1].s+18:2"}, plain: []string{"x+0x10+16:8"}},
	{name: "bits", text: "struct { unsigned a:3, b:5, c:12; } x = { 1, V, V };", a: "4", b: "9", want: []string{"x.b, x.c+0:4"}, plain: []string{"x+0:4"}},
	{name: "function", text: "int f(void), g(void); int (*volatile other)(void) = f; struct { int a; int (*p)(void); } x = { 1, V };", a: "f", b: "g", want: []string{"x.p+8:8"}, plain: []string{"x+0x8+8:8"}},
	{name: "no function", text: "int f(void); struct { int a; int (*p)(void); } x = { 1, V };", a: "f", b: "0", want: []string{"x.p+8:8"}, plain: []string{"x+0x8+8:8"}},
	{name: "text elsewhere", text: "char *name = V;", a: `"old"`, b: `"new"`, want: []string{"name+0:8"}, plain: []string{"name+0:8"}},
	{name: "text", text: "char name[20] = V;", a: `"old"`, b: `"new"`, why: "name is no aligned word"},
	{name: "long text", text: "char name[200] = V;", a: `"/bin/old"`, b: `"/bin/new"`, why: "name[5] is a part of a text"},
	{name: "bytes", text: "typedef unsigned char u8; u8 n[4] = { 1, V, V, 4 };", a: "2", b: "3", want: []string{"n[1]+1:1", "n[2]+2:1"}, plain: []string{}, why: "what belongs together at n+0x2 is not known"},
	{name: "much", text: "int n[400] = { [0 ... 399] = V };", a: "1", b: "2", why: "more than 255 members differ"},
	{name: "per processor", text: "int n PUT(\".data..percpu\") = V;", a: "1", b: "2", why: "each processor has its own"},
	{name: "another size", text: "int n[] = { 1, V };", a: "2", b: "2, 3", why: "size"},
	{name: "unknown", text: "long n[4] = { 1, V, V, 4 };", a: "2", b: "3", want: []string{"n[1]+8:8", "n[2]+16:8"}, plain: []string{}, why: "what belongs together at n+0x10 is not known"},
	{name: "static key", text: "struct static_key_true { struct { int enabled; long type; } key; } x = { { V, 1 } };", a: "1", b: "0", why: "rewritten when it is switched"},
	{name: "key of a branch", text: `int x[2] = { V, 1 }; int f(void) { asm goto("1: .byte 0x66, 0x90\n.pushsection __jump_table,\"aw\"\n.balign 8\n.long 1b - ., %l[on] - .\n.quad x - .\n.popsection" : : : : on); return 0; on: return 1; }`, a: "1", b: "0", why: "rewritten when it is switched"},
	{name: "packed", text: "struct __attribute__((packed)) { char c; int n; } x = { 1, V };", a: "2", b: "3", why: "x.n is no aligned word"},
}

// TestInitials looks at what is to be set, with both compilers.
func TestInitials(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "gcc")
	for _, c := range initialsCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, b := range []build{{"gcc", []string{"-O2", "-g"}}, {"gcc", []string{"-O0", "-g", "-fPIC"}}, {"gcc", []string{"-O2"}}, {"clang-14", []string{"-O2", "-g"}}, {"clang-14", []string{"-Os", "-g", "-gdwarf-4"}}} {
				want, why := c.want, c.why
				if len(want) > 0 && len(c.plain) == 0 && slices.Contains(b.flags, "-g") {
					why = ""
				}
				if !slices.Contains(b.flags, "-g") {
					if c.plain == nil && c.why != "" && c.name != "per processor" && c.name != "another size" {
						continue // nothing says what belongs together
					}
					want = c.plain
				}
				pre, ok := b.initials(t, c.text, c.a)
				post, _ := b.initials(t, c.text, c.b)
				if !ok {
					continue
				}
				checkInitials(t, fmt.Sprint(b), pre, post, want, why)
			}
		})
	}
}

// build is a compiler with options.
type build struct {
	cc    string
	flags []string
}

// initials compiles a case with V. ok is false without the compiler.
func (b build) initials(t *testing.T, text, v string) (o *object.Object, ok bool) {
	t.Helper()
	if _, err := exec.LookPath(b.cc); err != nil {
		return nil, false
	}
	dir := t.TempDir()
	src, out := filepath.Join(dir, "unit.c"), filepath.Join(dir, "unit.o")
	if err := os.WriteFile(src, []byte(kernelSource+"#define V "+v+"\n"+text), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(b.cc, append(slices.Clone(b.flags), "-fdata-sections", "-fno-ident", "-w", "-c", src, "-o", out)...)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", b, err, msg)
	}
	o, err := elfdiff.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	return o, true
}

func checkInitials(t *testing.T, what string, pre, post *object.Object, want []string, why string) {
	t.Helper()
	d, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: true})
	if err != nil {
		t.Fatal(err)
	}
	if o := d.Outcome(); o != elfdiff.OutcomeJudge || len(d.Refusals) != 1 {
		t.Errorf("%s: %s without a word: %v", what, o, d.Refusals)
	} else if d.Refusals[0].Code == elfdiff.CodeDataChanged && !strings.Contains(d.Refusals[0].Hint, "Options.Initials") {
		t.Errorf("%s: the hint does not name the option: %v", what, d.Refusals[0].Hint)
	}
	if d, err = elfdiff.Compare(pre, post, elfdiff.Options{Tables: true, Initials: true}); err != nil {
		t.Fatal(err)
	}
	x, err := elfdiff.Extract(d)
	if why != "" {
		if !errors.Is(err, elfdiff.ErrRefused) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", what, err, why)
		}
		return
	}
	if err != nil || d.Outcome() != elfdiff.OutcomeCarried {
		t.Errorf("%s: %s, %v", what, d.Outcome(), err)
		return
	}
	var got []string
	for _, u := range x.Initials {
		for _, m := range u.Members {
			got = append(got, fmt.Sprintf("%s+%d:%d", m.Name, m.Offset, m.Size))
		}
		for _, r := range u.Relas {
			if s := x.Spec.Symbols[r.Sym]; s.Name != "g" && s.Type() != elf.STT_SECTION { // the function of post, or a literal that travels
				t.Errorf("%s: %+v leads to %+v", what, r, s)
			}
		}
		if a := pre.Atom(u.Pre); a.Name != u.Name || uint64(len(u.Old)) != a.Size || len(u.New) != len(u.Old) {
			t.Errorf("%s: %+v", what, u)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
