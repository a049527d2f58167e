package splice_test

import (
	"bytes"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestLocated: a literal that pre has too is that of the program, and has one address for old code and new; one that the
// program does not have travels.
func TestLocated(t *testing.T) {
	testenv.Need(t, "gcc")
	const text = "the literal"
	for _, c := range []struct {
		name, unit string
		flags      []string
		travels    bool
	}{
		{name: "used by both", unit: `static const char *set; int f(int x) { if (x > 1) set = "the literal"; return set == "the literal" P(+ 1); }`},
		{name: "stored by one function, compared by another", unit: `static const char *set;
			__attribute__((noinline)) void store(void) { set = "the literal"; }
			int f(int x) { if (x > 1) store(); return set == "the literal" P(+ 1); }`},
		{name: "that only a constant leads to", unit: `static const char *const all[] = {"another", "the literal", "one more"};
			__attribute__((noinline)) const char *find(int x) { return all[x & 1]; }
			int f(int x) { return find(x) != 0 P(&& find(x + 1) == "the literal"); }`},
		{name: "that only a variable leads to", unit: `const char *all[] = {"another", "the literal", "one more"};
			__attribute__((noinline)) const char *find(int x) { return all[x & 1]; }
			int f(int x) { return find(x) != 0 P(&& find(x + 1) == "the literal"); }`},
		{name: "not merged", flags: []string{"-fno-merge-constants"}, unit: `static const char *set; int f(int x) { if (x > 1) set = "the literal"; return set == "the literal" P(+ 1); }`},
		{name: "the end of another", unit: `extern const char *set; const char *set; const char *g(void) { return "behind the literal"; }
			int f(int x) { if (x > 1) set = "the literal"; else if (x == 1) set = g(); return set == "the literal" P(+ 1); }`},
		{name: "new", travels: true, unit: `const char *set = "another"; int f(int x) { return set != 0 P(&& set != "the literal"); }`},
		{name: "touches one that is new", travels: true, flags: []string{"-fno-merge-constants"},
			unit: `const char *set; int f(int x) { set = "the literal"; P(if (x > 7) set = "and a new one";) return x; }`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, objects := parts(t, c.unit, "", append([]string{"-O2"}, c.flags...)...)
			command(t, "gcc", append(objects, "-o", f.image)...)
			img := openELF(t, f.image)
			u, err := f.build(t, img)
			if err != nil {
				t.Fatal(err)
			}
			o := &u.Objects[0]
			if got := bytes.Contains(o.ELF, []byte(text)); got != c.travels {
				t.Errorf("travels: %v", got)
			}
			found := 0
			for _, im := range o.Imports {
				b := make([]byte, len(text)+1)
				if im.Address != nil && img.ReadAddr(b, im.Address.Addr) == nil && string(b) == text+"\x00" {
					found++
				}
			}
			if want := map[bool]int{false: 1}[c.travels]; found != want {
				t.Errorf("%d imports lead to it, not %d", found, want)
			}
		})
	}
}
