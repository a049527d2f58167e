/* Thread-local storage: local, hidden and global. */
static __thread int mine;
static __thread int seeded = 42;
__thread long global_tls = 7;
extern __thread int other_tls;

__attribute__((noinline)) static int bump(int by)
{
	mine += by;
	return mine + seeded;
}

__attribute__((noinline)) int *tls_place(void)
{
	return &seeded;
}

int thread_sum(int n)
{
	int sum = 0;

	for (int i = 0; i < n; i++)
		sum += bump(i) + (int)global_tls + other_tls;
	global_tls += sum;
	*tls_place() += 1;
	seeded += n;
	return sum;
}
