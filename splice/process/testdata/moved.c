/* a program that copies code into memory of another kind, at the same place, as it is done to have large pages for it */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "victim.h"

#ifdef PATCHED
#define VERSION 2
#else
#define VERSION 1
#endif

volatile int zero;

__attribute__((noinline, aligned(4096))) static int value(int n)
{
	return VERSION * 100 + n + zero;
}

__attribute__((noinline, aligned(4096))) static int move(int flags)
{
	char *copy = malloc(4096), *p;

	memcpy(copy, value, 4096);
	p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
	memcpy(p, copy, 4096);
	free(copy);
	mprotect(p, 4096, PROT_READ | PROT_EXEC);
	return mremap(p, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)value) == MAP_FAILED ? -1 : 0;
}

char *answer(int n, char *out)
{
	int r;

	switch (n) {
	case 100: r = move(MAP_SHARED); break;
	case 101: r = move(MAP_PRIVATE); break;
	default: r = value(n);
	}
	return num(out, r);
}
