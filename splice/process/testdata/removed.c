/* a static function that goes away, and one that comes */
#include "victim.h"

#ifdef PATCHED
__attribute__((noinline)) static int triple(int n) { return n * 3; }
#else
__attribute__((noinline)) static int twice(int n) { return n * 2; }
#endif

__attribute__((noinline)) static int grow(int n)
{
#ifdef PATCHED
	return triple(n) + 1;
#else
	return twice(n) + 1;
#endif
}

char *answer(int n, char *out)
{
	return num(put(out, "grow "), grow(n));
}
