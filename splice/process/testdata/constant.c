/* a constant in code */
#include "victim.h"

__attribute__((noinline)) static long price(int n)
{
#ifdef PATCHED
	return n * 5L + 700;
#else
	return n * 3L + 7;
#endif
}

char *answer(int n, char *out)
{
	return num(put(out, "price "), price(n));
}
