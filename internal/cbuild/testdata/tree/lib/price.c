#include "price.h"
#include <stdio.h>

static struct tally {
	long reductions, orders;
} tally;

/* From ten pieces on, 10 % off. */
__attribute__((noinline)) long price(long pieces, long each)
{
	long sum = pieces * each;

	if (pieces > 9) {
		tally.reductions++;
		sum = sum * 10 / PERCENT;
	}
	return sum;
}

__attribute__((noinline)) void report(const char *what, long amount)
{
	printf("%s %ld (reduced %ld)\n", what, amount, tally.reductions);
	fflush(stdout);
}
