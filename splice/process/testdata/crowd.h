#include <sys/mman.h>

/* taken maps memory so that nobody else can. */
static int taken(unsigned long at, unsigned long size)
{
	return mmap((void *)at, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED;
}

/* crowd leaves no room within 4 GiB of the program. */
static int crowd(void)
{
	const long chunk = 1 << 20, page = 1 << 12;
	unsigned long here = (unsigned long)&crowd & ~(chunk - 1UL);

	for (long d = -(4L << 30); d < 4L << 30; d += chunk)
		if (!taken(here + d, chunk))
			for (long p = 0; p < chunk; p += page)
				taken(here + d + p, page);
	return 1;
}
