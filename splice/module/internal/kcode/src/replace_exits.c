/* An update that replaces others takes over the exit functions of modules too: see
 * replace.c. What it has none for gets back its own. */
#include "update.h"

WEAK int patch_pre_patch(struct klp_object *object UNUSED) { return 0; }
WEAK void patch_post_unpatch(struct klp_object *object UNUSED) {}

static struct exit_function *next(struct list_head **l)
{
	struct exit_function *rows;

	do
		rows = rows_behind(l, EXIT_STATE_ID);
	while (rows == exit_rows);
	return rows;
}

static void release_others(void)
{
	struct list_head *l = &klp_patches;
	struct exit_function *row;

	while ((row = next(&l)))
		for (; row->new; row++)
			if (row->active)
				exit_release(row, row->active);
}

/* hold_others keeps the modules from being removed while tasks leave the code of the
 * others. */
static int hold_others(void)
{
	struct list_head *l = &klp_patches;
	struct exit_function *row;

	while ((row = next(&l)))
		for (; row->new; row++)
			if (row->active && !exit_hold(row, row->active)) {
				_printk(KERN_ERR "%s: %s is being removed; nothing was patched\n", module_name, row->name);
				release_others();
				return -EBUSY;
			}
	return 0;
}

/* put_back ends the part of one row. Its module may have come after hold_others, and may
 * be on its way already: then the code of the other update may run still. */
static void put_back(struct exit_function *row, struct module *update)
{
	struct module *module = row->active;

	row->active = NULL;
	if (!exit_hold(row, module)) {
		_printk(KERN_WARNING "%s: %s is being removed by the code of an earlier update, which has to stay loaded\n", module_name, row->name);
		__module_get(update);
		return;
	}
	WRITE_ONCE(*module_exit(module), exit_of(module, row->old));
	exit_release(row, module);
}

/* take_over_exits ends the transition, before the modules' own callbacks. */
void take_over_exits(void)
{
	struct list_head *l = &klp_patches;
	struct exit_function *row;

	while ((row = next(&l)))
		for (; row->new; row++)
			if (row->active)
				put_back(row, *klp_patch_mod((void *)((u64)l - KERNEL_OFFSET(klp_patch, list))));
}

/* The callbacks of the kernel itself, around those of the patch. */
int exits_pre_patch(struct klp_object *object)
{
	int err = hold_others();

	if (err)
		return err;
	err = patch_pre_patch(object);
	if (err)
		release_others();
	return err;
}

void exits_post_unpatch(struct klp_object *object)
{
	release_others();
	patch_post_unpatch(object);
}
