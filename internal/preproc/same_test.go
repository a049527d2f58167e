package preproc

import (
	"slices"
	"testing"
)

const head = "struct s { int used; struct t *t; };\nstruct t { long x; };\ntypedef unsigned int u32;\nenum e { A, B, C };\n" +
	"static inline __attribute__((__gnu_inline__)) int f(struct s *s) { return s->used; }\n" +
	"static inline int g(struct s *s) { static int n; return f(s) + n; }\n" +
	"extern int h(struct t *);\nint k(int a) __attribute__((const));\nint (*variable)(void);\n" +
	"static inline int other(int a) { return a * 2; }\n"

func TestSame(t *testing.T) {
	rows := []struct {
		name, pre, post string
		same            bool
	}{
		{"blank", "int a ;\n\n", "int  a;", true},
		{"body", "int a(void) { return 1; }", "int a(void) { return 2; }", false},
		{"unused inline", head + "int m(void) { return other(1); }", head + "static inline int z(void) { return 1; }\nint m(void) { return other(1); }", true},
		{"used inline", head + "int m(void) { return other(1); }", replace(head, "a * 2", "a * 3") + "int m(void) { return other(1); }", false},
		{"inline that an unused one uses", head + "int m(void) { return other(1); }", replace(head, "return s->used", "return s->used + 1") + "int m(void) { return other(1); }", true},
		{"inline that a used one uses", head + "int m(struct s *s) { return g(s); }", replace(head, "return s->used", "return s->used + 1") + "int m(struct s *s) { return g(s); }", false},
		{"type of nothing", head, replace(head, "long x", "long x, y"), true},
		{"type of a type", head + "int m(struct s *s) { return s->t->x; }", replace(head, "long x", "long y, x") + "int m(struct s *s) { return s->t->x; }", false},
		{"type of a variable", head + "struct t v;", replace(head, "long x", "long x, y") + "struct t v;", false},
		{"enumerator", head + "int m = C;", replace(head, "A, B", "A, N, B") + "int m = C;", false},
		{"enumerator of nothing", head + "int m = 1;", replace(head, "A, B", "A, N, B") + "int m = 1;", true},
		{"prototype", head + "int m(void) { return k(1); }", replace(head, "int k(int a)", "int k(long a)") + "int m(void) { return k(1); }", false},
		{"prototype of nothing", head + "int m(void) { return 1; }", replace(head, "int k(int a)", "int k(long a)") + "int m(void) { return 1; }", true},
		{"builtin", head, head + "void *memcpy(void *, const void *, unsigned long);", false},
		{"typedef", head + "u32 x;", replace(head, "unsigned int u32", "unsigned long u32") + "u32 x;", false},
		{"variable", head, head + "int x;", false},
		{"static variable", head, head + "static int x;", false},
		{"pointer to a function", head, head + "int (*p)(void);", false},
		{"pointer to a function of a type", head, head + "u32 (*p)(void);", false},
		{"variable in brackets", head, head + "u32 (v);", false},
		{"used function", head, head + "static __attribute__((__used__)) int z(void) { return 1; }", false},
		{"used variable in a function", head, head + "static int z(void) { static int __attribute__((used)) v; return v; }", false},
		{"member of that name", head, head + "struct w { int used; int weak; };", true},
		{"global function", head, head + "int z(void) { return 1; }", false},
		{"inline that is not static", head, head + "inline int z(void) { return 1; }", false},
		{"alias", head, head + "extern int z(void) __attribute__((alias(\"g\")));", false},
		{"assembler", head, head + "asm(\"nop\");", false},
		{"name in assembler", head, head + "extern int z(void) asm(\"g\");", false},
		{"pragma", head, head + "#pragma pack(1)\n", false},
		{"assertion", head, head + "_Static_assert(sizeof(struct s) == 4, \"s\");", false},
		{"assertion less", head + "_Static_assert(1, \"s\");", head, true},
		{"order", "int a;\nint b;", "int b;\nint a;", false},
		{"structure with a variable", head, head + "struct v { int x; } v;", false},
		{"anonymous", head, head + "union { int x; };", true},
		{"attributes", head, head + "struct __attribute__((packed)) q { int x; } __attribute__((aligned(8)));", true},
		{"attributes, used", head + "struct q;\nvoid *m(struct q *q) { return q + 1; }", head + "struct __attribute__((packed)) q { int x; };\nstruct q;\nvoid *m(struct q *q) { return q + 1; }", false},
		{"nested", head + "int m = sizeof(struct in);", head + "struct out { struct in { int x; } in; };\nint m = sizeof(struct in);", false},
		{"nested enumerator", head + "int m = IN;", head + "struct out { enum { IN } in; };\nint m = IN;", false},
		{"line", "int m(int n) { return n + 5; }", "int m(int n) { return n + 6; }", false},
		{"damaged", "int m( {", "int m( { ", false},
		{"string", "char *s = \"; }\";", "char *s = \"; } \";", false},
		{"function of a function", head, head + "static int (*q(int a))(int b) { return 0; }", false},
		{"two prototypes", head + "int m(void) { return p(1); }", head + "int p(int), q(int);\nint m(void) { return p(1); }", false},
		{"two prototypes elsewhere", head + "int m(void) { return p(1); }", head + "extern int p(int), q(int);\nint m(void) { return p(1); }", false},
		{"diagnostics in a function", head + "int m;", head + "static inline int z(void) {\n#pragma GCC diagnostic push\n return 1; }\nint m;", true},
		{"pragma in a function", head + "int m;", head + "static inline int z(void) {\n#pragma pack(1)\n return 1; }\nint m;", false},
		{"pragma before", "#pragma GCC diagnostic push\nint m;", "#pragma GCC diagnostic pop\nint m;", false},
		{"static of a parameter", "int m(int key[static 32]) { return key[1]; }", "int m(int key[static 32]) { return key[2]; }", false},
		{"inline of a parameter", "static int m(int inline) { return 1; }", "static int m(int inline) { return 2; }", false},
		{"initialized array of a tag", "struct x { int v; } tab[] = { { 10 }, };", "struct x { int v; } tab[] = { { 20 }, };", false},
		{"initialized array", "struct { int v; } tab[] = { { 10 } };", "struct { int v; } tab[] = { { 20 } };", false},
		{"initialized structure", head + "struct ops { int (*f)(struct s *); } o = { f };", replace(head, "return s->used", "return s->used + 1") + "struct ops { int (*f)(struct s *); } o = { f };", false},
		{"initialized with attributes", "struct x { int v; } o __attribute__((aligned(8))) = { 1 };", "struct x { int v; } o __attribute__((aligned(8))) = { 2 };", false},
		{"static that is not inline", head, head + "static int z(void) { return 1; }", false},
		{"attribute that nobody knows", head, head + "static inline __attribute__((gosplice)) int z(void) { return 1; }", false},
		{"attribute in brackets", head, head + "[[gnu::used]] static inline int z(void) { return 1; }", false},
		{"name in an attribute", head + "extern int z(struct s *) __attribute__((alias(\"f\")));", replace(head, "return s->used", "return s->used + 1") + "extern int z(struct s *) __attribute__((alias(\"f\")));", false},
		{"name in a directive", "#pragma weak k\n" + head, "#pragma weak k\n" + replace(head, "int k(int a)", "int k(long a)"), false},
		{"assembler's name in a function", head, head + "static inline int z(void) { extern int k(int) asm(\"g\"); return 1; }", false},
		{"constant variable in brackets", head, head + "const u32 (v);", false},
		{"constant array in brackets", head, head + "const u32 (v[2]);", false},
		{"variable in brackets elsewhere", head + "int *m(void) { return &v; }", head + "extern const u32 (v);\nint *m(void) { return &v; }", false},
		{"type in an assertion", "int m = sizeof(struct q);", "_Static_assert(sizeof(struct q { int x; }) == 4, \"\");\nint m = sizeof(struct q);", false},
		{"old style", "int m(a) t1 (a);\n{ return 1; }", "int m(a) t2 (a);\n{ return 1; }", false},
		{"digraphs", "static inline int m(int a) <% return a; %>", "static inline int m(int a) <% return 2; %>", false},
		{"prototype of a type", head + "int m(void) { return 1; }", head + "u32 z(u32);\nint m(void) { return 1; }", true},
		{"attributes behind", head + "int m;", head + "static inline int z(void) __attribute__((unused));\nint m;", true},
	}
	for _, r := range rows {
		if same, why := Same([]byte(r.pre), []byte(r.post)); same != r.same {
			t.Errorf("%s: %t (%s), want %t", r.name, same, why, r.same)
		}
	}
}

func replace(s, old, new string) string {
	for i := 0; i+len(old) <= len(s); i++ {
		if s[i:i+len(old)] == old {
			return s[:i] + new + s[i+len(old):]
		}
	}
	panic(old)
}

// recombined holds what differing sets aside against the items of both texts.
func recombined(t *testing.T, pre, post string) {
	t.Helper()
	front, a, b, back, err := differing([]byte(pre), []byte(post))
	for _, x := range []struct {
		text   string
		middle []item
	}{{pre, a}, {post, b}} {
		want, errWant := split([]byte(x.text))
		if err != nil || errWant != nil {
			continue
		}
		got := slices.Concat(front, x.middle, back)
		if !slices.EqualFunc(got, want, func(g, w item) bool { return g.text() == w.text() }) {
			t.Errorf("%d + %d + %d items of %q, want %d", len(front), len(x.middle), len(back), x.text, len(want))
		}
	}
	if _, errPre := split([]byte(pre)); errPre != nil && err == nil {
		t.Errorf("%q is no error", pre)
	}
	if _, errPost := split([]byte(post)); errPost != nil && err == nil {
		t.Errorf("%q is no error", post)
	}
}

// TestDiffering changes each byte of a text in turn, or leaves it out.
func TestDiffering(t *testing.T) {
	text := head + "#pragma x\n ; int m[] = { 1, 2 }; /x;\n#pragma y\nint n(void) { return 1; }\n;;"
	for i := range text {
		for _, with := range []string{"", ";", "}", "{", "\n", "#", "\"", "int x;", "int f(void) { return 1; }", "\n#pragma z\n", " "} {
			recombined(t, text, text[:i]+with+text[i+1:])
			recombined(t, text[:i]+with+text[i+1:], text)
			recombined(t, text, text[:i]+with+text[i:])
		}
	}
}

func FuzzSame(f *testing.F) {
	f.Add([]byte(head), []byte(head+"int x;"))
	f.Add([]byte("struct s { enum { A } a; } ;"), []byte("#pragma x\nstatic int f(void) { } L\"x\" 'c' 1.5e+3"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		Same(a, b)
		recombined(t, string(a), string(b))
		if same, why := Same(a, a); !same {
			t.Errorf("not the same as itself: %s", why)
		}
		if same, _ := Same(a, append(append([]byte{}, a...), "\nint gosplice_new(void) { return 1; }\n"...)); same {
			if _, err := split(a); err == nil {
				t.Error("a new function is nothing")
			}
		}
	})
}
