/* Types that differ in post.c, and types that do not. The functions at the end
 * differ too, so that they use them. */
typedef unsigned int u32;
typedef u32 count_t;

struct grown { int a; char *b; };
struct moved { int first; int second; long third; };
struct retyped { u32 n; void *p; };
struct renamed { int old_name; int other; };
struct flags { unsigned one : 1, two : 3, three : 4; };
struct either { int kind; union { int number; float real; struct { short lo, hi; }; }; };
struct table { int rows[4][3]; char name[8]; };
struct flex { int n; struct grown items[]; };
struct list { struct list *next, *prev; struct owner *owner; };
struct owner { struct list list; int id; };
struct ops { int (*open)(struct list *, int); void (*close)(struct list *); };
struct outer { int x; struct grown inner; int y; };
typedef struct { int a, b; } nameless_t;
enum state { IDLE, RUNNING, DEAD = 10 };
enum { LIMIT = 16, LEVELS = 3 };
union word { u32 all; unsigned char bytes[4]; };
struct far_away { int value; };
struct near_by { struct far_away *far; };
struct unused { int a; };
struct same { const count_t n; struct same *next; int (*f)(struct same *); };

extern int outside(struct grown *, int);
extern int steady(struct same *, ...);

struct pile { long top; };
struct heap { struct pile pile; int after; };
struct unused *nobody(struct unused *u) { return u; }

struct ops ops = { 0, 0 };
struct owner *current_owner;

int use(struct grown *g, struct moved *m, struct retyped *r, struct renamed *n)
{
	return outside(g, 1) + m->second + (int)r->n + n->old_name + 1000;
}

int use_more(struct flags *f, struct either *e, struct table *t, struct flex *x, union word *w)
{
	return f->three + e->number + t->rows[1][2] + x->n + w->bytes[1] + 1000;
}

int use_state(enum state s, nameless_t *t, struct outer *o, struct same *m)
{
	return s == DEAD ? t->b : o->y + steady(m, LIMIT) + 1000;
}

int use_ops(struct list *l)
{
	return ops.open ? ops.open(l, 3) : current_owner->id + l->owner->id + 1000;
}

int signature(int a, struct near_by *b)
{
	return a + b->far->value + 1000;
}

static __attribute__((noinline)) int local(int n)
{
	return n * 3;
}

int use_heap(struct heap *h)
{
	return (int)(h->pile.top + local(h->after)) + 1000;
}
