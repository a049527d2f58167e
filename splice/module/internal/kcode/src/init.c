/* The start of the module: prove that the kernel is the one that the update was made
 * for, and enable the update. */
#include "update.h"

WEAK void copy_at_load(void) {}
WEAK int add_probes(void) { return 0; }
WEAK void drop_probes(void) {}
WEAK int keep_module(int err) { return err; }

const struct check *compare(const struct check *row, u64 *offset)
{
	for (; row->at; row++)
		for (u64 i = 0; i < row->size; i++)
			if ((row->at[i] ^ row->want[i]) & row->mask[i]) {
				*offset = i;
				return row;
			}
	return NULL;
}

int init_module(void)
{
	const struct check *bad;
	u64 offset;
	int err;

	bad = compare(checks, &offset);
	if (bad) {
		_printk(KERN_ERR "%s: %s+0x%llx is not what this update was made for; nothing was patched\n",
			module_name, bad->name, offset);
		return -EINVAL;
	}
	copy_at_load();
	err = add_probes();
	if (err)
		return err;
	err = enable();
	if (err) {
		drop_probes();
		err = keep_module(err);
	}
	return err;
}
