#include "tax.h"

__attribute__((noinline)) long tax(long amount)
{
	return amount * 19 / 100 + (amount % 100 != 0 ? 3 : 1);
}
