package module_test

import (
	"testing"

	"github.com/gosplice/gosplice/splice/module"
)

// TestAccesses builds what reaches each kind of memory as it has to.
func TestAccesses(t *testing.T) {
	b := newBench(t, "6.1")
	for _, c := range []struct{ name, front, body string }{
		{"per-CPU", "#include <linux/percpu.h>\nDECLARE_PER_CPU(unsigned long, this_cpu_off);", `seq_printf(m, "%lx\n", this_cpu_read(this_cpu_off));`},
		{"per-CPU of another processor", "#include <linux/kernel_stat.h>", `{ int i; for_each_possible_cpu(i) seq_printf(m, "%lu\n", kstat_cpu(i).irqs_sum); }`},
		{"new per-CPU", "#include <linux/percpu.h>\nstatic DEFINE_PER_CPU(int, gosplice_n);", `seq_printf(m, "%d\n", this_cpu_inc_return(gosplice_n) + per_cpu(gosplice_n, 0));`},
		{"plain", "#include <linux/jiffies.h>", `seq_printf(m, "%lu\n", jiffies);`},
		{"constant read", "extern const char linux_proc_banner[];", `seq_putc(m, *(volatile char *)&linux_proc_banner[m->count & 1]);`},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.build(t, module.Options{Name: "fix"}, version(c.front, c.body)...)
		})
	}
}
