#include <stdio.h>

/* Makes rate.h. */
int main(void)
{
	puts("#define RATE 19");
	return 0;
}
