package elfdiff

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// stackSources use a structure, in whose layout MORE makes a difference. Each is in C,
// with what is common in front of it; proven says whether it lives on stacks only.
var stackSources = []struct {
	name   string
	proven bool
	text   string
}{
	{"variable", true, `
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); hide(&c); return c.a + c.b; }`},
	{"passed down", true, `
static __attribute__((noinline)) long step(struct ctx *c) { MORE_SET((*c)); c->a++; return outside(c->a) + c->b; }
static __attribute__((noinline)) long steps(struct ctx *c) { return step(c) + step(c); }
long entry(long a) { struct ctx c = { .a = a }; long r = steps(&c); MORE_SET(c); hide(&c); return r + c.a; }
long other(long a) { struct ctx c = { .b = a }; MORE_SET(c); hide(&c); return step(&c); }`},
	{"passed down inline", true, `
static inline long step(struct ctx *c) { MORE_SET((*c)); c->a++; return outside(c->a) + c->b; }
long entry(long a) { struct ctx c = { .a = a }; hide(&c); return step(&c); }`},
	{"passed down to what is the same", true, `
static __attribute__((noinline)) long step(struct ctx *c) { c->a++; return outside(c->a); }
long entry(long a) { struct ctx c = { .a = a }; long r = step(&c); MORE_SET(c); hide(&c); return r + step(&c); }`},
	{"array", true, `
long entry(long a) { struct ctx c[3] = { { .a = a } }; MORE_SET(c[1]); hide(c); return c[0].a + c[2].b; }`},
	{"in another", true, `
struct two { struct ctx c, d; };
long entry(long a) { struct two t = { { .a = a } }; MORE_SET(t.d); hide(&t); return t.c.a + t.d.b; }`},
	{"typedef", true, `
typedef struct ctx ctx_t;
static __attribute__((noinline)) long step(ctx_t *c) { MORE_SET((*c)); return outside(c->a) + c->b; }
long entry(long a) { const ctx_t *p(void); ctx_t c = { .a = a }; MORE_SET(c); hide(&c); return step(&c); }`},

	{"owner is the same", false, `
#ifdef POST
struct pair { long b, a; };
#else
struct pair { long a, b; };
#endif
static __attribute__((noinline)) void init(struct pair *p, long a) { p->a = a; p->b = outside(1); }
static __attribute__((noinline)) long sum(struct pair *p) { return p->a + 3 * outside(p->b); }
long entry(long a) { struct pair p; init(&p, a); outside(3); return sum(&p); }`},
	{"owner is new", false, `
static __attribute__((noinline)) long step(struct ctx *c) { MORE_SET((*c)); return outside(c->a) + c->b; }
#ifdef POST
static __attribute__((noinline)) long more(long a) { struct ctx c = { .a = a }; hide(&c); return step(&c); }
long other(long a) { return more(a) + 1; }
#else
long other(long a) { return a; }
#endif
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); hide(&c); return step(&c); }`},
	{"heap", false, `
long entry(long a) { struct ctx *c = malloc(sizeof *c); c->a = a; MORE_SET((*c)); long r = outside(c->a); free(c); return r; }`},
	{"copied to memory", false, `
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); hide(&c); copy(keep, &c, sizeof c); return c.a; }
long other(void) { struct ctx c; copy(&c, keep, sizeof c); MORE_SET(c); hide(&c); return c.a; }`},
	{"cleared", true, `
long entry(long a) { struct ctx c; memset(&c, 0, sizeof c); MORE_SET(c); hide(&c); return c.a; }`},
	{"by value", false, `
__attribute__((noinline)) struct ctx get(long a) { struct ctx c = { .a = a }; MORE_SET(c); hide(&c); return c; }
long entry(long a) { return get(a).a + get(2).b; }`},
	{"in a union", false, `
union any { struct ctx c; char raw[64]; } *shared;
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); hide(&c); shared->c = c; return c.a; }`},
	{"at the end of another", false, `
struct head { int n; struct ctx c[]; };
long entry(long a, struct head *h) { struct ctx c = { .a = a }; MORE_SET(c); hide(&c); h->c[2] = c; return c.a; }`},
	{"function in memory", false, `
static long step(struct ctx *c) { MORE_SET((*c)); return outside(c->a); }
struct ops { long (*step)(struct ctx *); } ops = { step };
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); hide(&c); return ops.step(&c) + ops.step(keep); }`},
	{"heap and stack", false, `
static __attribute__((noinline)) long step(struct ctx *c) { MORE_SET((*c)); return outside(c->a); }
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); hide(&c); return step(&c); }
long other(void) { return step(keep); }
void start(void) { keep = malloc(sizeof(struct ctx)); }`},
	{"heap by a name of nothing", false, `
static __attribute__((noinline)) long step(struct ctx *c) { MORE_SET((*c)); return outside(c->a); }
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); hide(&c); return step(&c) + step(keep); }
void start(void) { keep = malloc(sizeof(struct ctx)); }`},
	{"somebody else's", false, `
static __attribute__((noinline)) long step(long n, struct ctx *c) { MORE_SET((*c)); return outside(c->a + n); }
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); hide(&c); long r = step(3, &c); return keep ? step(r, keep) : r; }`},
	{"what another returned", false, `
void *find(long);
static __attribute__((noinline)) long step(struct ctx *c) { MORE_SET((*c)); return outside(c->a); }
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); hide(&c); return step(&c) + step(find(a)); }`},
	{"many parameters", true, `
static __attribute__((noinline)) long step(long *x, struct ctx *c, long y) { MORE_SET((*c)); c->b += y; return outside(c->a + *x); }
long entry(long *a) { struct ctx c = { .a = *a }; MORE_SET(c); hide(&c); return step(keep, &c, *a) + step(a, &c, a[3]); }`},
	{"of each task", false, `
struct task { void *data; }; extern struct task *me;
static inline long step(struct ctx *c) { MORE_SET((*c)); return outside(c->a); }
long entry(long a) { return step(me->data); }
long other(long a) { struct ctx c = { .a = a }; MORE_SET(c); hide(&c); return c.a; }`},
	{"static", false, `
static struct ctx c;
long entry(long a) { c.a = a; MORE_SET(c); hide(&c); return c.a; }`},
	{"static in a function", false, `
long entry(long a) { static struct ctx c; c.a = a; MORE_SET(c); hide(&c); return c.a; }`},
	{"thread-local", false, `
long entry(long a) { static __thread struct ctx c; c.a = a; MORE_SET(c); hide(&c); return c.a; }`},
	{"pointer in memory", false, `
static struct ctx *last;
long entry(long a) { struct ctx c = { .a = a }; last = &c; MORE_SET(c); hide(&c); return outside(c.a); }`},
	{"pointer in another", false, `
struct task { struct ctx *c; };
long entry(long a) { struct ctx c = { .a = a }; struct task t = { &c }; MORE_SET(c); hide(&t); return outside(c.a); }`},
	{"pointer in one without a name", false, `
struct task { int n; struct { struct ctx *c; } in; } *now;
long entry(long a) { struct ctx c = { .a = a }; now->in.c = &c; MORE_SET(c); hide(&now); return outside(c.a); }`},
	{"in one of a function", false, `
long entry(long a) { struct in { struct ctx c; } *t = keep; MORE_SET(t->c); hide(t); struct ctx c = t->c; hide(&c); return outside(c.a); }`},
	{"list", false, `
struct list { struct list *next, *prev; };
struct node { struct list l; struct ctx c; };
long entry(long a) { struct node n = { .c = { .a = a } }; MORE_SET(n.c); hide(&n); return outside(n.c.a); }`},
	{"found by its list", false, `
struct list { struct list *next; } *head;
struct node { struct list l; long a; MORE long b; };
static __attribute__((noinline)) long step(struct node *n) { n->a++; return outside(n->b); }
long wake(void) { return step((struct node *)head->next); }
long entry(long a) { struct node c = { .a = a }; MORE_SET(c); hide(&c); struct ctx x = { a }; MORE_SET(x); hide(&x); return step(&c) + x.a; }`},
	{"callback", false, `
static int call(void *data) { struct ctx *c = data; MORE_SET((*c)); return outside(c->a) + c->b; }
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); later(call, &c); return c.a; }`},
	{"callback of a walk", true, `
static int call(void *data) { struct ctx *c = data; MORE_SET((*c)); c->b++; return outside(c->a) + c->b; }
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); walk_tree(call, &c); return c.a; }`},
	{"callback of a table that is walked", true, `
static int call(void *data) { struct ctx *c = data; MORE_SET((*c)); c->b++; return outside(c->a) + c->b; }
static const struct ops { int (*call)(void *); } ops = { call };
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); walk_by(&ops, &c); return c.a; }`},
	{"callback of a walk, and of others", false, `
static int call(void *data) { struct ctx *c = data; MORE_SET((*c)); c->b++; return outside(c->a) + c->b; }
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); walk_tree(call, &c); later(call, keep); return c.a; }`},
	{"callback of a walk by another", false, `
static int call(void *data) { struct ctx *c = data; MORE_SET((*c)); c->b++; return outside(c->a) + c->b; }
long other(void) { return walk_tree(call, keep); }
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); walk_tree(call, &c); return c.a; }`},
	{"callback of a walk over the heap", false, `
static int call(void *data) { struct ctx *c = data; MORE_SET((*c)); c->b++; return outside(c->a) + c->b; }
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); hide(&c); return walk_tree(call, keep) + c.a; }`},
	{"callback of a table in memory", false, `
static int call(void *data) { struct ctx *c = data; MORE_SET((*c)); c->b++; return outside(c->a) + c->b; }
static struct ops { int (*call)(void *); } ops = { call };
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); walk_by(&ops, &c); return c.a; }`},
	{"callback called", false, `
static __attribute__((noinline)) int call(void *data) { struct ctx *c = data; MORE_SET((*c)); c->b++; return outside(c->a) + c->b; }
long other(void) { return call(keep); }
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); walk_tree(call, &c); return c.a; }`},
	{"callback of the type", false, `
static int call(struct ctx *c) { MORE_SET((*c)); return outside(c->a) + c->b; }
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); later((int (*)(void *))call, &c); return c.a; }`},
	{"callback inline", false, `
static inline long step(struct ctx *c) { MORE_SET((*c)); return outside(c->a) + c->b; }
static int call(void *data) { return step(data); }
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); later(call, &c); return c.a; }`},
	{"callback out of line", false, `
static __attribute__((noinline)) long step(struct ctx *c) { MORE_SET((*c)); return outside(c->a) + c->b; }
static int call(void *data) { return step(data); }
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); later(call, &c); return c.a; }`},
	{"callback by a cast", false, `
static int call(void *data) { return outside(((struct ctx *)data)->a) + ((struct ctx *)data)->b; }
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); later(call, &c); return c.a; }`},
	{"returned", false, `
static __attribute__((noinline)) struct ctx *get(void *p) { return p; }
long entry(long a) { MORE_SET((*get(keep))); struct ctx c = { a }; MORE_SET(c); hide(&c); return get(keep)->a + c.a; }`},
	{"global function", false, `
long step(struct ctx *c) { MORE_SET((*c)); return outside(c->a) + c->b; }
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); hide(&c); return step(&c); }`},
	{"pointer to a pointer", false, `
static __attribute__((noinline)) long step(struct ctx **c) { MORE_SET((**c)); return outside((*c)->a) + (*c)->b; }
long entry(long a) { struct ctx c = { .a = a }; MORE_SET(c); hide(&c); return step((struct ctx **)keep); }`},
}

// stackFront is common to all, and in pre and post.
const stackFront = `
typedef unsigned long size_t; void *malloc(size_t), free(void *), hide(void *), fill(void *, int), *keep; long outside(long); int later(int (*)(void *), void *); void *memset(void *, int, size_t), copy(void *, const void *, size_t); int walk_tree(int (*)(void *), void *), walk_by(const void *, void *);
struct ctx { long a; MORE long b; };
`

// stackDiff compiles and compares a source.
func stackDiff(t *testing.T, b build, text string) *Diff {
	t.Helper()
	dir := t.TempDir()
	return mustCompare(t,
		b.compile(t, filepath.Join(dir, "pre"), "unit.c", "#define MORE\n#define MORE_SET(x)\n"+stackFront+text),
		b.compile(t, filepath.Join(dir, "post"), "unit.c", "#define POST\n#define MORE long more;\n#define MORE_SET(x) (x).more = (x).a * 3 + 1\n"+stackFront+text))
}

// stackBuilds are ways to compile them; a short run has the first.
var stackBuilds = []build{
	{"gcc", append([]string{"-O2", "-g"}, sectionFlags...)},
	{"gcc", append([]string{"-O0", "-g"}, sectionFlags...)},
	{"gcc", []string{"-Os", "-gdwarf-4", "-fPIC"}},
	{"clang-14", append([]string{"-O2", "-g"}, sectionFlags...)},
}

// TestOnStack proves that a structure is on stacks only, and does not where it is not.
// What is proven is in no update's way.
func TestOnStack(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "gcc")
	for i, b := range stackBuilds {
		if i > 0 && testing.Short() {
			break
		}
		t.Run(b.String(), func(t *testing.T) {
			t.Parallel()
			testenv.Need(t, b.cc)
			for _, c := range testenv.Sample(i, stackSources) {
				list, err := stackDiff(t, b, c.text).Types()
				if err != nil {
					t.Fatal(err)
				}
				either := c.proven && b.has("O0") && strings.HasPrefix(c.name, "callback") // it moves addresses about
				matters, proven := 0, 0
				for i := range list {
					if !list[i].Matters() {
						continue
					}
					matters++
					if list[i].OnStack {
						proven++
					}
					f := list[i].Finding()
					if (f.Severity == Carried && f.Accept == "") != list[i].OnStack || strings.Contains(f.Message, "lives on stacks only") != list[i].OnStack {
						t.Errorf("%s: %+v", c.name, f)
					}
				}
				if !either && (matters == 0 && c.proven || (matters > 0 && proven == matters) != c.proven) {
					t.Errorf("%s: of %d that matter, %d are on stacks only; want %v: %v", c.name, matters, proven, c.proven, list)
				}
			}
		})
	}
}
