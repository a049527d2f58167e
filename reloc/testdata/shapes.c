/* Jump tables, strings, floating point constants, a cold part. */
#include <stdio.h>
#include <stdlib.h>

int shared_counter;
static int calls;

static int helper(int x)
{
	calls++;
	return x * 3 + calls;
}

__attribute__((noinline, cold)) static void fail(const char *why, int kind)
{
	fprintf(stderr, "shapes: %s: %d\n", why, kind);
	abort();
}

__attribute__((noinline)) static int area(double x)
{
	return (int)(x * x * 3.14159265358979);
}

int shapes(int kind, double x)
{
	shared_counter++;
	if (kind < 0)
		fail("negative kind", kind);
	switch (kind) {
	case 0:
		return area(x);
	case 1:
		return helper(kind) + (int)(x * 1.5);
	case 2:
		return (int)(x / 0.25) - helper(2);
	case 3:
		puts("three");
		return helper(calls);
	case 4:
		return area(x + 1.0) + helper(kind);
	case 5:
		shared_counter += 2;
		return calls;
	case 6:
		return kind * calls - helper(6);
	case 7:
		puts("seven");
		return 7;
	default:
		fail("no such kind", kind);
	}
	return -1;
}

const char *name_of(int kind)
{
	static const char *const names[] = { "circle", "square", "triangle", "three", "hexagon" };

	if (kind < 0 || kind >= (int)(sizeof(names) / sizeof(names[0])))
		return "unknown shape";
	return names[kind];
}
