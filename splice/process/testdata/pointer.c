/* a changed function whose address the program keeps, and compares */
#include "victim.h"

volatile int zero;

__attribute__((noinline)) static int old_way(int n)
{
#ifdef PATCHED
	return n * 100;
#else
	return n + 1 + zero;
#endif
}

__attribute__((noinline)) static int other_way(int n) { return -n; }

static int (*way)(int) = old_way;
static int (*const ways[])(int) = { old_way, other_way };

__attribute__((noinline)) static char *go(int n, char *out)
{
	if (n == 9)
		way = ways[0];
#ifdef PATCHED
	if (n == 8)
		way = old_way;
#endif
	out = num(put(out, "way "), way(n));
	return put(out, way == old_way && ways[0] == way ? " known" : " unknown");
}

char *answer(int n, char *out)
{
	return go(n, out);
}
