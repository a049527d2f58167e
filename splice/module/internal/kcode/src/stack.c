/* Updates for kernels without livepatch stand over each other: a jump goes where an earlier
 * update has written one, and puts that back when it is undone. The earlier one is held
 * until then, and can't be disabled. */
#include "update.h"

static bool equal(const char *a, const char *b)
{
	for (; *a == *b; a++, b++)
		if (!*a)
			return 1;
	return 0;
}

static struct account *account_of(const struct module *module)
{
	const struct kernel_param *p = *module_kp(module);

	for (u32 n = *module_num_kp(module); n; n--) {
		if (equal(*kernel_param_name(p), ACCOUNT))
			return *kernel_param_arg(p);
		p = (void *)((u64)p + KERNEL_SIZE(kernel_param));
	}
	return NULL;
}

/* leads_to returns where the jump at a place leads, or 0. */
static u64 leads_to(const u8 *at)
{
	s32 distance;

	if (at[0] != JMP_REL32)
		return 0;
	__builtin_memcpy(&distance, at + 1, sizeof(distance));
	return (u64)at + JUMP_SIZE + (u64)(s64)distance;
}

static void hold(struct jump *ours, struct account **whose, struct account *theirs)
{
	for (struct jump *j = theirs->rows; j->at; j++) {
		if (j->at != ours->at || !j->active || !try_module_get(theirs->module))
			continue;
		__atomic_fetch_add(&theirs->above, 1, __ATOMIC_SEQ_CST);
		ours->earlier = j;
		*whose = theirs;
		return;
	}
}

/* adopt_accounts notes which of our rows stand where an active one of another update does.
 * Whether that is so still is seen while the machine is stopped. */
void adopt_accounts(void)
{
	mutex_lock(&module_mutex);
	for (u64 i = 0; jump_rows[i].at; i++) {
		const struct module *module = __module_address(leads_to(jump_rows[i].at));
		struct account *theirs = module ? account_of(module) : NULL;

		if (theirs && theirs != &account)
			hold(&jump_rows[i], &jump_accounts[i], theirs);
	}
	mutex_unlock(&module_mutex);
}

/* scan_others looks for who is in the code of updates that we stand over. */
int scan_others(void)
{
	int err = 0;

	for (u64 i = 0; !err && jump_rows[i].at; i++)
		if (jump_accounts[i] && (!i || jump_accounts[i] != jump_accounts[i - 1]))
			err = scan(jump_accounts[i]->code);
	return err;
}

/* leave_others lets them go, once their jumps are in place again. */
void leave_others(void)
{
	for (u64 i = 0; jump_rows[i].at; i++) {
		struct account *theirs = jump_accounts[i];

		if (!theirs)
			continue;
		jump_accounts[i] = NULL;
		jump_rows[i].earlier = NULL;
		__atomic_fetch_sub(&theirs->above, 1, __ATOMIC_SEQ_CST);
		module_put(theirs->module);
	}
}

bool covered(void)
{
	return READ_ONCE(account.above) != 0;
}
