/* functions too short for a jump, side by side, with padding in front of the first only */
#include "victim.h"

#ifndef PATCHED
#define PATCHED 0
#endif
#define KEEP __attribute__((noinline, weak)) /* weak: no caller knows what they do */

/* The size of this one leaves room for two jumps behind it. */
KEEP __attribute__((aligned(32))) int before(int n)
{
	return n * 3 + 1;
}

KEEP __attribute__((aligned(32))) int one(int n)
{
#if PATCHED & 1
	return before(n) + 100;
#else
	return n;
#endif
}

KEEP int two(int n)
{
#if PATCHED & 2
	return before(n) + 200;
#else
	return 0;
#endif
}

KEEP int behind(int n)
{
	return n * 5 + 2;
}

char *answer(int n, char *out)
{
	return num(put(num(put(num(put(out, ""), one(n)), " "), two(n)), " "), behind(n));
}
