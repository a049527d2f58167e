/* What compilers write about: inlined calls in several pieces, cold parts,
 * static locals, bit-fields, anonymous members, flexible arrays, cycles. */
typedef unsigned int u32;
enum color { RED, GREEN = 5, BLUE = -1 };
struct node;
typedef int (*visit_fn)(struct node *, void *arg);
struct node {
	struct node *next;
	u32 flags : 3, kind : 5;
	union { int number; float real; };
	enum color color;
	visit_fn visit;
	const char *names[2][3];
	char tail[];
};
extern int outside(struct node *, long);
extern void fatal(const char *) __attribute__((noreturn, cold));
static int table[4] = { 1, 2, 3, 4 };
struct node *volatile head;

static inline __attribute__((always_inline)) int weight(struct node *n, int by)
{
	if (n->flags == 7)
		fatal("flags");
	return n->number * by + n->kind;
}

static inline __attribute__((always_inline)) int sum(struct node *n)
{
	int total = 0;
	for (; n; n = n->next)
		total += weight(n, 3);
	return total;
}

int walk(struct node *n, void *arg)
{
	static int calls;
	calls++;
	if (n->visit && n->visit(n, arg) > 3)
		return outside(n, calls) + table[calls & 3];
	return sum(n) - sum(head);
}

int first(enum color c)
{
	return c == BLUE ? table[0] : walk(head, 0);
}
