/* a program with one function to change */
#include <stdio.h>

int rebate = 3;

__attribute__((noinline)) static int price(int pieces)
{
#ifdef PATCHED
	return pieces * 25 - (pieces > 10 ? rebate * pieces : 0);
#else
	return pieces * 25 - rebate;
#endif
}

int main(int argc, char **argv)
{
	(void)argv;
	printf("%d\n", price(argc));
	return 0;
}
