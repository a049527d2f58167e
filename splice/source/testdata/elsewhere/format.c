// SPDX-License-Identifier: GPL-2.0
#include <linux/printk.h>
#include <linux/seq_file.h>
#include "shelf.h"

#define CREATE_TRACE_POINTS
#include "shelf_trace.h"

static const unsigned int widths[] = { 1, 3, 9 };

DEFINE_STATIC_KEY_FALSE(shelf_loud);
DEFINE_STATIC_KEY_TRUE(shelf_calm);

static void show_row(struct seq_file *m, unsigned int length, unsigned int width)
{
	trace_shelf_row(width);
	pr_debug("row of width %u\n", width);
	if (static_branch_unlikely(&shelf_loud))
		seq_puts(m, "loud ");
	seq_printf(m, "%s: %u of width %u\n", SHELF_LABEL, shelf_room(length, width), width);
}

void shelf_show(struct seq_file *m, unsigned int length)
{
	unsigned int i;

	for (i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
		if (static_branch_likely(&shelf_calm) || i > 0)
			show_row(m, length, widths[i]);
}
