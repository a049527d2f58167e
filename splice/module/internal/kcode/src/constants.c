/* Constants are overwritten while all other processors stand still: how many bytes
 * text_poke writes at once is not said, and who reads a pointer must not find a half
 * of another. */
#include "update.h"

static int copy_stopped(void *table)
{
	copy(table);
	return 0;
}

static void copy_while_stopped(const struct copy *table)
{
	mutex_lock(&text_mutex);
	stop_machine(copy_stopped, (void *)table, NULL); /* on any processor */
	mutex_unlock(&text_mutex);
}

void write_constants(void)
{
	copy_while_stopped(writes);
}

void restore_constants(void)
{
	copy_while_stopped(restores);
}
