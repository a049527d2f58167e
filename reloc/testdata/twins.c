/* Functions with the same body, told apart by who calls them; and with
   data.c a pair of static functions that have the same name and body. */
__thread int other_tls = 11;
static int left_state, right_state;

__attribute__((noinline)) static int left(int x)
{
	left_state += x;
	return left_state;
}

__attribute__((noinline)) static int right(int x)
{
	right_state += x;
	return right_state;
}

__attribute__((noinline)) static int same(int x)
{
	return x * x * 17 + 4;
}

int twins(int n)
{
	int a = left(n), b = right(n + 1);

	return a * 100 + b + same(n);
}
