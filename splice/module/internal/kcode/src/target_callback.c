/* The pre_patch callback of a module: linked once for each module that is patched, with
 * a target of its own. */
#include "update.h"

extern const struct target target;

WEAK int patch_pre_patch(struct klp_object *object UNUSED) { return 0; }

int target_pre_patch(struct klp_object *object)
{
	int err = prepare(&target, object);

	return err ? err : patch_pre_patch(object);
}
