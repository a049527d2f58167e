package foresee

import (
	"fmt"

	"github.com/gosplice/gosplice/splice/module"
)

// Livepatch looks at all tasks in one go, with the list of tasks held, and again each second until all
// are over. For each address on a stack it goes through the functions that are replaced, and for each of
// these through the list of all that livepatches replace (klp_try_complete_transition and
// klp_check_stack_func of kernel/livepatch/transition.c, klp_find_ops of patch.c, Linux 6.1 and 6.12). These
// are instructions for one task, from what TestPause of package module counts on a stock 6.1 with 1, 39
// and 286 functions and 16,000 tasks.
const (
	lookTask     = 2800
	lookFunction = 213
	lookPair     = 21 // a function and one that is in the list
)

const (
	// longLook takes 50 ms where a processor does 3 billion in a second.
	longLook = 150_000_000
	// longestLook takes 10 s, half of what the kernel's watchdog takes for a lockup (twice watchdog_thresh, which is 10 s).
	longestLook = 30_000_000_000
)

// lookInstructions estimates how long livepatch looks at tasks.
func lookInstructions(tasks, functions, known int) uint64 {
	return uint64(tasks) * (lookTask + uint64(functions)*(lookFunction+lookPair*uint64(known)))
}

// away says when a processor is away for long.
func (c *checker) away() {
	functions := 0
	for i := range c.out.Functions {
		if c.out.Functions[i].Method == module.MethodFtrace {
			functions++
		}
	}
	n := lookInstructions(c.out.Tasks, functions, functions+len(c.others))
	if functions == 0 || n < longLook {
		return
	}
	f := Finding{Code: CodeLongLook, Effect: Note, Message: fmt.Sprintf("livepatch looks at %d tasks for %d functions without a break, and again each second until all tasks are over: about %.1f billion instructions on one processor each time", c.out.Tasks, functions, float64(n)/1e9)}
	if n >= longestLook {
		f.Effect = Waits
		f.Message += ", which the kernel may take for a lockup"
	}
	c.add(f)
}
