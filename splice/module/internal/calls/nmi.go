package calls

import (
	"encoding/binary"
	"strings"

	"github.com/gosplice/gosplice/internal/callgraph"
	"github.com/gosplice/gosplice/internal/kernel"
)

// Code that NMIs run, and exceptions that come like them: no processor is ever safe
// from these, not when it has interrupts off, and not when it stands still for a jump
// to be written.

// nmiRoots are the entries: NMI, machine check, double fault and debug exceptions in
// the kernel (arch/x86/kernel/nmi.c, cpu/mce/core.c, traps.c). Handlers that are
// registered come to these, and those of performance counters, which are called
// through pointers.
var nmiRoots = []string{"exc_nmi", "exc_machine_check", "exc_double_fault", "exc_debug"}

// isCounterHandler reports whether a name is that of the handler of a processor's
// performance counters (struct x86_pmu of arch/x86/events).
func isCounterHandler(name string) bool {
	return strings.Contains(name, "_pmu_") && strings.HasSuffix(name, "handle_irq")
}

// nmiBounds are functions that NMIs do not get beyond, although calls lead on: they
// ask where they are, put work off, or are for the end of an exception that came from
// a program.
var nmiBounds = []string{
	// printing: the text is stored, and written out later (kernel/printk/printk.c)
	"vprintk_default", "console_trylock", "console_trylock_spinning", "console_unlock", "wake_up_klogd",
	"__wake_up_klogd", "defer_console_output", "nbcon_atomic_flush_pending", "console_flush_all",
	// signals, the way back to a program, and what sleeps
	"force_sig_fault", "force_sig_info_to_task", "send_sigtrap", "irqentry_exit_to_user_mode", "exit_to_user_mode_prepare",
	"exit_to_user_mode_loop", "schedule", "__schedule", "msleep", "mutex_lock", "mutex_unlock", "down", "down_read", "down_write",
	// nobody is woken, and nothing is freed
	"try_to_wake_up", "wake_up_process", "__wake_up_common", "swake_up_one", "swake_up_one_online", "kfree", "__rb_free_aux", "mod_timer",
	// memory: only what is mapped is looked at
	"get_user_pages_unlocked", "__get_user_pages", "__gup_longterm_locked", "internal_get_user_pages_fast", "gup_fast_fallback",
	"__folio_put", "ioremap_cache", "__ioremap_caller", "iounmap",
	// RCU puts off what is left to do; work is queued for an interrupt
	"rcu_read_unlock_special", "irq_work_run", "raise_softirq_irqoff", "raise_softirq",
	// the machine ends
	"die", "mce_panic", "oops_end", "oops_begin", "kgdb_nmicallback", "crash_kexec", "__crash_kexec",
}

// nmiCode is what NMIs run.
type nmiCode struct {
	reached *callgraph.Reached
	only    []bool // nothing else runs it
}

// NMI returns how NMIs, or exceptions like them, come to run a function, and whether
// nothing else runs it. The way is "" when they don't.
func (c *Info) NMI(fn int) (way string, only bool) {
	if c.nmi == nil || !c.nmi.reached.Has(fn) {
		return "", false
	}
	return chain(c.graph, c.nmi.reached.Way(fn)), c.nmi.only[fn]
}

// findNMI finds it.
func (c *Info) findNMI(layout kernel.Layout) {
	roots := c.registered(layout)
	for _, name := range nmiRoots {
		roots = append(roots, c.Named(name)...)
	}
	for fn := range c.graph.Len() {
		if isCounterHandler(c.graph.Func(fn).Name) {
			roots = append(roots, fn)
		}
	}
	bound, resched := c.oneOf(nmiBounds), c.oneOf(rescheds)
	stop := func(fn int) bool { return bound(fn) || resched(fn) || !c.graph.Returns(fn) }
	c.nmi = &nmiCode{reached: c.graph.Reach(roots, stop)}
	c.nmi.only = c.graph.Only(c.nmi.reached, roots)
}

// registered returns the handlers of NMIs: the structures that are handed over when
// one is registered say which.
func (c *Info) registered(layout kernel.Layout) []int {
	action, ok := layout["nmiaction"]
	if !ok {
		return nil
	}
	var out []int
	registers := c.oneOf([]string{registersNMI})
	for _, h := range c.graph.Handovers() {
		if callee, _ := c.graph.At(h.Callee); !registers(callee) {
			continue
		}
		b := make([]byte, 8)
		if c.img.ReadAddr(b, h.Args[1]+action.Offsets["handler"]) != nil {
			continue
		}
		if fn, ok := c.graph.At(binary.LittleEndian.Uint64(b)); ok {
			out = append(out, fn)
		}
	}
	return out
}
