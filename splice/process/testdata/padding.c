/* a function that is too short for a jump, but for the padding behind it */
#include "victim.h"

__attribute__((noinline, aligned(16))) static int tiny(int n)
{
#ifdef PATCHED
	return n * 50 + 3;
#else
	return n + 1;
#endif
}

__attribute__((noinline, aligned(16))) static char *show(int n, char *out)
{
	return num(put(out, "tiny "), tiny(n));
}

char *answer(int n, char *out)
{
	return show(n, out);
}
