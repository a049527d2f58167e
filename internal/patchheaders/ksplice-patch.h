/* SPDX-License-Identifier: MIT */
/*
 * ksplice-patch.h - Ksplice's spellings, for patches that were written for it.
 *
 * Functions take no argument. ksplice_pre_apply's returns 0, or an error that stops the
 * update. What Ksplice did while the machine stood still has no counterpart where tasks go
 * over one by one, and is refused when it is compiled.
 */
#ifndef KSPLICE_PATCH_H
#define KSPLICE_PATCH_H

#include "gosplice.h"

/* KIND##_ keeps apart what calls one function for two reasons. */
#define GOSPLICE_CALLS_(result, does, KIND, fn)					\
	static result KIND##_calls_##fn(struct klp_object *object) { does fn(); }	\
	KIND(KIND##_calls_##fn)

#define ksplice_pre_apply(fn)    GOSPLICE_CALLS_(int, return, GOSPLICE_PRE_PATCH, fn)

#define ksplice_post_apply(fn)   GOSPLICE_CALLS_(void, , GOSPLICE_POST_PATCH, fn)
/* Runs as well when ksplice_pre_apply went well and the update was taken back. */
#define ksplice_post_reverse(fn) GOSPLICE_CALLS_(void, , GOSPLICE_POST_UNPATCH, fn)

#define ksplice_check_apply(fn)   GOSPLICE_CANNOT_("the machine does not stand still: check in ksplice_pre_apply")
#define ksplice_apply(fn)         GOSPLICE_CANNOT_("the machine does not stand still: use ksplice_pre_apply or ksplice_post_apply")
#define ksplice_fail_apply(fn)    GOSPLICE_CANNOT_("use ksplice_post_reverse, which runs then as well")
#define ksplice_pre_reverse(fn)   GOSPLICE_CANNOT_("a livepatch can't be kept from being disabled: use GOSPLICE_PRE_UNPATCH")
#define ksplice_check_reverse(fn) GOSPLICE_CANNOT_("a livepatch can't be kept from being disabled: use GOSPLICE_PRE_UNPATCH")
#define ksplice_reverse(fn)       GOSPLICE_CANNOT_("the machine does not stand still: use GOSPLICE_PRE_UNPATCH or ksplice_post_reverse")
#define ksplice_fail_reverse(fn)  GOSPLICE_CANNOT_("disabling a livepatch does not fail: it can be enabled again")

#endif
