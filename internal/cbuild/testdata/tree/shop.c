#include "price.h"
#include "tax.h"
#include <stdio.h>

int main(void)
{
	char line[80];

	report("open", rounded(1));
	while (fgets(line, sizeof line, stdin)) {
		long sum = price(12, 250);

		report("pay", sum + tax(sum));
	}
	return 0;
}
