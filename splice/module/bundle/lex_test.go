package bundle

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestItems(t *testing.T) {
	const text = `// a comment { with braces
#include <linux/x.h>
#define ONE(a) \
	(two(a) + 1) /* not { */
static int table[] = { [0] = THREE, [1] = 4 };

int f(struct foo *p, char *s)
{
#ifdef CONFIG_X
	goto out;
#endif
	p->a.b = (q)->c + g(s)[1] + '{';
	s = "} x";
out:
	return *p->d ? sizeof(*s) : 0x1fULL;
}
struct s { int m; };
EXPORT_SYMBOL(f);
`
	list, ok := itemsOf([]byte(text))
	var got []string
	for i := range list {
		x := &list[i]
		w := &x.words
		got = append(got, strings.Join([]string{x.defines, strings.Join(sorted(w.names), " "), strings.Join(sorted(w.members), " "), strings.Join(sorted(w.loose), " "), strings.Join(sorted(w.labels), " ")}, "|"))
	}
	want := []string{
		"ONE|a two|||",
		"|THREE int static table|||",
		"|CONFIG_X char f foo g goto int out p q return s sizeof struct|a b c d|c|out",
		"|int m s struct|||",
		"|EXPORT_SYMBOL f|||",
	}
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("%v\n%s", ok, diff)
	}
	if f := &list[2]; f.start != 7 || f.end != 16 {
		t.Errorf("f is in lines %d to %d", f.start, f.end)
	}
}

func TestUnpaired(t *testing.T) {
	for _, text := range []string{"int f(void) {", "int f(void) }", "#ifdef A\nint f(int a) {\n#else\nint f(void) {\n#endif\n}\n", "int a", "(", "]"} {
		if _, ok := itemsOf([]byte(text)); ok {
			t.Errorf("%q is taken", text)
		}
	}
}

// TestSizes: what is taken as a whole is known by its name, or may be anything.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		code, whole string
		sized       bool
	}{
		{"x = p->a;", "", false},
		{"x = *p;", "p", false},
		{"x = **p;", "p", false},
		{"*p = *q;", "p q", false},
		{"struct foo *p = q;", "", false},
		{"x = *p->a;", "p", true},
		{"x = *(p);", "", true},
		{"x = a * b;", "", false},
		{"x = (u8)*p;", "p", false},
		{"x = p + 1;", "p", false},
		{"p++;", "p", false},
		{"++p;", "p", false},
		{"p += 2;", "p", false},
		{"x = p - q;", "p q", false},
		{"x = p[1];", "p", false},
		{"x = p->a[1].b;", "a", false},
		{"x = f(a)[1];", "", true},
		{"x = 1 + (p);", "", true},
		{"x = sizeof(p);", "", true},
		{"x = -EINVAL;", "EINVAL", false},
	} {
		list, ok := itemsOf([]byte("void f(void) { " + c.code + " }"))
		if !ok || len(list) != 1 {
			t.Fatalf("%s: %v, %d", c.code, ok, len(list))
		}
		if w := &list[0].words; strings.Join(sorted(w.whole), " ") != c.whole || w.sized != c.sized {
			t.Errorf("%s: %v, %v, want %q, %v", c.code, sorted(w.whole), w.sized, c.whole, c.sized)
		}
	}
}
