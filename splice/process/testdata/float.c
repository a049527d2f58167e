/* literals of floating point, and vectors */
#include "victim.h"

double volatile rate = 2.5;

__attribute__((noinline)) static double scale(int n)
{
#ifdef PATCHED
	return n * 3.25 + rate * -0.5;
#else
	return n * 1.5 + rate;
#endif
}

__attribute__((noinline)) static long norm(const float *v)
{
	float s = 0;
	for (int i = 0; i < 8; i++)
#ifdef PATCHED
		s += v[i] * v[i] * 2.0f;
#else
		s += v[i];
#endif
	return s;
}

char *answer(int n, char *out)
{
	float v[8] = { 1, 2, 3, 4, 5, 6, 7, n };
	return num(put(num(put(out, "scale "), scale(n) * 100), " norm "), norm(v));
}
