/*
 * The part of the shop that has a bug. The server around it is server.c.
 *
 * Built by ../build.sh; see there for the compiler and its options.
 */
#include "../shop.h"

static const int prices[] = { 120, 250, 399, 1999 };

/* Static state: it must survive the update. */
static long answered;

/* BUG: ten and more pieces should be 10 % off, not 90 %. */
static __attribute__((noinline)) long total(int item, long pieces)
{
	long sum = prices[item & 3] * pieces;

	if (pieces >= 10)
		sum = sum / 10;
	return sum;
}

int answer(char *out, int size, int item, long pieces)
{
	struct text t = { out, size, 0 };

	put_text(&t, "pay ");
	put_number(&t, total(item, pieces));
	put_text(&t, " (answer ");
	put_number(&t, __atomic_add_fetch(&answered, 1, __ATOMIC_RELAXED));
	put_text(&t, ")\n");
	return t.used;
}
