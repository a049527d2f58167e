/* Updates know of each other by states (Documentation/livepatch/system-state.rst): what
 * livepatch itself knows nothing of, such as a jump, is in rows that a state leads to. */
#include "update.h"

static void *rows_of(const struct klp_patch *p, u64 state_id)
{
	const struct klp_state *s = *klp_patch_states(p);

	for (; s && *klp_state_id(s); s = (void *)((u64)s + KERNEL_SIZE(klp_state)))
		if (*klp_state_id(s) == state_id)
			return *klp_state_data(s);
	return NULL;
}

void *rows_behind(struct list_head **l, u64 state_id)
{
	while ((*l = (*l)->next) != &klp_patches) {
		void *rows = rows_of((void *)((u64)*l - KERNEL_OFFSET(klp_patch, list)), state_id);

		if (rows)
			return rows;
	}
	return NULL;
}
