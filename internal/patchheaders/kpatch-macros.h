/* SPDX-License-Identifier: MIT */
/*
 * kpatch-macros.h - kpatch's spellings, for patches that were written for it.
 */
#ifndef KPATCH_MACROS_H
#define KPATCH_MACROS_H

#include <linux/printk.h>
#include <linux/static_call.h>
#include "gosplice.h"

typedef struct klp_object patch_object;

#define KPATCH_PRE_PATCH_CALLBACK(fn)    GOSPLICE_PRE_PATCH(fn)
#define KPATCH_POST_PATCH_CALLBACK(fn)   GOSPLICE_POST_PATCH(fn)
#define KPATCH_PRE_UNPATCH_CALLBACK(fn)  GOSPLICE_PRE_UNPATCH(fn)
#define KPATCH_POST_UNPATCH_CALLBACK(fn) GOSPLICE_POST_UNPATCH(fn)

/*
 * What differs is judged section by section, so that none has to be left out by hand. A
 * change that can't be carried stays refused, and can be accepted by its code.
 */
#define KPATCH_IGNORE_SECTION(section) _Static_assert(1, "")
#define KPATCH_IGNORE_FUNCTION(fn) GOSPLICE_CANNOT_("a changed function is not left out in silence: take its change out of the patch")
#define KPATCH_FORCE_UNSAFE(fn)    GOSPLICE_CANNOT_("a function that tasks may be in is not replaced under them")

/* Both work as they are in an update. */
#define KPATCH_PRINTK(fmt, ...) printk(fmt, ##__VA_ARGS__)
#define KPATCH_STATIC_CALL(name) static_call(name)

/* Shadow data by name, as older kpatch had them. GOSPLICE_SHADOW_ID is the number of a name. */
#define kpatch_shadow_alloc(obj, name, size, gfp)				\
	klp_shadow_alloc((void *)(obj), GOSPLICE_SHADOW_ID(name), (size), (gfp), NULL, NULL)
#define kpatch_shadow_get(obj, name)						\
	klp_shadow_get((void *)(obj), GOSPLICE_SHADOW_ID(name))
#define kpatch_shadow_free(obj, name)						\
	klp_shadow_free((void *)(obj), GOSPLICE_SHADOW_ID(name), NULL)

#endif
