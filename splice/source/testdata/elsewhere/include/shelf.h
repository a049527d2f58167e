/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SHELF_H
#define SHELF_H

#include <linux/jump_label.h>
#include <linux/types.h>

#define SHELF_LABEL "shelf"

struct seq_file;

/* how many books of a width there is room for, with a gap of one behind each */
static inline unsigned int shelf_room(unsigned int length, unsigned int width)
{
	return length / (width + 1);
}

DECLARE_STATIC_KEY_FALSE(shelf_loud); /* says so in each row */
DECLARE_STATIC_KEY_TRUE(shelf_calm); /* shows the first row */

unsigned int shelf_length(void);
void shelf_show(struct seq_file *m, unsigned int length);

#endif
