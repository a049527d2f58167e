/* A kprobe takes over what neither livepatch nor a jump can: its handler sets where
 * execution goes on (Documentation/trace/kprobes.rst, "Changing Execution Path"). */
#include "update.h"

int probe_handler(struct kprobe *probe, struct pt_regs *regs)
{
	*pt_regs_ip(regs) = *(u64 *)((u64)probe + KERNEL_SIZE(kprobe)); /* its stub */
	return 1;
}

/* With this one, the kernel does not turn the probe into a jump to a copy of the
 * function's first instructions, which would not come to the handler. */
void probe_after(struct kprobe *probe UNUSED, struct pt_regs *regs UNUSED, u64 flags UNUSED)
{
}

int add_probes(void)
{
	return register_kprobes(probe_list, PROBE_COUNT);
}

void drop_probes(void)
{
	unregister_kprobes(probe_list, PROBE_COUNT);
}

static void complain(const char *what, struct kprobe *probe)
{
	_printk(KERN_ERR "%s: %s failed for the probe at %pS\n", module_name, what, *kprobe_addr(probe));
}

void enable_probes(void)
{
	for (struct kprobe **p = probe_list; *p; p++)
		if (enable_kprobe(*p))
			complain("enable_kprobe", *p);
}

void disable_probes(void)
{
	for (struct kprobe **p = probe_list; *p; p++)
		if (disable_kprobe(*p))
			complain("disable_kprobe", *p);
}

/* leave_probes is for the end of the module: no probe leads to the stubs any more,
 * whoever came from one has counted itself, for which tasks have to have switched once,
 * and all who did have left. */
void leave_probes(void)
{
	drop_probes();
	synchronize_rcu_tasks();
	while (READ_ONCE(*module_refcnt(&__this_module)))
		msleep(10);
	synchronize_rcu_tasks();
}
