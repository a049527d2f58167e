/* The callbacks of a module whose exit function is patched: linked once for each, with a
 * target and a row of its own. */
#include "update.h"

extern const struct target target;
extern struct exit_function exit_row;

WEAK int patch_pre_patch(struct klp_object *object UNUSED) { return 0; }
WEAK void patch_post_patch(struct klp_object *object UNUSED) {}
WEAK void patch_pre_unpatch(struct klp_object *object UNUSED) {}
WEAK void patch_post_unpatch(struct klp_object *object UNUSED) {}

int leaving_pre_patch(struct klp_object *object)
{
	int err = prepare(&target, object);

	if (!err)
		err = exit_pre_patch(&exit_row, *klp_object_mod(object));
	if (err)
		return err;
	err = patch_pre_patch(object);
	if (err) /* then livepatch calls no post_unpatch */
		exit_release(&exit_row, *klp_object_mod(object));
	return err;
}

void leaving_post_patch(struct klp_object *object)
{
	exit_post_patch(&exit_row, *klp_object_mod(object));
	patch_post_patch(object);
}

void leaving_pre_unpatch(struct klp_object *object)
{
	exit_pre_unpatch(&exit_row);
	patch_pre_unpatch(object);
}

void leaving_post_unpatch(struct klp_object *object)
{
	exit_post_unpatch(&exit_row, *klp_object_mod(object));
	patch_post_unpatch(object);
}
