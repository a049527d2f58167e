/* An update that replaces others (Documentation/livepatch/cumulative-patches.rst) takes
 * over their jumps too. The kernel does not call the callbacks of updates that are
 * replaced, and knows nothing of jumps. So each update with jumps has a state
 * (Documentation/livepatch/system-state.rst), which leads others to its rows. */
#include "update.h"

/* next goes over the rows of the updates that are active besides this one. */
static struct jump *next(struct list_head **l)
{
	struct jump *rows;

	do
		rows = rows_behind(l, STATE_ID);
	while (rows == jump_rows);
	return rows;
}

/* adopt notes which of our rows stand where an active one of theirs does. */
static void adopt(struct jump *theirs)
{
	for (; theirs->at; theirs++) {
		if (!theirs->active)
			continue;
		for (struct jump *ours = jump_rows; ours->at; ours++)
			if (ours->at == theirs->at) {
				ours->earlier = theirs;
				break;
			}
	}
}

void adopt_others(void)
{
	struct list_head *l = &klp_patches;
	struct jump *rows;

	while ((rows = next(&l)))
		adopt(rows);
}

/* put_back puts back what an update has left. Where a jump stays, so does the module that
 * it leads to, which would else wait for ever when it is removed (leave_jumps). */
static void put_back(struct jump *rows, struct module *update)
{
	jump_block.rows = rows;
	if (stop(WORK_PUT_BACK)) {
		say(KERN_ERR "%s: somebody else has changed %s, which an earlier update had changed; it stays as it is, and so does that update\n");
		__module_get(update);
	}
}

/* take_over_jumps ends the transition: from now on undoing a jump does not lead back to
 * theirs, and what they have left goes. */
void take_over_jumps(void)
{
	struct list_head *l = &klp_patches;
	struct jump *rows;

	for (struct jump *j = jump_rows; j->at; j++)
		if (j->earlier) {
			__builtin_memcpy(j->before, j->earlier->before, JUMP_SIZE);
			j->earlier = NULL;
		}
	while ((rows = next(&l)))
		put_back(rows, *klp_patch_mod((void *)((u64)l - KERNEL_OFFSET(klp_patch, list))));
}
