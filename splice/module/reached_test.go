package module_test

import (
	"errors"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/finding"
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

// TestPointers has new code hold addresses of functions: of those that the kernel calls by their names alone a person
// judges it, where it tracks indirect branches, and of others, and of calls by the name, nobody has to.
func TestPointers(t *testing.T) {
	const keep = `{ int (*volatile p)(void) = nr_processes; seq_printf(m, "%d\n", p()); }`
	const front = "int nr_processes(void);"
	for _, c := range []struct {
		series, name, front, body string
		judged                    string
	}{
		{"6.12", "a global function", front, keep, "nr_processes"},
		{"6.12", "in data", front + "\nstatic int (*volatile hook)(void) = nr_processes;", `seq_printf(m, "%d\n", hook());`, "nr_processes"},
		{"6.12", "a static function", "", `{ void (*volatile p)(struct seq_file *, void *) = (void *)version_proc_show; p(m, NULL); }`, ""},
		{"6.12", "called by its name", front, `seq_printf(m, "%d\n", nr_processes());`, ""},
		{"6.12", "an export", "", `{ void (*volatile p)(struct seq_file *, const char *) = seq_puts; p(m, "x"); }`, ""},
		{"6.1", "no IBT", front, keep, ""},
	} {
		t.Run(c.series+"/"+c.name, func(t *testing.T) {
			b := newBench(t, c.series)
			p, err := b.pair(t, version(c.front, c.body)[0])
			if err != nil {
				t.Fatal(err)
			}
			_, err = module.Build(b.kernel, module.Options{Name: "fix"}, p)
			if c.judged == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			list := finding.Refusals(err)
			if len(list) == 0 || !errors.Is(err, elfdiff.CodeNoEndbr) || list[0].Symbol != c.judged || list[0].Accept == "" {
				t.Fatalf("%v, want %s of %s", err, elfdiff.CodeNoEndbr, c.judged)
			}
			word := []elfdiff.Acceptance{{Code: elfdiff.CodeNoEndbr, Reason: "nobody calls it"}}
			if m, err := module.Build(b.kernel, module.Options{Name: "fix", Accept: word}, p); err != nil || len(m.Accepted) == 0 {
				t.Errorf("accepted: %+v, %v", m, err)
			}
		})
	}
}

// TestPointersInData has a constant, and a variable, of the running kernel lead to such a function.
func TestPointersInData(t *testing.T) {
	b := newBench(t, "6.12")
	const front = "int nr_processes(void);\n"
	for _, c := range []struct {
		change source
		how    elfdiff.Options
	}{
		{change("fs/proc/devices.c", "static const struct seq_operations", front+"static const struct seq_operations", ".show  = devinfo_show", ".show  = (void *)nr_processes")[0], elfdiff.Options{Tables: true, InPlace: true}},
		{change("fs/pipe.c", "static struct ctl_table", front+"static struct ctl_table", ".proc_handler	= proc_dopipe_max_size", ".proc_handler	= (void *)nr_processes")[0], elfdiff.Options{Tables: true, Types: true, Initials: true}},
	} {
		p, err := b.pair(t, c.change)
		if err != nil {
			t.Fatal(err)
		}
		if p.Diff, err = elfdiff.Compare(p.Diff.Pre, p.Diff.Post, c.how); err != nil {
			t.Fatal(err)
		}
		if _, err = module.Build(b.kernel, module.Options{Name: "fix"}, p); !errors.Is(err, elfdiff.CodeNoEndbr) {
			t.Errorf("%s: %v", c.change.file, err)
		}
		if _, err = module.Build(b.kernel, module.Options{Name: "fix", Accept: []elfdiff.Acceptance{{Code: elfdiff.CodeNoEndbr}}}, p); err != nil {
			t.Errorf("%s, accepted: %v", c.change.file, err)
		}
	}
}

// TestUnexported has a function be exported no more: objtool finds then that nothing calls it by a pointer, which says
// nothing about its code.
func TestUnexported(t *testing.T) {
	p, err := newBench(t, "6.12").pair(t, change("fs/seq_file.c", "EXPORT_SYMBOL(seq_path);", "")[0])
	if err != nil || p.Diff.Outcome() != elfdiff.OutcomeIgnored {
		t.Errorf("%v, %v: %v", err, p.Diff.Outcome(), p.Diff.Refusals)
	}
}
