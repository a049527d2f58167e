/* a function that is inlined into two others */
#include "victim.h"

static inline __attribute__((always_inline)) int clamp(int n)
{
#ifdef PATCHED
	return n > 100 ? 100 : n < 2 ? 2 : n;
#else
	return n > 10 ? 10 : n;
#endif
}

__attribute__((noinline)) static int left(int n) { return clamp(n) * 2 + 1; }
__attribute__((noinline)) static int right(int n) { return clamp(n + 5) * 3 + 2; }

char *answer(int n, char *out)
{
	return num(put(num(put(out, "left "), left(n)), " right "), right(n));
}
