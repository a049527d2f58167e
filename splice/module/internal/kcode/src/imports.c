/* What the new code of a module has of modules that it depends on: found as the loader would
 * have found it for the module itself (resolve_symbol of kernel/module/main.c), by name and
 * CRC. The module has a reference to them, so that they stay as long as it does. */
#include "update.h"

static bool same(const char *a, const char *b)
{
	for (; *a == *b; a++, b++)
		if (!*a)
			return true;
	return false;
}

/* find returns what is wrong, or NULL. */
static const char *find(const struct import *row)
{
	u64 room[FIND_SYMBOL_ARG_WORDS];
	struct find_symbol_arg *arg = (struct find_symbol_arg *)room;
	const struct module *owner;
	const s32 *value;

	for (u64 i = 0; i < FIND_SYMBOL_ARG_WORDS; i++)
		WRITE_ONCE(room[i], 0);
	*find_symbol_arg_name(arg) = row->name;
	*find_symbol_arg_gplok(arg) = true; /* updates have the licence */
	if (!find_symbol(arg))
		return "it is not exported";
	owner = *find_symbol_arg_owner(arg);
	if (!owner || !same(name_of(owner), row->owner))
		return "it is not of that module";
	if (*module_taints(owner) & TAINT_PROPRIETARY_MODULE)
		return "that module is proprietary";
	if (row->has_crc && *find_symbol_arg_crc(arg) && **find_symbol_arg_crc(arg) != row->crc)
		return "its version (CRC) is another one";
	value = kernel_symbol_value_offset(*find_symbol_arg_sym(arg));
	*row->value = (u64)value + (u64)(s64)*value;
	return NULL;
}

int find_imports(const struct target *target)
{
	const struct import *row;
	const char *bad = NULL;

	mutex_lock(&module_mutex);
	for (row = target->imports; row->name; row++) {
		bad = find(row);
		if (bad)
			break;
	}
	mutex_unlock(&module_mutex);
	if (!bad)
		return 0;
	_printk(KERN_ERR "%s: %s of %s: %s; %s is not patched\n", module_name, row->name, row->owner, bad, target->name);
	return -EINVAL;
}
