/* The library that is patched: compiled without and with -DPATCHED. */
volatile int zero;

__attribute__((noinline)) static int base(int n)
{
#ifdef PATCHED
	return n + 200 + zero;
#else
	return n + 100 + zero;
#endif
}

int value(int n)
{
	return base(n) + base(n + zero) - base(n);
}
