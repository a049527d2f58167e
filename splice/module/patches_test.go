package module_test

import (
	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
)

// patch is a change of the kernel's source with an effect that a file shows.
type patch struct {
	name    string
	sources []source
	path    string       // of the file
	want    string       // what it holds once the patch is active, and only then
	only    string       // the series that the edit is for, "" for all
	not     bool         // want is what it holds only without the patch
	write   [3]string    // a file, and what is written to it while the patch is active, and behind
	shows   [2]string    // another file, and what it holds then
	logged  string       // what the kernel log holds then
	accept  elfdiff.Code // what a person says of it
}

// version changes what /proc/version shows: code in front of the function, and
// code in it.
func version(front, body string) []source {
	return change("fs/proc/version.c",
		"static int version_proc_show(", front+"\nstatic int version_proc_show(",
		"		utsname()->version);\n", "		utsname()->version);\n"+body)
}

// pagebuf changes what files with lists of processors show, in a folder that is not
// traced.
func pagebuf(file string) []source {
	return change(file, "	ptrdiff_t len = PAGE_SIZE - offset_in_page(buf);\n", `	ptrdiff_t len = PAGE_SIZE - offset_in_page(buf);

	if (list)
		return scnprintf(buf, len, "%*pbl probed\n", nmaskbits, maskp);
`)
}

var inline = kbuild.Edit{
	Header: "include/linux/kernel_stat.h", Old: "return kstat_cpu(cpu).softirqs[irq];", New: "return kstat_cpu(cpu).softirqs[irq] / 1000000 + 10000000;",
}

// patches touch one thing each that a module has to get right.
var patches = []patch{
	{name: "string", path: "/proc/cmdline", want: "patched=yes",
		sources: change("fs/proc/cmdline.c", "seq_putc(m, '\\n');", `seq_puts(m, " patched=yes\n");`)},
	{name: "constant", path: "/sys/kernel/fscaps", want: "1234567",
		sources: change("kernel/ksysfs.c", "file_caps_enabled);", "file_caps_enabled * 0 + 1234567);")},
	{name: "new", path: "/proc/version", want: "count 42",
		sources: version(`
static int shown;
int gosplice_base = 40;
static noinline int count_up(int by) { shown = 1; return shown + by + gosplice_base; }`,
			`	seq_printf(m, "count %d\n", count_up(1));`)},
	{name: "switch_table", path: "/proc/version", want: "table 77",
		sources: version(`
static noinline int table(int i) { switch (i) { case 0: return 5; case 1: return 9; case 2: return 77; case 3: return 8; case 4: return 1; } return 0; }`,
			`	seq_printf(m, "table %d\n", table(2 + (m->count == 0)));`)},
	{name: "cold", path: "/proc/version", want: "warm",
		sources: version("", `	if (unlikely(m->count == 12345)) { pr_emerg("cold\n"); return -EIO; } else seq_puts(m, "warm\n");`)},
	{name: "user_access", path: "/proc/version", want: "fault caught",
		sources: change("fs/proc/version.c", "#include <linux/fs.h>", "#include <linux/fs.h>\n#include <linux/uaccess.h>",
			"		utsname()->version);\n", `		utsname()->version);
	{
		int x;
		if (user_access_begin((void __user *)64, 4)) {
			unsafe_get_user(x, (int __user *)64, fault);
			user_access_end();
			seq_printf(m, "read %d\n", x);
		}
		return 0;
fault:
		user_access_end();
		seq_puts(m, "fault caught\n");
	}
`)},
	{name: "irq_and_lock", path: "/proc/version", want: "irqs on 1",
		sources: version("static atomic_t hits = ATOMIC_INIT(0);", `	{
		unsigned long f;
		local_irq_save(f);
		atomic_set(&hits, 0);
		atomic_inc(&hits);
		local_irq_restore(f);
		seq_printf(m, "irqs %s %d\n", irqs_disabled() ? "off" : "on", atomic_read(&hits));
	}`)},
	{name: "static_branch", path: "/proc/version", want: "branch on",
		sources: version("static DEFINE_STATIC_KEY_FALSE(gosplice_key);", `	if (static_branch_unlikely(&gosplice_key))
		seq_puts(m, "branch on\n");
	else {
		static_branch_enable(&gosplice_key);
		if (static_branch_likely(&gosplice_key))
			seq_puts(m, "branch on\n");
	}`)},
	{name: "static_call", path: "/proc/version", want: "resched",
		sources: version("", `	might_sleep(); cond_resched(); seq_puts(m, "resched\n");`)},
	{name: "bug_table", path: "/proc/version", want: "no bug",
		sources: version("", `	if (!WARN_ON_ONCE(m->count == 54321)) seq_puts(m, "no bug\n"); BUG_ON(m->count == 54322);`)},
	{name: "per_cpu", path: "/proc/version", want: "tgid 1 cpu ok",
		sources: version("", `	seq_printf(m, "tgid %d cpu %s\n", current->tgid, raw_smp_processor_id() < 2 ? "ok" : "bad");`)},
	{name: "new_per_cpu", path: "/proc/version", want: "mine 1001",
		sources: version("static DEFINE_PER_CPU(int, gosplice_n) = 1000;", `	{
		int *p = &get_cpu_var(gosplice_n);
		bool set = this_cpu_read(gosplice_n) >= 1000; /* on every processor */
		*p = 1000;
		this_cpu_add(gosplice_n, set);
		seq_printf(m, "mine %d\n", *p);
		put_cpu_var(gosplice_n);
	}`)},
	{name: "dynamic_debug", path: "/proc/version", want: "silent", logged: "gosplice speaks",
		write:   [3]string{"/proc/dynamic_debug/control", "func version_proc_show +p", "func version_proc_show -p"},
		sources: version("", `	pr_debug("gosplice speaks\n"); seq_puts(m, "silent\n");`)},
	{name: "tracepoint", path: "/proc/version", want: "traced", shows: [2]string{"/sys/kernel/tracing/trace", "cpu=7777"},
		write:   [3]string{"/sys/kernel/tracing/events/sched/sched_wake_idle_without_ipi/enable", "1", "0"},
		sources: version("#include <trace/events/sched.h>", `	trace_sched_wake_idle_without_ipi(7777); seq_puts(m, "traced\n");`)},
	{name: "warning", path: "/proc/version", want: "went on", logged: "gosplice warns of 1",
		sources: version("", `	WARN(m->count, "gosplice warns of %d\n", m->count > 0); seq_puts(m, "went on\n");`)},
	{name: "printk", path: "/proc/version", want: "told", logged: "gosplice tells 7",
		sources: version("", `	pr_info("gosplice tells %d\n", 7); seq_puts(m, "told\n");`)},
	{name: "exported", path: "/proc/consoles", want: "#",
		sources: change("fs/seq_file.c", "	if (c)\n		seq_putc(m, c);\n}\nEXPORT_SYMBOL(seq_pad);", "	seq_putc(m, '#');\n	if (c)\n		seq_putc(m, c);\n}\nEXPORT_SYMBOL(seq_pad);")},
	{name: "duplicate", path: "/proc/consoles", want: "ttyS0", not: true,
		sources: change("fs/proc/consoles.c", "if (off++ == *pos)", "if (off++ == *pos + 100)")},
	{name: "per_cpu_data", path: "/proc/softirqs", want: "soft:",
		sources: change("fs/proc/softirqs.c", `"%12s:"`, `"%12ssoft:"`)},
	{name: "irq_time", path: "/proc/uptime", want: "up",
		sources: change("fs/proc/uptime.c", `"%lu.%02lu %lu.%02lu\n"`, `"%lu.%02lu %lu.%02lu up\n"`)},
	{name: "lock", path: "/proc/filesystems", want: "nodevice",
		sources: change("fs/filesystems.c", `"" : "nodev",`, `"" : "nodevice",`)},
	{name: "not_traced", path: "/sys/devices/system/cpu/online", want: "probed", only: "6.1", sources: pagebuf("lib/bitmap.c")},
	{name: "not_traced", path: "/sys/devices/system/cpu/online", want: "probed", only: "6.12", sources: pagebuf("lib/bitmap-str.c")},
	{name: "not_traced_with_stack", path: "/proc/version", want: "seven 1", accept: elfdiff.CodeNMI,
		sources: append(version("", `	{
		char line[80];
		hex_dump_to_buffer("gosplice", 8, 16, 1, line, sizeof(line), true);
		seq_puts(m, line);
	}`), change("lib/hexdump.c", "	if (len > rowsize)		/* limit to one line at a time */\n", `	if (len == 8 && linebuflen == 80)
		return scnprintf(linebuf, linebuflen, "seven %d", ascii);
	if (len > rowsize)
`)...)},
	{name: "two_objects", path: "/proc/cmdline", want: "two=2",
		sources: append(change("fs/proc/cmdline.c", "seq_putc(m, '\\n');", `seq_puts(m, " two=2\n");`),
			change("fs/proc/loadavg.c", `%u/%d %d\n"`, `%u/%d %d two\n"`)...)},
	{name: "across_objects", path: "/proc/cmdline", want: "shared 5 12",
		sources: append(change("fs/proc/cmdline.c", "static int cmdline_proc_show(", "extern int gosplice_shared; int type_show(int);\nstatic int cmdline_proc_show(",
			"seq_putc(m, '\\n');", `seq_printf(m, " shared %d %d\n", gosplice_shared, type_show(5));`), // the kernel has static functions of that name
			change("fs/proc/loadavg.c", "static int loadavg_proc_show(", "int gosplice_shared = 5; int type_show(int); noinline int type_show(int n) { return n + 7; }\nstatic int loadavg_proc_show(")...)},
	{name: "inline", path: "/proc/softirqs", want: "10000000", // the function is inlined in two objects
		sources: []source{
			{file: "fs/proc/softirqs.c", edits: []kbuild.Edit{inline}},
			{file: "fs/proc/stat.c", edits: []kbuild.Edit{inline}},
		}},
	{name: "alternatives", path: "/proc/version", want: "tsc 1 weight 5",
		sources: version("#include <asm/cpufeature.h>\n#include <linux/bitops.h>", `	if (static_cpu_has(X86_FEATURE_TSC))
		seq_printf(m, "tsc %d weight %u\n", !static_cpu_has(X86_FEATURE_ALWAYS) + 1, (unsigned int)hweight64(0x1f0 + (m->count == 12345)));`)},
	{name: "paravirt", path: "/proc/version", want: "pe 1 pg 1", only: "6.1",
		sources: version("#include <asm/special_insns.h>", `	seq_printf(m, "pe %lu pg %lu\n", read_cr0() & 1, (__read_cr3() != 0) & 1ul);`)},
	{name: "runtime_constant", path: "/proc/sys/fs/dentry-state", want: "7777",
		sources: change("fs/dcache.c", "static int proc_nr_dentry(", `#include <linux/fs_struct.h>
struct klp_object;
static int gosplice_found;
static void gosplice_bye(struct klp_object *o) { dentry_stat.dummy = 0; }
static void (*gosplice_p)(struct klp_object *) __used __section(".kpatch.callbacks.post_unpatch") = gosplice_bye;
static int proc_nr_dentry(`,
			"	dentry_stat.nr_negative = get_nr_dentry_negative();", `	dentry_stat.nr_negative = get_nr_dentry_negative();
	{
		struct dentry *root = current->fs->root.dentry;
		struct qstr q = QSTR_INIT("proc", 4);
		q.hash = full_name_hash(root, q.name, q.len);
		dput(d_lookup(root, &q));
		dentry_stat.dummy = gosplice_found ? 7777 : 1;
	}`,
			"		found = dentry;\n		spin_unlock(&dentry->d_lock);\n		break;", "		found = dentry;\n		gosplice_found++;\n		spin_unlock(&dentry->d_lock);\n		break;")},
	{name: "large", path: "/proc/stat", want: "gosplice",
		sources: change("fs/proc/stat.c", `"procs_running %u\n"`, `"gosplice 1\nprocs_running %u\n"`)},
	{name: "meminfo", path: "/proc/meminfo", want: "MemAll:",
		sources: change("fs/proc/meminfo.c", `"MemTotal:       "`, `"MemAll:         "`)},
	{name: "maps", path: "/proc/self/maps", want: "[the stack]",
		sources: change("fs/proc/task_mmu.c", `name = "[stack]";`, `name = "[the stack]";`)},
}
