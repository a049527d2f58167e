package elfdiff

import (
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestEnumInCode gives enumerators other values, which no variable has, but code.
func TestEnumInCode(t *testing.T) {
	testenv.Need(t, "gcc")
	const set = "static unsigned long flags; extern int other(int);\nvoid set(void) { flags |= 1ul << BIT; } int get(void) { return flags >> BIT & 1; } void clear(void) { flags &= ~(1ul << BIT); } int more(int x) { return x + 5; }\n"
	for _, c := range []struct {
		name, pre, post, text string
		uses                  string
	}{
		{"a bit", "enum bits { BIT = 3 };", "enum bits { SPARE = 3, BIT };", set, "clear get set"},
		{"a bit of another byte", "enum bits { BIT = 3 };", "enum bits { BIT = 12 };", set, "clear get set"},
		{"the same bit of another name", "enum bits { BIT = 3 };", "enum bits { MORE = 4, BIT = 3 };", set, ""},
		{"a number", "enum number { BIT = 300 };", "enum number { BIT = 301 };", "extern int other(int); int f(void) { return other(BIT); } int g(int x) { return x == BIT ? 7 : other(x); }", "f g"},
		{"a number that code has not", "enum number { BIT = 300, LAST };", "enum number { BIT = 300, NEXT, LAST };", "extern int other(int); int f(void) { return other(BIT) + sizeof(LAST); }\n#ifdef POST\nint more;\n#endif\n", ""},
		{"one without a name", "enum { BIT = 3 };", "enum { BIT = 4 };", set, "clear get set"},
	} {
		dir := t.TempDir()
		b := build{"gcc", []string{"-O2", "-g"}}
		pre, post := b.compile(t, dir+"/pre", "unit.c", c.pre+c.text), b.compile(t, dir+"/post", "unit.c", c.post+"\n#define POST\n"+c.text)
		list, err := compareTables(t, pre, post).Types()
		if err != nil {
			t.Fatal(err)
		}
		var uses []string
		for i := range list {
			if f := list[i].Finding(); f.Code == CodeTypeEnum && f.Accept != "" || f.Code == CodeTypeConstant {
				for _, u := range list[i].Uses {
					uses = append(uses, u.Symbol)
				}
			}
		}
		if s := strings.Join(slices.Sorted(slices.Values(uses)), " "); s != c.uses {
			t.Errorf("%s: %q, want %q: %+v", c.name, s, c.uses, list)
		}
	}
}
