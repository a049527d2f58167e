package calls

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/callgraph"
)

// Functions that stay on stacks. Livepatch switches a task to the new code when none
// of the old is on its stack, and a jump is written when none is on any: a function
// that a kernel thread never leaves, or in which it stands whenever it sleeps, is
// replaced never. Threads of programs leave the kernel when livepatch wakes them by a
// signal; kernel threads only look whether there is work, and sleep again
// (klp_send_signals of kernel/livepatch/transition.c).

// A Stay says why a function stays on stacks.
type Stay struct {
	Code elfdiff.Code // elfdiff.CodeSleepingStack or elfdiff.CodeThreadLoop
	Why  string
}

// Stay returns why a function stays on stacks, if it does.
func (c *Info) Stay(fn int) (Stay, bool) {
	s, ok := c.stays[fn]
	return s, ok
}

// stackRoots are functions on the stacks of tasks whenever they sleep, or of all
// kernel threads (kernel/sched/core.c, kernel/kthread.c, arch/x86/entry/entry_64.S).
var stackRoots = []struct{ name, who string }{
	{"__schedule", "every task that sleeps"},
	{"__switch_to_asm", "every task that sleeps, as what it has pushed there, which is read back when the task goes on"},
	{"schedule", "every task that waits"},
	{"kthread", "every kernel thread"},
	{"ret_from_fork", "every kernel thread"},
	{"ret_from_fork_asm", "every kernel thread"},
}

// waits are functions by which a thread waits for work, or for time
// (kernel/sched/core.c, kernel/time/timer.c, kernel/time/hrtimer.c).
var waits = []string{
	"schedule", "schedule_timeout", "schedule_timeout_interruptible", "schedule_timeout_killable",
	"schedule_timeout_uninterruptible", "schedule_timeout_idle", "schedule_preempt_disabled",
	"schedule_hrtimeout", "schedule_hrtimeout_range", "schedule_hrtimeout_range_clock", "msleep_interruptible",
}

// findStays finds the loops of kernel threads, and where they wait.
func (c *Info) findStays() {
	c.stays = map[int]Stay{}
	started := c.threads()
	isWait := c.oneOf(waits)
	waiting := map[int][]int{} // loops by the one place where they wait
	for fn := range c.graph.Len() {
		by, thread := started[fn]
		if c.graph.Owner(fn) != fn || !thread && c.graph.Returns(fn) {
			continue // a quick look: most functions
		}
		called, endless := c.sleepsIn(fn)
		switch {
		case len(called) == 0:
			continue
		case thread:
			c.stays[fn] = Stay{elfdiff.CodeThreadLoop, "it is what a kernel thread runs" + starter(c.graph, fn, by) + ", and sleeps in, until the thread ends"}
		case endless:
			c.stays[fn] = Stay{elfdiff.CodeThreadLoop, "it never returns: who runs it sleeps in its loop, again and again"}
		default:
			continue
		}
		if at, ok := c.onlyWait(fn, called, isWait); ok {
			waiting[at] = append(waiting[at], fn)
		}
	}
	for at, loops := range waiting {
		c.waitsIn(at, loops, isWait)
	}
	for _, r := range stackRoots {
		for _, fn := range c.Named(r.name) {
			c.stays[fn] = Stay{elfdiff.CodeSleepingStack, "it is on the stack of " + r.who}
		}
	}
}

// starter says who starts a thread, where that is known.
func starter(g *callgraph.Graph, fn, by int) string {
	if fn == by {
		return ""
	}
	return " (started by " + g.Func(by).Name + ")"
}

// threads returns the functions that kernel threads run, each with who starts one.
func (c *Info) threads() map[int]int {
	started, nmi := map[int]int{}, c.oneOf([]string{registersNMI})
	for _, h := range c.graph.Handovers() {
		callee, _ := c.graph.At(h.Callee)
		if fn, ok := c.graph.At(h.Args[0]); ok && !nmi(callee) && c.graph.Func(fn).Addr == h.Args[0] {
			if _, known := started[fn]; !known {
				started[fn] = h.Caller
			}
		}
	}
	c.askers(started)
	return started
}

// asks are functions by which the loop of a thread finds out that it shall end
// (kernel/kthread.c).
var asks = []string{"kthread_should_stop", "kthread_should_park", "kthread_should_stop_or_park", "kthread_freezable_should_stop"}

// askers adds functions whose loops ask whether the thread shall end, and which
// nobody calls: they were handed over by another way.
func (c *Info) askers(started map[int]int) {
	isAsk := c.oneOf(asks)
	for _, name := range asks {
		for _, ask := range c.Named(name) {
			for _, f := range c.graph.Callers(ask) {
				fn := int(f)
				_, known := started[fn]
				if known || isAsk(fn) || len(c.graph.Callers(fn)) > 0 {
					continue
				}
				if slices.ContainsFunc(c.graph.Loops(fn), func(l callgraph.Loop) bool { return slices.ContainsFunc(l.Calls, isAsk) }) {
					started[fn] = fn
				}
			}
		}
	}
}

// sleepsIn returns what may sleep of what the loops of a function call, and whether
// one of these loops is never left.
func (c *Info) sleepsIn(fn int) (called []int, endless bool) {
	for _, l := range c.graph.Loops(fn) {
		sleeps := slices.DeleteFunc(l.Calls, func(callee int) bool { return !c.sleeps[callee] })
		endless = endless || l.Endless && len(sleeps) > 0 && !c.graph.Returns(fn)
		called = append(called, sleeps...)
	}
	return called, endless
}

// onlyWait returns the one function by which a loop waits: that it calls itself, or a
// function of its own that does.
func (c *Info) onlyWait(loop int, called []int, isWait func(int) bool) (int, bool) {
	var direct, own []int
	for _, callee := range called {
		switch {
		case isWait(callee):
			direct = append(direct, callee)
		case c.isOwn(callee, loop) && c.calls(callee, isWait):
			own = append(own, callee)
		}
	}
	if len(direct) == 0 {
		direct = own
	}
	slices.Sort(direct)
	direct = slices.Compact(direct)
	return append(direct, 0)[0], len(direct) == 1
}

// isOwn reports whether only one function calls another.
func (c *Info) isOwn(callee, caller int) bool {
	return !slices.ContainsFunc(c.graph.Callers(callee), func(f int32) bool { return int(f) != caller })
}

// calls reports whether a function calls one of a set.
func (c *Info) calls(fn int, set func(int) bool) bool {
	return slices.ContainsFunc(c.graph.Callees(fn), set)
}

// waitsIn notes a function by which loops wait, and those by which it does.
func (c *Info) waitsIn(at int, loops []int, isWait func(int) bool) {
	names := make([]string, 0, len(loops))
	for _, l := range loops {
		names = append(names, c.graph.Func(l).Name)
	}
	slices.Sort(names)
	for list := []int{at}; len(list) > 0; list = list[1:] {
		fn := list[0]
		if _, known := c.stays[fn]; known || c.graph.Func(fn).Size == 0 {
			continue
		}
		c.stays[fn] = Stay{elfdiff.CodeSleepingStack, "kernel threads sleep in it whenever they have nothing to do: " + Few(names)}
		if !isWait(fn) {
			continue // where it waits, others do too: these are known by their loops
		}
		list = append(list, slices.DeleteFunc(c.graph.Callees(fn), func(f int) bool { return !isWait(f) })...)
	}
}

// Few names some of many.
func Few(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// chain is a chain of calls in short.
func chain(g *callgraph.Graph, list []int) string {
	names := make([]string, 0, len(list))
	for _, fn := range list {
		names = append(names, g.Func(fn).Name)
	}
	if n := len(names); n > 5 {
		names = append(append(names[:2:2], "..."), names[n-2:]...)
	}
	return strings.Join(names, " > ")
}
