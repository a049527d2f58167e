/* Function pointers in data, tables of constants. */
typedef int (*operation)(int, int);

static int add(int a, int b) { return a + b; }
static int sub(int a, int b) { return a - b; }
static int mul(int a, int b) { return a * b; }
static int both(int a, int b) { return a ^ (b << 3); }

static const struct { const char *name; operation fn; int weight; } operations[] = {
	{ "add", add, 1 }, { "sub", sub, 2 }, { "mul", mul, 3 },
};
static operation chosen = both;
static const long weights[] = { 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3 };

__attribute__((noinline)) static int same(int x)
{
	return x * x * 17 + 4;
}

int dispatch(int op, int a, int b)
{
	int n = sizeof(operations) / sizeof(operations[0]);

	if (op < 0)
		return chosen(a, b);
	return operations[op % n].fn(a, b) * operations[op % n].weight + operations[op % n].name[0] + same(op);
}

long table_sum(void)
{
	long sum = 0;

	for (unsigned i = 0; i < sizeof(weights) / sizeof(weights[0]); i++)
		sum += weights[i] * (i + 1);
	return sum;
}
