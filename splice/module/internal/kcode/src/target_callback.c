/* The callbacks of a module: linked once for each module that is patched, with a target of
 * its own. What only some have is in objects of its own. */
#include "update.h"

extern const struct target target;

WEAK int exit_pre_patch(struct exit_function *row UNUSED, struct module *module UNUSED) { return 0; }
WEAK void exit_post_patch(struct exit_function *row UNUSED, struct module *module UNUSED) {}
WEAK void exit_pre_unpatch(struct exit_function *row UNUSED) {}
WEAK void exit_post_unpatch(struct exit_function *row UNUSED, struct module *module UNUSED) {}
WEAK void exit_release(struct exit_function *row UNUSED, struct module *module UNUSED) {}
WEAK void copy_locked(const struct copy *table UNUSED) {}
WEAK void copy_while_stopped(const struct copy *table UNUSED) {}
WEAK void set_rows(struct setting *s UNUSED) {}
WEAK void unset_rows(struct setting *s UNUSED) {}
WEAK int jumps_pre_patch(const struct target *of UNUSED, bool coming UNUSED) { return 0; }
WEAK void jumps_post_unpatch(const struct target *of UNUSED, bool there UNUSED) {}
WEAK int patch_pre_patch(struct klp_object *object UNUSED) { return 0; }
WEAK void patch_post_patch(struct klp_object *object UNUSED) {}
WEAK void patch_pre_unpatch(struct klp_object *object UNUSED) {}
WEAK void patch_post_unpatch(struct klp_object *object UNUSED) {}

int target_pre_patch(struct klp_object *object)
{
	int err = prepare(&target, object);

	if (!err && target.exit)
		err = exit_pre_patch(target.exit, *klp_object_mod(object));
	if (err)
		return err;
	if (target.saves)
		copy_locked(target.saves);
	err = patch_pre_patch(object);
	if (!err && target.jumps) {
		/* Livepatch has the update enabled where it calls this because the module is being
		 * loaded (klp_module_coming of kernel/livepatch/core.c). */
		err = jumps_pre_patch(&target, READ_ONCE(*klp_patch_enabled(&patch)));
		if (err)
			patch_post_unpatch(object);
	}
	if (err && target.exit) /* then livepatch calls no post_unpatch */
		exit_release(target.exit, *klp_object_mod(object));
	return err;
}

void target_post_patch(struct klp_object *object)
{
	if (target.writes)
		copy_while_stopped(target.writes);
	if (target.initials)
		set_rows(target.initials);
	if (target.exit)
		exit_post_patch(target.exit, *klp_object_mod(object));
	patch_post_patch(object);
}

/* target_pre_unpatch leaves the data of a module that is gone but for its memory as it is
 * (klp_module_going of kernel/livepatch/core.c). */
void target_pre_unpatch(struct klp_object *object)
{
	bool there = READ_ONCE(*module_klp_alive(*klp_object_mod(object)));

	if (target.exit)
		exit_pre_unpatch(target.exit);
	if (target.writes && there)
		copy_while_stopped(target.restores);
	if (target.initials && there)
		unset_rows(target.initials);
	patch_pre_unpatch(object);
}

void target_post_unpatch(struct klp_object *object)
{
	if (target.jumps)
		jumps_post_unpatch(&target, READ_ONCE(*module_klp_alive(*klp_object_mod(object))));
	if (target.exit)
		exit_post_unpatch(target.exit, *klp_object_mod(object));
	patch_post_unpatch(object);
}
