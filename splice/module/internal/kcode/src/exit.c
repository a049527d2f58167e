/* The end of the module. The kernel removes no module that has a start and no end
 * (delete_module of kernel/module/main.c), so that a pinned one comes without. */
#include "update.h"

WEAK void leave_jumps(void) {}
WEAK void leave_probes(void) {}
WEAK void leave_code(void) {}

void cleanup_module(void)
{
	leave_jumps();
	leave_probes();
	leave_code();
}
