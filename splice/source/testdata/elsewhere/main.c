// SPDX-License-Identifier: GPL-2.0
/* A file in /proc that says what there is room for. */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include "shelf.h"

static unsigned long shown;

static int shelf_read(struct seq_file *m, void *v)
{
	shown++;
	shelf_show(m, shelf_length());
	if (WARN_ON_ONCE(shown == 0))
		return -EOVERFLOW;
	return 0;
}

static int set_loud(const char *value, const struct kernel_param *parameter)
{
	bool loud;
	int err = kstrtobool(value, &loud);

	if (err)
		return err;
	if (loud) {
		static_branch_enable(&shelf_loud);
		static_branch_disable(&shelf_calm);
	} else {
		static_branch_disable(&shelf_loud);
		static_branch_enable(&shelf_calm);
	}
	return 0;
}

static const struct kernel_param_ops loud_ops = { .set = set_loud };
module_param_cb(loud, &loud_ops, NULL, 0200);

static int __init shelf_init(void)
{
	return proc_create_single("shelf", 0444, NULL, shelf_read) ? 0 : -ENOMEM;
}

static void __exit shelf_exit(void)
{
	remove_proc_entry("shelf", NULL);
}

module_init(shelf_init);
module_exit(shelf_exit);
MODULE_DESCRIPTION("what a shelf has room for");
MODULE_LICENSE("GPL");
