// SPDX-License-Identifier: GPL-2.0
/* How long the shelf is: a module of its own, which shelf.ko needs. */
#include <linux/module.h>
#include <linux/printk.h>
#include "shelf.h"

static unsigned int length = 100;
module_param(length, uint, 0444);

unsigned int shelf_length(void)
{
	if (WARN_ON_ONCE(length > 100000))
		return 0;
	return length;
}
EXPORT_SYMBOL_GPL(shelf_length);

MODULE_DESCRIPTION("how long a shelf is");
MODULE_LICENSE("GPL");
