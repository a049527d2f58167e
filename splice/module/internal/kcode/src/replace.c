/* An update that replaces others (Documentation/livepatch/cumulative-patches.rst) takes
 * over their jumps too. The kernel does not call the callbacks of updates that are
 * replaced, and knows nothing of jumps. So each update with jumps has a state
 * (Documentation/livepatch/system-state.rst), which leads others to its rows. */
#include "update.h"

/* rows_of returns the rows of an update, or NULL. */
static struct jump *rows_of(const struct klp_patch *p)
{
	const struct klp_state *s = *klp_patch_states(p);

	for (; s && *klp_state_id(s); s = (void *)((u64)s + KERNEL_SIZE(klp_state)))
		if (*klp_state_id(s) == STATE_ID)
			return *klp_state_data(s);
	return NULL;
}

/* next goes over the rows of the updates that are active besides this one: those in
 * livepatch's list (kernel/livepatch/core.c), whose lock is held in callbacks. */
static struct jump *next(struct list_head **l)
{
	while ((*l = (*l)->next) != &klp_patches) {
		struct jump *rows = rows_of((void *)((u64)*l - KERNEL_OFFSET(klp_patch, list)));

		if (rows && rows != jump_rows)
			return rows;
	}
	return NULL;
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

/* put_back puts back what an update has left. */
static void put_back(struct jump *rows)
{
	jump_block.rows = rows;
	if (stop(WORK_PUT_BACK))
		say(KERN_ERR "%s: somebody else has changed %s, which an earlier update had changed; it stays as it is\n");
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
		put_back(rows);
}
