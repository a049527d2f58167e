/* new static and global data, zero and not */
#include "victim.h"

volatile int zero;

#ifdef PATCHED
static long sum;
long calls = 40;
static char history[5000];
const long weights[4] = { 1, 10, 100, 1000 };
static const long *chosen = &weights[2];
#endif

__attribute__((noinline)) static long count(int n)
{
#ifdef PATCHED
	if (n == 0)
		return 0;
	history[calls] = n;
	sum += n * weights[n & 3];
	calls++;
	return calls * 1000000 + sum * *chosen + history[calls - 1];
#else
	return n + zero;
#endif
}

char *answer(int n, char *out)
{
	return num(put(out, "count "), count(n));
}
