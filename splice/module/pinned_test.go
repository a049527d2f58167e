package module_test

import (
	"testing"

	"github.com/gosplice/gosplice/splice/module"
)

// pinCases change /proc/version, with code in front of the function and in it.
var pinCases = []struct {
	name, front, body string
	pinned            bool
}{
	{"message", "", `	pr_info("gosplice %d\n", 1); seq_puts(m, "more\n");`, false},
	{"static variable", "static int shown;", `	seq_printf(m, "%d\n", ++shown);`, false},
	{"lock", "static DEFINE_SPINLOCK(lock); static DEFINE_MUTEX(mutex);", `	spin_lock(&lock); spin_unlock(&lock); mutex_lock(&mutex); mutex_unlock(&mutex);`, false},
	{"list of its own", "static LIST_HEAD(list);", `	INIT_LIST_HEAD(&list); seq_printf(m, "%d\n", list_empty(&list));`, false},
	{"table of names", `static const char *const names[] = { "gosplice a", "gosplice b", "gosplice c" };`, `	seq_puts(m, names[m->count % 3]);`, false},
	{"sorted", "#include <linux/sort.h>\nstatic int less(const void *a, const void *b) { return *(int *)a - *(int *)b; }", `	{ static int v[3] = { 3, 1, 2 }; sort(v, 3, 4, less, NULL); seq_printf(m, "%d\n", v[0]); }`, false},
	{"called through a table", "static noinline int one(int x) { return x + 1; }\nstatic noinline int two(int x) { return x + 2; }\nstatic int (*const fs[])(int) = { one, two };", `	seq_printf(m, "%d\n", fs[m->count & 1](3));`, false},
	{"static key", "static DEFINE_STATIC_KEY_FALSE(key);", `	if (static_branch_unlikely(&key)) seq_puts(m, "on\n"); else static_branch_enable(&key);`, false},
	{"warning", "", `	WARN_ONCE(m->count == 54321, "gosplice %zu\n", m->count);`, false},
	{"dynamic debug", "", `	pr_debug("gosplice %zu\n", m->count);`, false},
	{"literal of the kernel", "", `	WRITE_ONCE(m->private, (void *)"version");`, false},

	{"copied name", "#include <linux/device.h>\n#include <linux/slab.h>\n#include <linux/string.h>", `	{ struct device *d = m->private; dev_set_name(d, "gosplice"); m->private = (void *)kstrdup_const("gosplice b", GFP_KERNEL); m->private = kmem_cache_create("gosplice c", 24, 0, 0, NULL); }`, false},
	{"constructor", "#include <linux/slab.h>\nstatic void ctor(void *p) { *(int *)p = 1; }", `	m->private = kmem_cache_create("gosplice", 24, 0, 0, ctor);`, true},
	{"firmware", "#include <linux/firmware.h>", `	{ const struct firmware *f; if (!request_firmware(&f, "gosplice.bin", m->private)) release_firmware(f); }`, false},
	{"firmware later", "#include <linux/firmware.h>\nstatic void got(const struct firmware *f, void *c) { pr_info(\"got\\n\"); }", `	request_firmware_nowait(NULL, true, "gosplice.bin", m->private, GFP_KERNEL, m, got);`, true},
	{"place in what strsep is given", "#include <linux/string.h>\nstatic char words[] = \"gosplice a\";", `	{ char *p = words; m->private = strsep(&p, " "); }`, true},
	{"place behind a number", "#include <linux/kernel.h>\nstatic char words[] = \"12 a\";", `	{ char *p; simple_strtoul(words, &p, 0); m->private = p; }`, true},
	{"place behind an option", "#include <linux/kernel.h>\nstatic char words[] = \"12,a\";", `	{ int n; char *p = words; get_option(&p, &n); m->private = p; }`, true},
	{"new literal", "", `	WRITE_ONCE(m->private, (void *)"gosplice");`, true},
	{"timer", "#include <linux/timer.h>\nstatic void tick(struct timer_list *t) { pr_info(\"tick\\n\"); }\nstatic struct timer_list timer;", `	if (!timer.function) timer_setup(&timer, tick, 0); mod_timer(&timer, jiffies + 1);`, true},
	{"work", "#include <linux/workqueue.h>\nstatic void job(struct work_struct *w) { pr_info(\"job\\n\"); }\nstatic DECLARE_WORK(work, job);", `	schedule_work(&work);`, true},
	{"rcu", "#include <linux/rcupdate.h>\n#include <linux/slab.h>\nstatic void late(struct rcu_head *h) { kfree(h); }", `	{ struct rcu_head *h = kmalloc(sizeof *h, GFP_KERNEL); if (h) call_rcu(h, late); }`, true},
	{"linked", "static LIST_HEAD(list);\nstruct item { struct list_head l; };\n#include <linux/slab.h>", `	{ struct item *i = kmalloc(sizeof *i, GFP_KERNEL); if (i) list_add(&i->l, &list); }`, true},
	{"operations", "static int next_show(struct seq_file *m, void *v) { return 0; }\nstatic const struct seq_operations ops = { .show = next_show };", `	WRITE_ONCE(m->op, &ops);`, true},
	{"notifier", "#include <linux/reboot.h>\nstatic int call(struct notifier_block *b, unsigned long e, void *p) { return 0; }\nstatic struct notifier_block block = { .notifier_call = call };", `	register_reboot_notifier(&block);`, true},
	{"wait queue", "#include <linux/wait.h>\nstatic DECLARE_WAIT_QUEUE_HEAD(queue);\nstruct kept { wait_queue_head_t *q; };", `	((struct kept *)m->private)->q = &queue;`, true},
	{"through a helper", "static noinline void put(struct seq_file *m, const void *p) { m->private = (void *)p; }", `	put(m, "gosplice helper");`, true},
}

// TestPinned builds modules, and asks which may not be removed.
func TestPinned(t *testing.T) {
	for _, series := range []string{"6.1", "6.12"} {
		b := newBench(t, series)
		for _, c := range pinCases {
			t.Run(series+"/"+c.name, func(t *testing.T) {
				m := b.build(t, module.Options{Name: "pin"}, version(c.front, c.body)...)
				if m.Pinned != c.pinned || (len(m.Pins) > 0) != c.pinned {
					t.Errorf("pinned: %v, want %v; %v", m.Pinned, c.pinned, m.Pins)
				}
			})
		}
	}
}

// TestUnpin takes a person's word when there is a callback for the end.
func TestUnpin(t *testing.T) {
	b := newBench(t, "6.1")
	const front = "#include <linux/timer.h>\nstatic void tick(struct timer_list *t) {}\nstatic struct timer_list timer;\n"
	const body = `	if (!timer.function) timer_setup(&timer, tick, 0); mod_timer(&timer, jiffies + 1);`
	const back = "struct klp_object;\nstatic void bye(struct klp_object *o) { del_timer_sync(&timer); }\n" +
		"static void (*p)(struct klp_object *) __used __section(\".kpatch.callbacks.post_unpatch\") = bye;\n"
	for _, c := range []struct {
		name, front, unpin string
		pinned, refused    bool
	}{{"no word", front + back, "", true, false}, {"a word", front + back, "bye deletes the timer", false, false}, {"no callback", front, "it is fine", false, true}} {
		p, err := b.pair(t, version(c.front, body)[0])
		if err != nil {
			t.Fatal(err)
		}
		m, err := module.Build(b.kernel, module.Options{Name: "pin", Unpin: c.unpin}, p)
		if (err != nil) != c.refused || m != nil && (m.Pinned != c.pinned || len(m.Pins) == 0) {
			t.Errorf("%s: %+v, %v", c.name, m, err)
		}
	}
}
