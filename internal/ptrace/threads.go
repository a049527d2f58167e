//go:build linux && amd64

package ptrace

import "slices"

// A Thread is a stopped thread.
type Thread struct {
	TID  int
	Regs Regs

	// Group tells that job control has stopped it (SIGSTOP and the like).
	Group bool
}

// Threads returns the threads that are stopped, by ascending id. The main
// thread is missing when it has exited before the others.
func (s *Session) Threads() (list []Thread, err error) {
	err = s.do(func(t *tracer) error {
		if err := t.halted(); err != nil {
			return err
		}
		list = make([]Thread, 0, len(t.threads))
		for _, th := range t.threads {
			if !th.dead {
				list = append(list, Thread{th.tid, th.regs, th.group})
			}
		}
		return nil
	})
	slices.SortFunc(list, func(a, b Thread) int { return a.TID - b.TID })
	return list, err
}

// SetRegs sets the registers of a stopped thread. When Orig_rax is not -1 and
// Rax is the negative of a restart code, the kernel begins the system call again
// when the thread is resumed.
func (s *Session) SetRegs(tid int, r Regs) error {
	return s.do(func(t *tracer) error {
		if err := t.halted(); err != nil {
			return err
		}
		th := t.threads[tid]
		if th == nil || th.dead {
			return &ThreadError{tid, "PTRACE_SETREGS", ErrNoSuchTask}
		}
		if err := setRegs(tid, &r); err != nil {
			return t.lost(err)
		}
		th.regs = r
		return nil
	})
}
