/* The end of an update that brings code along in which livepatch sees nobody: it looks for the
 * new functions on stacks (kernel/livepatch/transition.c, klp_check_stack_func), and not for their
 * parts that the compiler has set aside, nor for functions that they jump to at their end, which
 * leaves nothing of them on the stack. When the update is disabled nobody comes in any more; who is
 * in is waited for, since the memory is gone when this returns. */
#include "update.h"

/* As many return addresses as livepatch looks at (MAX_STACK_ENTRIES). */
#define DEPTH 100

static u64 trace[DEPTH];

/* elsewhere asks the kernel's own unwinder, which livepatch relies on: words in a stack may be
 * left of earlier calls, also in a task that sleeps for good. What it can't unwind is in the way. */
bool elsewhere(const struct range *table, const struct task_struct *task)
{
	int depth = stack_trace_save_tsk_reliable((struct task_struct *)task, trace, DEPTH);

	return depth > 0 && !words(table, trace, trace + depth);
}

/* look is what stop_machine calls on one processor, while all others stand still. */
static int look(void *unused UNUSED)
{
	return scan(jump_new);
}

void leave_code(void)
{
	bool told = 0;

	while (stop_machine(look, NULL, NULL)) {
		if (!told)
			say(KERN_WARNING "%s: %s is in use by %s (%d); waiting\n");
		told = 1;
		msleep(1000);
	}
}
