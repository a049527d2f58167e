/* Static functions and variables with the names of those in shapes.c. */
#include <string.h>

extern int shared_counter;
static int calls = 5;
static char buffer[64];

static int helper(int x)
{
	calls += 2;
	return x * 5 - calls;
}

__attribute__((noinline)) static int area(double x)
{
	return (int)(x * 2.0);
}

__attribute__((noinline)) static int fill(int n)
{
	static int previous = 3;

	memset(buffer, n, sizeof(buffer));
	previous += buffer[n & 63];
	return previous;
}

int beta_total(int n)
{
	int total = 0;

	for (int i = 0; i < n; i++)
		total += helper(i) + area(i * 0.5) + fill(i);
	return total + shared_counter + calls;
}
