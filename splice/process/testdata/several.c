/* several functions at once, global ones and one that calls itself */
#include "victim.h"

#ifdef PATCHED
#define STEP 7
#else
#define STEP 2
#endif

volatile int zero;

__attribute__((noinline)) int first(int n) { return n + STEP + zero; }
__attribute__((noinline)) int second(int n) { return first(n) * STEP; }
__attribute__((noinline)) static long third(int n) { return n < 2 ? STEP : third(n - 1) + third(n - 2) + first(n); }

char *answer(int n, char *out)
{
	return num(put(num(put(out, ""), second(n)), " "), third(n) + STEP);
}
