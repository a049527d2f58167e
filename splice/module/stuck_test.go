package module_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/splice/module"
)

// stuck are changes of functions that can't be taken over in time, or safely, with
// what has to be found: the code, the function, and a part of the message.
var stuck = []struct {
	name        string
	sources     []source
	code        elfdiff.Code
	symbol, why string
}{
	{"every stack", change("kernel/sched/core.c", "	switch_count = &prev->nivcsw;\n", "	switch_count = &prev->nivcsw;\n	if (unlikely(rq->nr_running == 77777))\n		pr_info(\"many\\n\");\n"),
		elfdiff.CodeSleepingStack, "schedule", "every task that waits"},
	{"waiting", change("kernel/time/timer.c", "	timeout = expire - jiffies;\n\n out:", "	timeout = expire - jiffies;\n	if (timeout == 77777)\n		timeout--;\n\n out:"),
		elfdiff.CodeSleepingStack, "schedule_timeout", "kernel threads sleep in it"},
	{"thread", change("kernel/kthread.c", "			create_kthread(create);\n", "			pr_info(\"creates\\n\");\n			create_kthread(create);\n"),
		elfdiff.CodeThreadLoop, "kthreadd", "started by rest_init"},
	{"thread of a pool", change("kernel/workqueue.c", "	set_pf_worker(true);\nwoke_up:", "	set_pf_worker(true);\n	pr_info(\"works\\n\");\nwoke_up:"),
		elfdiff.CodeThreadLoop, "worker_thread", "started by create_worker"},
	{"thread of a module", changeIn("scsi_mod", "drivers/scsi/scsi_error.c", "		if (kthread_should_stop())\n			break;\n", "		if (kthread_should_stop())\n			break;\n		pr_info(\"waits\\n\");\n"),
		elfdiff.CodeThreadLoop, "scsi_error_handler", "started by scsi_host_alloc"},
	{"NMI", change("arch/x86/kernel/nmi.c", "NMI received for unknown reason", "NMI without a known reason"),
		elfdiff.CodeNMI, "unknown_nmi_error", "exc_nmi > default_do_nmi > unknown_nmi_error"},
	{"jump in NMI", change("lib/vsprintf.c", `	if (!ptr)
		return "(null)";

	if ((unsigned long)ptr <`, `	if (!ptr)
		return "(null pointer)";

	if ((unsigned long)ptr <`), elfdiff.CodeNMI, "", "while the jump is written"},
}

// TestStuck builds them, and has each judged, and accepted.
func TestStuck(t *testing.T) {
	b := newBench(t, "6.1")
	for _, c := range stuck {
		t.Run(c.name, func(t *testing.T) {
			p, err := b.pair(t, c.sources[0])
			if err != nil {
				t.Fatal(err)
			}
			_, err = module.Build(b.kernel, module.Options{Name: "fix"}, p)
			f := judged(t, err, c.code, c.symbol)
			if !strings.Contains(f.Message, c.why) || f.Hint == "" || f.Accept == "" {
				t.Errorf("%+v", f)
			}
			m, err := module.Build(b.kernel, module.Options{Name: "fix", Accept: []elfdiff.Acceptance{{Code: c.code}}}, p)
			if err != nil || len(m.Functions) == 0 {
				t.Errorf("accepted: %v", err)
			}
		})
	}
}

// judged returns the finding of a code about a function, or any, among the reasons of
// an error.
func judged(t *testing.T, err error, code elfdiff.Code, symbol string) elfdiff.Finding {
	t.Helper()
	var list []elfdiff.Finding
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case *elfdiff.RefusedError:
			for i := range e.Refusals {
				list = append(list, e.Refusals[i].Finding)
			}
		case interface{ Unwrap() []error }:
			for _, x := range e.Unwrap() {
				walk(x)
			}
		default:
			if next := errors.Unwrap(err); next != nil {
				walk(next)
			}
		}
	}
	walk(err)
	for _, f := range list {
		if f.Code == code && (symbol == "" || f.Symbol == symbol) {
			return f
		}
	}
	t.Fatalf("%v: want %s", err, code)
	return elfdiff.Finding{}
}

// TestOnStacks builds a change of a structure that lives on stacks only, and one of a
// structure that others find by a list.
func TestOnStacks(t *testing.T) {
	b := newBench(t, "6.1")
	const lives = "lives on stacks only"
	p, err := b.pair(t, change("fs/ext4/namei.c", "struct ext4_renament {\n", "struct ext4_renament {\n	unsigned long more;\n")[0])
	if err != nil {
		t.Fatal(err)
	}
	var stages []string
	m, err := module.Build(b.kernel, module.Options{Name: "fix", Progress: func(stage string, done, total int) {
		if done == total {
			stages = append(stages, stage)
		}
	}}, p)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"types", "link", "calls", "write"}; !slices.Equal(stages, want) {
		t.Errorf("stages %v, want %v", stages, want)
	}
	if len(m.Functions) < 3 || !slices.ContainsFunc(m.Findings, func(f elfdiff.Finding) bool {
		return f.Code == elfdiff.CodeTypeLayout && f.Severity == elfdiff.Carried && strings.Contains(f.Message, lives)
	}) {
		t.Errorf("%d functions, %v", len(m.Functions), m.Findings)
	}
	if p, err = b.pair(t, change("kernel/locking/semaphore.c", "struct semaphore_waiter {\n", "struct semaphore_waiter {\n	unsigned long more;\n")[0]); err != nil {
		t.Fatal(err)
	}
	_, err = module.Build(b.kernel, module.Options{Name: "fix"}, p)
	judged(t, err, elfdiff.CodeTypeLayout, "struct semaphore_waiter")
}
