/* thread-local data */
#include "victim.h"

static __thread long mine = 3;
__thread int shared_tls;

__attribute__((noinline)) static long tick(int n)
{
	mine += n;
	shared_tls++;
#ifdef PATCHED
	return mine * 1000 - shared_tls;
#else
	return mine;
#endif
}

char *answer(int n, char *out)
{
	return num(put(out, "tick "), tick(n));
}
