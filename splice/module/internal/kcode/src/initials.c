/* Members of variables whose initial value has changed: a word that still holds the old
 * one gets the new one, and back. What holds something else belongs to somebody, and is
 * left alone. */
#include "update.h"

#define EXCHANGE(type, at, old, new)                                          \
	__extension__({                                                       \
		type expected = (type)(old);                                  \
		__atomic_compare_exchange_n((type *)(at), &expected,          \
			(type)(new), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);  \
	})

/* exchange compares a word and writes it in one step, so that a write of somebody else
 * is not lost. */
static bool exchange(void *at, u64 old, u64 new, u8 size)
{
	if (size == 8)
		return EXCHANGE(u64, at, old, new);
	if (size == 4)
		return EXCHANGE(u32, at, old, new);
	if (size == 2)
		return EXCHANGE(u16, at, old, new);
	return EXCHANGE(u8, at, old, new);
}

/* poke is exchange for what is read-only since the start, and has no other writer. */
static bool poke(u8 *at, const u8 *old, const u8 *new, u8 size)
{
	for (u8 i = 0; i < size; i++)
		if (at[i] != old[i])
			return 0;
	mutex_lock(&text_mutex);
	text_poke(at, new, size);
	mutex_unlock(&text_mutex);
	return 1;
}

static bool change(struct setting *s, const u64 *old, const u64 *new)
{
	if (s->read_only)
		return poke(s->at, (const u8 *)old, (const u8 *)new, s->size);
	return exchange(s->at, *old, *new, s->size);
}

void set_rows(struct setting *s)
{
	for (; s->at; s++) {
		s->done = change(s, &s->old, &s->new);
		if (s->done)
			_printk(KERN_NOTICE "%s: %s had its old initial value, and has the new one now\n", module_name, s->name);
		else
			_printk(KERN_NOTICE "%s: %s holds another value than its old initial one, and is left alone\n", module_name, s->name);
	}
}

void unset_rows(struct setting *s)
{
	for (; s->at; s++) {
		if (!s->done)
			continue;
		s->done = 0;
		if (change(s, &s->new, &s->old))
			_printk(KERN_NOTICE "%s: %s has its old initial value again\n", module_name, s->name);
		else
			_printk(KERN_NOTICE "%s: %s was changed since it was set, and is left alone\n", module_name, s->name);
	}
}

void set_initials(void)
{
	set_rows(initials);
}

void unset_initials(void)
{
	unset_rows(initials);
}
