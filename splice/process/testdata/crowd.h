#include <sys/mman.h>

/* crowd leaves no room within 4 GiB of the program. */
static int crowd(void)
{
	unsigned long here = (unsigned long)&crowd & ~0xfffffUL;
	int n = 0;

	for (long d = -(4L << 30); d < 4L << 30; d += 1 << 20)
		n += mmap((void *)(here + d), 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED;
	for (long d = -(4L << 30); d < 4L << 30; d += 1 << 12)
		mmap((void *)(here + d), 1 << 12, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	return n > 1000;
}
