/* static data whose value must survive */
#include "victim.h"

static int total = 5;

__attribute__((noinline)) static long next(int n)
{
	static long seen;
	static char last[16] = "abc";

	if (n == 0)
		return seen;
	seen++;
	total += n;
	last[0] = 'a' + seen % 26;
#ifdef PATCHED
	return seen * 10000 + total * 100 + (last[0] - 'a');
#else
	return seen * 1000 + total + last[0];
#endif
}

char *answer(int n, char *out)
{
	return num(put(out, "next "), next(n));
}
