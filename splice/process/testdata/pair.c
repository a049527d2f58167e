/* functions that have to agree: whoever sees the old one of one() has to see
 * the old one of two() as well. both() changes too, so that no thread may be
 * between the two when they are replaced. */
#include "victim.h"

static volatile long mixed, odd;
volatile int zero;

__attribute__((noinline)) static int one(int n)
{
#ifdef PATCHED
	return n + 200 + zero;
#else
	return n + 100 + zero;
#endif
}

__attribute__((noinline)) static int two(int n)
{
#ifdef PATCHED
	return n + 200 - zero;
#else
	return n + 100 - zero;
#endif
}

__attribute__((noinline)) static int both(int n)
{
	int a = one(n), b = two(n);

	if (a != b)
		mixed++;
	if (a != n + 100 && a != n + 200)
		odd++;
#ifdef PATCHED
	return a + zero;
#else
	return b - zero;
#endif
}

char *answer(int n, char *out)
{
	out = num(put(out, both(n) == n + 100 ? "old " : both(n) == n + 200 ? "new " : "changing "), mixed);
	return num(put(out, " "), odd);
}
