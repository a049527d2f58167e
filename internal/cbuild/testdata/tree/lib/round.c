#include "price.h"

__attribute__((noinline)) long rounded(long amount)
{
	return (amount + 50) / 100 * 100;
}
