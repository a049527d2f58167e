/* Livepatch takes the functions over, task by task (Documentation/livepatch/livepatch.rst). */
#include "update.h"

int enable_livepatch(void)
{
	return klp_enable_patch(&patch);
}
