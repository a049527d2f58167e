/* The main program: calls everything once, so that nothing is dropped. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int shapes(int kind, double x);
const char *name_of(int kind);
int beta_total(int n);
int thread_sum(int n);
int twins(int n);
int dispatch(int op, int a, int b);
long table_sum(void);
extern int shared_counter;

static int helper(int x)
{
	return x * 7 + shared_counter;
}

int main(int argc, char **argv)
{
	int n = argc + (argc > 1 ? (int)strlen(argv[1]) : 0);

	printf("%d %s\n", shapes(n, 2.5), name_of(n));
	printf("%d %d %d\n", beta_total(n), thread_sum(n), twins(n));
	printf("%d %ld %d\n", dispatch(n, 3, 4), table_sum(), helper(n));
	fflush(stdout);
	if (argc > 2)
		pause();
	return 0;
}
