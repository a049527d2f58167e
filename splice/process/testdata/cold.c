/* a path that gcc puts into a .cold part */
#include "victim.h"

__attribute__((cold, noinline)) static char *complain(char *out, int n)
{
	return num(put(out, "complaint "), n);
}

int limit = 50;

__attribute__((noinline)) static char *check(int n, char *out)
{
	if (__builtin_expect(n > limit, 0)) {
#ifdef PATCHED
		out = complain(out, n * 2 + 1);
		return put(out, ", politely");
#else
		out = complain(out, n);
		return put(out, ", rudely");
#endif
	}
	return num(put(out, "fine "), n);
}

char *answer(int n, char *out)
{
	return check(n, out);
}
