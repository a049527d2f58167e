/* functions and data that other objects refer to; new ones that each other
 * object of the patch may refer to */
#include "victim.h"

int visible = 4;
static int hidden_count[3] = { 1, 2, 3 };

int visible_sum(int n)
{
	int s = visible;
	for (int i = 0; i < 3; i++)
		s += hidden_count[i] * n;
	return s;
}

#ifdef PATCHED
int helper(int n)
{
	return visible_sum(n) * 2;
}
#endif

char *answer(int n, char *out)
{
#ifdef PATCHED
	int (*volatile f)(int) = helper;
	return num(put(out, "helped "), f(n) + visible);
#else
	return num(put(out, "sum "), visible_sum(n));
#endif
}
