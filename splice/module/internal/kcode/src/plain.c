/* A kernel without livepatch: the jumps alone take the functions over, for all tasks at
 * once. What livepatch does besides is here: the module is held while the update is in
 * effect, and a parameter of it, "enabled", shows whether that is so, and ends it. */
#include "update.h"

WEAK int jump_pre(struct klp_object *object UNUSED) { return 0; }
WEAK int undo_jumps(void) { return 0; }
WEAK void leave_others(void) {}
WEAK bool covered(void) { return 0; }
WEAK void say(const char *format UNUSED) {}
WEAK void post_patch(struct klp_object *object UNUSED) {}
WEAK void pre_unpatch(struct klp_object *object UNUSED) {}

static enum {
	STARTS,
	ENABLED,
	IN_USE, /* undone, and the module is held since somebody runs its code */
	DISABLED,
} stage;

int enable_plain(void)
{
	int err = jump_pre(NULL);

	if (err)
		return err;
	__module_get(&__this_module);
	post_patch(NULL);
	WRITE_ONCE(stage, ENABLED);
	return 0;
}

/* refuse goes back to where disable began. */
static int refuse(int err)
{
	if (err == -EAGAIN) {
		_printk(KERN_ERR "%s: a later update replaces a function of this one again; disable that first\n", module_name);
		return -EBUSY;
	}
	say(KERN_ERR "%s: somebody else has changed %s; this update stays in effect\n");
	return err;
}

/* disable undoes the update, and lets the module go. It can be called again while the new
 * code is in use. */
static int disable(void)
{
	int err = covered() ? -EAGAIN : 0;

	if (err)
		return refuse(err);
	if (stage == ENABLED)
		pre_unpatch(NULL);
	err = undo_jumps();
	if (err && err != -EBUSY) {
		if (stage == ENABLED)
			post_patch(NULL);
		return refuse(err);
	}
	leave_others();
	WRITE_ONCE(stage, err ? IN_USE : DISABLED);
	if (err)
		say(KERN_WARNING "%s: disabled, but %s is in use by %s (%d); disable it again before this module can be removed\n");
	else
		module_put(&__this_module);
	return err;
}

/* set_enabled and get_enabled are what the parameter calls; a lock of the module's is held. */
int set_enabled(const char *value, const struct kernel_param *param UNUSED)
{
	if ((value[0] != '0' && value[0] != '1') || (value[1] && value[1] != '\n'))
		return -EINVAL;
	if (value[0] == '1')
		return stage == STARTS || stage == ENABLED ? 0 : -EINVAL; /* load it again for that */
	if (stage == DISABLED)
		return 0;
	return stage == STARTS ? -EINVAL : disable();
}

int get_enabled(char *buffer, const struct kernel_param *param UNUSED)
{
	buffer[0] = stage == ENABLED ? '1' : '0';
	buffer[1] = '\n';
	buffer[2] = 0;
	return 2;
}
