package elfdiff

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// identityFront is in front of all cases. Whoever is
// called through a pointer, or is not here, may do anything.
const identityFront = `
typedef unsigned long size_t;
struct ops { int (*f)(int); long n; const struct ops *next; };
struct object { const struct ops *ops; int id; };
extern int elsewhere(const void *p, ...);
extern int (*through)(const void *p);
extern void *memcpy(void *, const void *, size_t);
extern int memcmp(const void *, const void *, size_t);
extern int printf(const char *, ...);
extern int iwpm_parse_nlmsg(void *from, int most, const void *policy, void *to, const void *name);
extern int __nla_parse(void *to, int most, const void *what, int n, const void *policy, unsigned how, void *answer);
extern void __ext4_error_inode(void *inode, const void *function, unsigned line, unsigned long block, int error, const void *format, ...);
extern void __ext4_error_file(void *file, const void *function, unsigned line, unsigned long block, const void *format, ...);
int one(int x);
int two(int x);
#define noinline __attribute__((noinline))
`

// identityTables are those that differ.
var identityTables = []struct{ name, text string }{
	{"T", "static const struct ops T = { VALUE, 7, 0 };\n"},
	{"N", "static const int N[8] = { 1, 2, 3, 4, 5, 6, 7, VALUE == two };\n"},
	{"D", "static const double D[4] = { 1.5, 2.5, 3.5, VALUE == two ? 4.5 : 5.5 };\n"},
}

// identityCases use T, N or D. one says that it has an identity.
var identityCases = []struct {
	name, code string
	one        bool
	typed      bool // without debug information its result may be an address
}{
	{"stored", `void f(struct object *o) { o->ops = &T; }`, true, false},
	{"stored in data", `struct object here; void f(void) { here.ops = &T; }`, true, false},
	{"in data", `struct object here = { &T, 1 };`, true, false},
	{"in a constant that others see", `const struct object here = { &T, 1 };`, true, false},
	{"returned", `const struct ops *f(int i) { return i ? &T : 0; }`, true, false},
	{"returned inside", `const long *f(void) { return &T.n; }`, true, false},
	{"compared", `int f(struct object *o) { return o->ops == &T; }`, true, false},
	{"compared in a branch", `int f(struct object *o, int x) { if (o->ops != &T) return elsewhere(o); return x; }`, true, false},
	{"compared in a loop", `int f(struct object *o, int n) { int s = 0; for (int i = 0; i < n; i++) if (o[i].ops == &T) s++; return s; }`, true, false},
	{"passed", `int f(void) { return elsewhere(&T); }`, true, false},
	{"passed as a policy", `int f(void *to, const void *what) { return __nla_parse(to, 1, what, 2, &T, 0, to); }`, false, false},
	{"passed as a policy of iwpm", `int f(void *to) { return iwpm_parse_nlmsg(to, 1, &T, to, to); }`, false, false},
	{"passed to iwpm as another", `int f(void *to) { return iwpm_parse_nlmsg(to, 1, to, &T, to); }`, true, false},
	{"passed as what is parsed", `int f(void *to) { return __nla_parse(to, 1, &T, 2, to, 0, to); }`, true, false},
	{"passed as a format of ext4", `void f(void *in) { __ext4_error_inode(in, "f", 1, 2, 3, &T, 4); __ext4_error_file(in, "f", 1, 2, &T, 3); }`, false, false},
	{"passed as a function of ext4", `void f(void *in) { __ext4_error_inode(in, &T, 1, 2, 3, "x"); }`, true, false},
	{"passed to ext4 behind the format", `void f(void *in) { __ext4_error_file(in, "f", 1, 2, "x", &T); }`, true, false},
	{"passed second", `int f(int x) { return elsewhere("x", x, &T); }`, true, false},
	{"passed on the stack", `int f(int x) { return elsewhere("x", 1, 2, 3, 4, 5, &T, x); }`, true, false},
	{"passed through a pointer", `int f(void) { return through(&T); }`, true, false},
	{"passed at the end", `int f(int x) { if (x) return 1; return elsewhere(&T, x); }`, true, false},
	{"passed in a structure", `int f(void) { struct object o = { &T, 1 }; return elsewhere(&o); }`, true, false},
	{"passed to one that stores it", `static noinline void set(struct object *o, const struct ops *p) { o->ops = p; o->id++; } void f(struct object *o) { set(o, &T); }`, true, false},
	{"passed to one that passes it", `static noinline int on(int x, const struct ops *p) { return x + elsewhere(p); } int f(int x) { return on(x, &T); }`, true, false},
	{"passed to one that calls itself", `static noinline int on(int x, const struct ops *p) { return x ? on(x - 1, p) + on(x / 2, p) : elsewhere(p); } int f(int x) { return on(x, &T); }`, true, false},
	{"stored after a choice", `void f(struct object *o, int x, const struct ops *p) { if (x > 3) p = &T; elsewhere(o); o->ops = p; }`, true, false},
	{"stored behind a call", `void f(struct object *o) { const struct ops *p = &T; int n = elsewhere(o) + p->n; elsewhere(o + n); o->ops = p; }`, true, false},
	{"in assembly", `void f(void) { asm volatile("crc32q %%rax, %0" :: "r"(&T) : "rax"); }`, true, false},
	{"in a switch", `const void *f(int x) { switch (x) { case 0: return "a"; case 1: return through; case 2: return &T; case 3: return &through; case 4: return "e"; case 5: elsewhere("x"); return 0; } return "x"; }`, true, false},
	{"stored by the vector", `void f(struct object *o, const struct ops **q) { q[0] = &T; q[1] = &T; }`, true, false},
	{"exchanged", `const struct ops *f(struct object *o) { return __atomic_exchange_n(&o->ops, &T, 5); }`, true, false},
	{"read from a table and stored", `static const struct object tab[2] = { { &T, 1 }, { 0, 2 } }; void f(struct object *o, int i) { o->ops = tab[i & 1].ops; }`, true, false},
	{"a table of it is passed", `static const struct object tab[2] = { { &T, 1 }, { 0, 2 } }; int f(void) { return elsewhere(tab); }`, true, false},
	{"element returned", `const int *f(int i) { return &N[i & 7]; }`, true, false},
	{"difference stored", `long f(const int *p) { return p - N; }`, true, false},

	{"passed by value", `struct pair { const void *a, *b; }; extern int take(struct pair p); int f(int x) { struct pair p = { &x, &T }; return take(p); }`, true, false},
	{"returned in two registers", `struct pair { long a; const void *b; }; struct pair f(long x) { struct pair p = { x * 3, &T }; return p; }`, true, false},
	{"returned in memory", `struct many { long a[3]; const void *b; }; struct many f(long x) { struct many p = { { x, 2, 3 }, &T }; return p; }`, true, false},
	{"a pointer that is a constant", `static const struct ops *const ptr[2] = { &T, 0 }; void f(struct object *o, int i) { o->ops = ptr[i & 1]; }`, true, false},
	{"copied with a structure", `static const struct object proto = { &T, 5 }; void f(struct object *o) { memcpy(o, &proto, sizeof proto); }`, true, false},
	{"assigned with a structure", `struct big { struct object o[6]; }; static const struct big proto = { { { &T, 5 }, { 0, 1 }, { &T, 3 } } }; void f(struct big *o) { *o = proto; }`, true, false},
	{"compare and swap", `int f(struct object *o) { const struct ops *old = &T; return __atomic_compare_exchange_n(&o->ops, &old, (const struct ops *)0, 0, 5, 5); }`, true, false},
	{"in an unlikely branch", `__attribute__((cold)) static noinline void bad(struct object *o) { o->ops = &T; elsewhere(o); } int f(struct object *o) { if (__builtin_expect(o->id > 5, 0)) { bad(o); return 1; } return 0; }`, true, false},
	{"in a loop of calls", `int f(struct object *o, int n) { const struct ops *p = &T; int s = 0; for (int i = 0; i < n; i++) { s += elsewhere("x", i); if (s & 1) s += elsewhere("y", p); } return s; }`, true, false},
	{"kept in a variable array", `int f(int n) { const void *v[n]; for (int i = 0; i < n; i++) v[i] = &T; return elsewhere(v); }`, true, false},
	{"a static variable", `int f(int x) { static const struct ops *last; int r = last == 0; last = x ? &T : 0; return r; }`, true, false},
	{"a thread's variable", `__thread const struct ops *mine; void f(void) { mine = &T; }`, true, false},
	{"through two helpers", `static noinline const struct ops *id(const struct ops *p) { return p; } static noinline void put(struct object *o, const struct ops *p) { o[1].ops = p; } void f(struct object *o) { put(o, id(&T)); }`, true, false},
	{"ordered", `int f(const int *p) { return p >= N && p < N + 8; }`, true, false},
	{"as a number", `unsigned long f(unsigned long x) { return (unsigned long)&T ^ x; }`, true, false},
	{"seventh argument of a helper", `static noinline int g(int a, int b, int c, int d, int e, int h, const struct ops *p, struct object *o) { o->ops = p; return a + b + c + d + e + h; } int f(int x, struct object *o) { return g(x, 1, x, 3, x, 5, &T, o); }`, true, false},

	{"read in many places", `long f(int x) { switch (x) { case 0: return N[3]; case 1: return N[x + 2] * 2; case 2: elsewhere("a"); return N[1]; case 3: return elsewhere("b") + N[5]; case 4: return 7; case 5: return N[x]; } return N[0]; }`, false, true},
	{"read behind a call", `int f(int x) { int i = elsewhere("x") & 7; return N[i] + elsewhere("y") * N[(i + x) & 7]; }`, false, false},
	{"summed in parallel", `int f(void) { int s = 0; for (int i = 0; i < 8; i++) s += N[i] * N[7 - i]; return s; }`, false, true},
	{"members of rows", `struct row { long key; const char *name; int n; }; static const struct row rows[3] = { { 1, "a", 5 }, { 2, "b", 6 }, { 3, "c", 7 } }; long f(long k) { for (int i = 0; i < 3; i++) if (rows[i].key == k) return rows[i].n + N[i]; return 0; }`, false, true},

	{"read", `long f(void) { return T.n; }`, false, false},
	{"read twice", `long f(int x) { long n = T.n; elsewhere("x"); return n + T.n * x; }`, false, false},
	{"called", `int f(int x) { return T.f(x); }`, false, false},
	{"indexed", `int f(int i) { return N[i & 7]; }`, false, false},
	{"indexed in a loop", `int f(int n) { int s = 0; for (int i = 0; i < n; i++) s += N[i & 7] * i; return s; }`, false, true}, // gcc 11 has N in the second register of results
	{"walked over", `int f(void) { int s = 0; for (const int *p = N; p < N + 8; p++) s = s * 3 + *p; return s; }`, false, true},
	{"searched", `int f(int x) { for (int i = 0; i < 8; i++) if (N[i] == x) return i; return -1; }`, false, false},
	{"searched over calls", `int f(int x) { int s = 0; for (int i = 0; i < 8; i++) s += elsewhere("x", N[i], x); return s; }`, false, false},
	{"doubles", `double f(int i) { return D[i & 3] * 2; }`, false, true},
	{"copied", `void f(int *to) { memcpy(to, N, sizeof N); }`, false, false},
	{"a part is compared", `int f(const void *p) { return memcmp(p, N, sizeof N); }`, false, false},
	{"printed", `void f(void) { printf("%p\n", (const void *)N); }`, false, false},
	{"read by one of the object", `static noinline int sum(const int *p, int n) { int s = 0; while (n--) s = s * 5 + *p++; return s; } int f(void) { return sum(N, 8); }`, false, true},
	{"a part of it is read by another", `static noinline long get(const struct ops *p, int x) { return p->n + x; } long f(int x) { return get(&T, x); }`, false, false},
	{"a number of a table with addresses", `static const struct object tab[2] = { { &T, 1 }, { 0, 2 } }; int f(int i) { return tab[i & 1].id + tab[1].ops->n; }`, false, false},
	{"read through a table", `static const struct object tab[2] = { { &T, 1 }, { &T, 2 } }; long f(int i) { return tab[i & 1].ops->n; }`, false, false},
	{"tested", `static noinline int sum(const int *p) { return p ? *p : 0; } int f(void) { return sum(N); }`, false, false},
}

// TestIdentity has a constant change that is used in many ways: a copy of it travels
// only where nothing but its content is read.
func TestIdentity(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "gcc")
	list := builds()
	if testing.Short() {
		list = list[:1]
	}
	for i, b := range list {
		for _, c := range testenv.Sample(i, identityCases) {
			t.Run(fmt.Sprintf("%s/%s", b, c.name), func(t *testing.T) {
				t.Parallel()
				d := compareIdentity(t, b, c.code)
				judged := false
				for _, r := range d.Refusals {
					judged = judged || r.Code == CodeConstShared
				}
				if judged != c.one && (c.one || !b.has("O0") && (!c.typed || b.has("g"))) { // without optimisation the frame has it
					t.Errorf("const-shared: %v, want %v: %v", judged, c.one, d.Refusals)
				}
				if c.one && len(d.carry()) > 0 {
					t.Errorf("copies: %v", d.carry())
				}
			})
		}
	}
}

// carry lists the constants that pre has, and that travel.
func (d *Diff) carry() (list []string) {
	for i := range d.Post.Atoms {
		if a := &d.Post.Atoms[i]; a.Kind == object.Const && d.Included(a.ID) && d.PreOf(a.ID) != object.NoAtom {
			list = append(list, a.Name)
		}
	}
	return list
}

func compareIdentity(t *testing.T, b build, code string) *Diff {
	t.Helper()
	dir := t.TempDir()
	var obj [2]string
	for i, value := range []string{"one", "two"} {
		text := identityFront
		for _, table := range identityTables {
			if strings.Contains(code, table.name) {
				text += table.text
			}
		}
		text = strings.ReplaceAll(text, "VALUE == two", []string{"0", "1"}[i])
		text = strings.ReplaceAll(text, "VALUE", value)
		obj[i] = b.compile(t, filepath.Join(dir, value), "a.c", text+code)
	}
	return mustCompare(t, obj[0], obj[1])
}
