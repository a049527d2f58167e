/* The callbacks of the kernel itself that follow the transition, and go in front of
 * its end: first what belongs to the module, then those of the patch. */
#include "update.h"

WEAK void enable_probes(void) {}
WEAK void disable_probes(void) {}
WEAK void write_constants(void) {}
WEAK void restore_constants(void) {}
WEAK void set_initials(void) {}
WEAK void unset_initials(void) {}
WEAK void take_over_jumps(void) {}
WEAK void take_over_exits(void) {}
WEAK void patch_post_patch(struct klp_object *object UNUSED) {}
WEAK void patch_pre_unpatch(struct klp_object *object UNUSED) {}

void post_patch(struct klp_object *object)
{
	enable_probes();
	write_constants();
	set_initials();
	take_over_jumps();
	take_over_exits();
	patch_post_patch(object);
}

void pre_unpatch(struct klp_object *object)
{
	disable_probes();
	restore_constants();
	unset_initials();
	patch_pre_unpatch(object);
}
