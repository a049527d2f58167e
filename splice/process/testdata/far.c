/* a change that needs nothing of the program but functions */
#define _GNU_SOURCE
#include "crowd.h"
#include "victim.h"

__attribute__((noinline)) static char *tell(int n, char *out)
{
#ifdef PATCHED
	return num(num(out, n * 3L), n * 5L);
#else
	return num(num(out, n), n * 2L);
#endif
}

char *answer(int n, char *out)
{
	return n == 102 ? num(out, crowd()) : tell(n, out);
}
