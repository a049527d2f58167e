/* SPDX-License-Identifier: MIT */
/*
 * gosplice.h - what a patch can say to the update that is made of it.
 *
 * A patch includes it as "gosplice.h". Nobody has to put it into the tree: it is there
 * when the patch is compiled. Callbacks and shadow data take a kernel with CONFIG_LIVEPATCH.
 *
 * Callbacks
 *
 *	static int  before(struct klp_object *object) { ...; return 0; }
 *	static void after(struct klp_object *object)  { ... }
 *
 *	GOSPLICE_PRE_PATCH(before);
 *	GOSPLICE_POST_UNPATCH(after);
 *
 * A callback belongs to the object that its file is linked into: the kernel itself, or a
 * module. There is one of each kind for each such object. object->name is the name of the
 * module, and NULL for the kernel itself. Where the object is a module that is not loaded,
 * its callbacks run when it is loaded and when it is removed, as far as its own code does
 * not run yet, or no more.
 *
 *	PRE_PATCH     before any function is redirected. An error that is not 0 stops it:
 *	              the update is not loaded, or the module is not.
 *	POST_PATCH    when all tasks run the new functions.
 *	PRE_UNPATCH   when the update is disabled, before tasks go back.
 *	POST_UNPATCH  when all tasks run the old functions. It runs as well when PRE_PATCH
 *	              went well and the transition was taken back.
 *
 * Shadow data
 *
 * New members of a structure whose layout must stay are kept beside it, found by the
 * address of the structure and a number. See Documentation/livepatch/shadow-vars.rst.
 *
 *	struct extra { int count; };
 *	#define EXTRA GOSPLICE_SHADOW_ID("my-fix count")
 *
 *	struct extra *e = gosplice_shadow_get_or_alloc(sk, EXTRA, struct extra, GFP_ATOMIC);
 *	if (e) e->count++;
 *	...
 *	gosplice_shadow_free(sk, EXTRA);       where sk is freed
 *	gosplice_shadow_free_all(EXTRA);       in GOSPLICE_POST_UNPATCH
 *
 * The data are zeroed. Structures that were there before have none until it is made.
 */
#ifndef GOSPLICE_H
#define GOSPLICE_H

#include <linux/compiler.h>
#include <linux/livepatch.h>

struct klp_object;

/* A hook is a pointer to a function in a section that says when to call it. */
#define GOSPLICE_HOOK_(result, kind, fn)					\
	static result (*gosplice_##kind##_##fn)(struct klp_object *)		\
		__used __section(".kpatch.callbacks." #kind) = fn

#define GOSPLICE_PRE_PATCH(fn)    GOSPLICE_HOOK_(int, pre_patch, fn)
#define GOSPLICE_POST_PATCH(fn)   GOSPLICE_HOOK_(void, post_patch, fn)
#define GOSPLICE_PRE_UNPATCH(fn)  GOSPLICE_HOOK_(void, pre_unpatch, fn)
#define GOSPLICE_POST_UNPATCH(fn) GOSPLICE_HOOK_(void, post_unpatch, fn)

/* Says at compile time why something can't be had, and what to do instead. */
#define GOSPLICE_CANNOT_(why) _Static_assert(0, "gosplice: " why)

/*
 * The number of shadow data, made of a name of at most 32 characters that stands there as
 * text (FNV-1a). The compiler works it out: what is compiled has the number alone, and the
 * name nowhere, so that nobody can keep its address.
 */
#define GOSPLICE_SHADOW_ID(name)						\
	({ _Static_assert(sizeof("" name) <= 33, "gosplice: a name of shadow data has at most 32 characters"); \
	   gosplice_shadow_id_("" name, sizeof("" name) - 1); })

static __always_inline unsigned long gosplice_shadow_step_(unsigned long id, const char *name, unsigned long n, unsigned long i)
{
	return i < n ? (id ^ (unsigned char)name[i]) * 0x100000001b3UL : id;
}

#define GOSPLICE_SHADOW_4_(i)							\
	id = gosplice_shadow_step_(id, name, n, (i));				\
	id = gosplice_shadow_step_(id, name, n, (i) + 1);			\
	id = gosplice_shadow_step_(id, name, n, (i) + 2);			\
	id = gosplice_shadow_step_(id, name, n, (i) + 3);

static __always_inline unsigned long gosplice_shadow_id_(const char *name, unsigned long n)
{
	unsigned long id = 0xcbf29ce484222325UL;

	GOSPLICE_SHADOW_4_(0)
	GOSPLICE_SHADOW_4_(4)
	GOSPLICE_SHADOW_4_(8)
	GOSPLICE_SHADOW_4_(12)
	GOSPLICE_SHADOW_4_(16)
	GOSPLICE_SHADOW_4_(20)
	GOSPLICE_SHADOW_4_(24)
	GOSPLICE_SHADOW_4_(28)
	return id;
}

#ifdef CONFIG_LIVEPATCH
/* All return a pointer to type, or NULL: there are none, or no memory. */
#define gosplice_shadow_get(obj, id, type)					\
	((type *)klp_shadow_get((void *)(obj), (id)))
#define gosplice_shadow_alloc(obj, id, type, gfp)				\
	((type *)klp_shadow_alloc((void *)(obj), (id), sizeof(type), (gfp), NULL, NULL))
#define gosplice_shadow_get_or_alloc(obj, id, type, gfp)			\
	((type *)klp_shadow_get_or_alloc((void *)(obj), (id), sizeof(type), (gfp), NULL, NULL))
#define gosplice_shadow_free(obj, id)						\
	klp_shadow_free((void *)(obj), (id), NULL)
#define gosplice_shadow_free_all(id)						\
	klp_shadow_free_all((id), NULL)
#else
/* The shadow data of a kernel are in its livepatch. */
#define GOSPLICE_NO_SHADOW_ GOSPLICE_CANNOT_("shadow data take a kernel with CONFIG_LIVEPATCH")
#define gosplice_shadow_get(obj, id, type)		    ({ GOSPLICE_NO_SHADOW_; (type *)0; })
#define gosplice_shadow_alloc(obj, id, type, gfp)	    ({ GOSPLICE_NO_SHADOW_; (type *)0; })
#define gosplice_shadow_get_or_alloc(obj, id, type, gfp) ({ GOSPLICE_NO_SHADOW_; (type *)0; })
#define gosplice_shadow_free(obj, id)			    ({ GOSPLICE_NO_SHADOW_; })
#define gosplice_shadow_free_all(id)			    ({ GOSPLICE_NO_SHADOW_; })
#endif

#endif
