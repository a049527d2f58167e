/* A module that is patched: prove that it is the one whose file was given, and fill in
 * where the new code refers to it. */
#include "update.h"

WEAK int find_imports(const struct target *target UNUSED) { return 0; }

static void fill(const struct fixup *row, u64 *bases)
{
	for (; row->size; row++) {
		u64 value;

		bases[BASE_FIELD] = (u64)row->at;
		value = row->value + bases[row->plus] - bases[row->minus];
		if (row->text)
			text_poke(row->at, &value, row->size);
		else if (row->size == 8)
			*(u64 *)row->at = value;
		else
			*(u32 *)row->at = (u32)value;
	}
}

int prepare(const struct target *target, struct klp_object *object)
{
	u64 module = (u64)*klp_object_mod(object), offset;
	const struct check *bad;

	target->bases[BASE_MODULE] = module;
	for (u64 i = 0; i < target->part_count; i++)
		if (target->parts[i] >= 0)
			target->bases[BASE_PART + i] = *(u64 *)(module + (u64)target->parts[i]);
	fill(target->expected, target->bases);
	bad = compare(target->checks, &offset);
	if (bad) {
		_printk(KERN_ERR "%s: %s+0x%llx in %s is not what this update was made for; it is not patched\n",
			module_name, bad->name, offset, target->name);
		return -EINVAL;
	}
	if (target->imports && find_imports(target))
		return -EINVAL;
	if (target->fixups) {
		mutex_lock(&text_mutex);
		fill(target->fixups, target->bases);
		mutex_unlock(&text_mutex);
	}
	return 0;
}
