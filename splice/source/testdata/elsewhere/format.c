// SPDX-License-Identifier: GPL-2.0
#include <linux/printk.h>
#include <linux/seq_file.h>
#include "shelf.h"

static const unsigned int widths[] = { 1, 3, 9 };

static void show_row(struct seq_file *m, unsigned int length, unsigned int width)
{
	pr_debug("row of width %u\n", width);
	seq_printf(m, "%s: %u of width %u\n", SHELF_LABEL, shelf_room(length, width), width);
}

void shelf_show(struct seq_file *m, unsigned int length)
{
	unsigned int i;

	for (i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
		show_row(m, length, widths[i]);
}
