/* The exit function of a module that is patched. No tracer sees its call: when a module
 * is removed, the kernel calls what struct module has as exit (delete_module of
 * kernel/module/main.c). So that is what is written, once the transition is over, and
 * back before it is undone.
 *
 * A transition holds a reference to the module. Who removes one would else run the exit
 * function of one version with functions of the other; meanwhile, rmmod says that the
 * module is in use. And as the module was not being removed when the reference was
 * taken, nobody runs either exit function when they are exchanged. */
#include "update.h"

/* exit_of returns the exit function that a module has by the updates that are active:
 * the one of the latest, as livepatch has it for other functions. */
u64 exit_of(const struct module *module, u64 own)
{
	struct list_head *l = &klp_patches;
	struct exit_function *row;

	while ((row = rows_behind(&l, EXIT_STATE_ID)))
		for (; row->new; row++)
			if (row->active == module)
				own = row->new;
	return own;
}

bool exit_hold(struct exit_function *row, struct module *module)
{
	if (!row->held)
		row->held = try_module_get(module);
	return row->held;
}

void exit_release(struct exit_function *row, struct module *module)
{
	if (row->held)
		module_put(module);
	row->held = 0;
}

int exit_pre_patch(struct exit_function *row, struct module *module)
{
	if (READ_ONCE(*module_exit(module)) != exit_of(module, row->old)) {
		_printk(KERN_ERR "%s: the exit function of %s is not what this update was made for; it is not patched\n", module_name, row->name);
		return -EINVAL;
	}
	if (!exit_hold(row, module)) {
		_printk(KERN_ERR "%s: %s is being removed; it is not patched\n", module_name, row->name);
		return -EBUSY;
	}
	return 0;
}

void exit_post_patch(struct exit_function *row, struct module *module)
{
	row->runs = 0;
	row->active = module;
	WRITE_ONCE(*module_exit(module), exit_of(module, row->old));
	exit_release(row, module);
}

/* exit_pre_unpatch can't refuse. When the module is being removed already, the new exit
 * function runs, or will, or livepatch calls this behind it: then the module is not
 * alive for it any more (klp_module_going of kernel/livepatch/core.c). */
void exit_pre_unpatch(struct exit_function *row)
{
	struct module *module = row->active;

	if (!module)
		return;
	if (exit_hold(row, module)) {
		row->active = NULL;
		WRITE_ONCE(*module_exit(module), exit_of(module, row->old));
	} else if (READ_ONCE(*module_klp_alive(module))) {
		row->runs = 1;
	} else {
		row->active = NULL;
	}
}

void exit_post_unpatch(struct exit_function *row, struct module *module)
{
	exit_release(row, module);
	row->active = NULL;
	if (row->runs && READ_ONCE(*module_klp_alive(module))) {
		_printk(KERN_WARNING "%s: %s is being removed by the new code; this module has to stay loaded\n", module_name, row->name);
		__module_get(&__this_module);
	}
	row->runs = 0;
}
