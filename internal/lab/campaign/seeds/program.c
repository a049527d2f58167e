/* A program of which two functions, a constant and a string change. */
#ifdef POST
#define RATE 9
#define TEXT "reduced"
#else
#define RATE 7
#define TEXT "full"
#endif

struct item { const char *name; long price; int (*check)(long); };

static int positive(long v) { return v > 0; }
static int small(long v) { return v < 100; }

const struct item items[] = { { "first", 10, positive }, { "second", 20, small }, { TEXT, RATE, positive } };
long sold[8];
static long total = 3;
int common_one[4];
#ifdef POST
static long added = 5;
#endif

__attribute__((noinline)) long price(long n)
{
	static long calls;
	calls++;
	switch (n) {
	case 0: return 5;
	case 1: return RATE * 3;
	case 2: return total;
	case 3: return calls;
	case 4: return sold[3];
	case 5: return common_one[1];
	default: return n * RATE;
	}
}

__attribute__((noinline)) const char *name(long n) { return n < 3 ? items[n].name : TEXT; }

__attribute__((noinline)) double share(double v) { return v * 0.25 + RATE; }

long entry(long n)
{
	long sum = total;
	for (long i = 0; i < n; i++)
		sum += items[i % 3].check(price(i)) + name(i)[0] + (long)share(i);
#ifdef POST
	sum += added;
#endif
	return sold[n & 7] = sum;
}
