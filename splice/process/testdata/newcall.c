/* calls of library functions that the program did not use; in glibc strlen and
 * strchr are IFUNCs */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "victim.h"

const char *volatile words[] = { "", "alpha", "42 beta", "gamma" };

__attribute__((noinline)) static long measure(const char *word)
{
#ifdef PATCHED
	struct timespec now;
	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		return -1;
	return strlen(word) * 1000 + strtol(word, 0, 10) * 10 + (strchr(word, 'b') != 0) + toupper(word[0]) * 100000L;
#else
	return word[0];
#endif
}

char *answer(int n, char *out)
{
	return num(put(out, "measure "), measure(words[n & 3]));
}
