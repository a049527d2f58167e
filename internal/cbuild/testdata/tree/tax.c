#include "rate.h"
#include "tax.h"

__attribute__((noinline)) long tax(long amount)
{
	return amount * RATE / 100 + (amount % 100 != 0 ? 3 : 1);
}
