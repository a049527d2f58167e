/* Words in a stack may be left of earlier calls: in a task that sleeps for good, and in the frames
 * of the one that loads the update, which has just read the code that is replaced. */
#include "update.h"

/* As many return addresses as livepatch looks at (MAX_STACK_ENTRIES). */
#define DEPTH 100

static u64 trace[DEPTH];

/* elsewhere asks the kernel's own unwinder, which livepatch relies on. What it can't unwind is in the
 * way: a task that was interrupted in the kernel, and one that runs. */
bool elsewhere(const struct range *table, const struct task_struct *task)
{
	int depth = stack_trace_save_tsk_reliable((struct task_struct *)task, trace, DEPTH);

	return depth > 0 && !words(table, trace, trace + depth);
}
