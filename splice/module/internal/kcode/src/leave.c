/* The end of an update that brings code along in which livepatch sees nobody: it looks for the
 * new functions on stacks (kernel/livepatch/transition.c, klp_check_stack_func), and not for their
 * parts that the compiler has set aside, nor for functions that they jump to at their end, which
 * leaves nothing of them on the stack. When the update is disabled nobody comes in any more; who is
 * in is waited for, since the memory is gone when this returns. */
#include "update.h"

WEAK void look_on(void) {}
WEAK void forget(void) {}

/* look is what stop_machine calls on one processor, while all others stand still. */
static int look(void *unused UNUSED)
{
	return scan(jump_new);
}

void leave_code(void)
{
	bool told = 0;
	int err;

	while ((err = stop_machine(look, NULL, NULL))) {
		if (err == -EINPROGRESS) {
			look_on();
			continue;
		}
		if (!told)
			say(KERN_WARNING "%s: %s is in use by %s (%d); waiting\n");
		told = 1;
		msleep(1000);
	}
	forget();
}
