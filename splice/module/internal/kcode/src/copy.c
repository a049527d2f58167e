/* Memory that can't be written to is written as the kernel writes to text. */
#include "update.h"

void copy(const struct copy *row)
{
	for (; row->to; row++)
		text_poke(row->to, row->from, row->size);
}

void copy_locked(const struct copy *table)
{
	mutex_lock(&text_mutex);
	copy(table);
	mutex_unlock(&text_mutex);
}

void copy_at_load(void)
{
	copy_locked(copies);
}
