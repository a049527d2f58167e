/* Types that differ in pre.c, and types that do not. The functions at the end
 * differ too, so that they use them. */
typedef unsigned int u32;
typedef unsigned int count_t;

struct grown { int a; int added; char *b; };
struct moved { int second; int first; long third; };
struct retyped { int n; void *p; };
struct renamed { int new_name; int other; };
struct flags { unsigned one : 1, two : 4, three : 3; };
struct either { int kind; union { int number; float real; struct { short hi, lo; }; }; };
struct table { int rows[4][4]; char name[8]; };
struct flex { int n; struct grown items[]; };
struct list { struct list *next, *prev; struct owner *owner; };
struct owner { struct list list; int id; };
struct ops { int (*open)(struct list *, long); void (*close)(struct list *); };
struct outer { int x; struct grown inner; int y; };
typedef struct { int a; short b; } nameless_t;
enum state { IDLE, PAUSED, RUNNING, DEAD = 10 };
enum { LIMIT = 32, LEVELS = 3 };
union word { u32 all; unsigned char bytes[8]; };
struct far_away { int pad, value; };
struct near_by { struct far_away *far; };
struct unused { int a, b; };
struct same { u32 n; struct same *next; int (*f)(struct same *); };

extern int outside(struct grown *, long);
extern int steady(struct same *, ...);

struct pile { long top; int more; };
struct heap { struct pile pile; int after; };
struct unused *nobody(struct unused *u) { return u; }

struct ops ops = { 0, 0 };
struct owner *current_owner;

int use(struct grown *g, struct moved *m, struct retyped *r, struct renamed *n)
{
	return outside(g, 1) + m->second + (int)r->n + n->new_name + 2000;
}

int use_more(struct flags *f, struct either *e, struct table *t, struct flex *x, union word *w)
{
	return f->three + e->number + t->rows[1][2] + x->n + w->bytes[1] + 2000;
}

int use_state(enum state s, nameless_t *t, struct outer *o, struct same *m)
{
	return s == DEAD ? t->b : o->y + steady(m, LIMIT) + 2000;
}

int use_ops(struct list *l)
{
	return ops.open ? ops.open(l, 3) : current_owner->id + l->owner->id + 2000;
}

int signature(int a, struct near_by *b, long c)
{
	return (int)c + a + b->far->value + 2000;
}

static __attribute__((noinline)) long local(int n)
{
	return n * 5;
}

int use_heap(struct heap *h)
{
	return (int)(h->pile.top + local(h->after)) + 2000;
}
