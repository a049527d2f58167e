/* a library function whose address is in data that the program changes: a new
 * call has to go to the function, and not to what the data holds now */
#include <ctype.h>
#include "victim.h"

static int next(int c) { return c + 1; }

int (*volatile change)(int) = toupper;

__attribute__((noinline)) static int apply(int n)
{
#ifdef PATCHED
	return toupper('a' + n) + 1000;
#else
	return change('a' + n);
#endif
}

char *answer(int n, char *out)
{
	if (n == 1)
		change = next;
	return num(put(out, "change "), apply(n));
}
