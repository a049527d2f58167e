/* Constants are overwritten while all other processors stand still: how many bytes
 * text_poke writes at once is not said, and who reads a pointer must not find a half
 * of another. */
#include "update.h"

static int copy_stopped(void *table)
{
	copy(table);
	return 0;
}

/* The order of the locks is that of stop in jump.c: who brings a processor up or down
 * holds the first, and may come to want the second. */
void copy_while_stopped(const struct copy *table)
{
	cpus_read_lock();
	mutex_lock(&text_mutex);
	stop_machine_cpuslocked(copy_stopped, (void *)table, NULL); /* on any processor */
	mutex_unlock(&text_mutex);
	cpus_read_unlock();
}

void write_constants(void)
{
	copy_while_stopped(writes);
}

void restore_constants(void)
{
	copy_while_stopped(restores);
}
