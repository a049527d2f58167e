//go:build linux && amd64

package ptrace

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/seccomp"
)

// consent says how a system call gets past the seccomp filters of a thread.
type consent int

const (
	consentFree    consent = iota // nothing is in its way
	consentSuspend                // the filters have to be suspended for it
	consentNone
)

// A sysCall says which system call a thread is to make, and which way it goes.
type sysCall struct {
	nr   uint64
	args [6]uint64
	way  *way
}

const (
	reqGetFilter = 0x420c // PTRACE_SECCOMP_GET_FILTER, Linux 4.4

	hintPrivilege = "run as root on the host (CAP_SYS_ADMIN), outside of containers and of seccomp filters: then the filters can be read, and suspended where they forbid it"
	hintSigreturn = "restart it with the fix, or with a filter that lets rt_sigreturn pass, as every signal handler needs it"
)

// strictCalls are what the strict mode allows (seccomp(2)).
var strictCalls = map[uint64]bool{unix.SYS_READ: true, unix.SYS_WRITE: true, unix.SYS_EXIT: true, unix.SYS_RT_SIGRETURN: true}

// consents finds out how a call gets past a thread's filters: it is free when
// they let it pass. Otherwise they are suspended, if we may. Either way they have
// to let rt_sigreturn pass, by which the thread restores itself if the tracer
// dies.
func (t *tracer) consents(th *thread, mode procfs.SeccompMode, c *sysCall) (consent, *reason) {
	if mode == procfs.SeccompDisabled {
		return consentFree, nil
	}
	filters, err := t.filters(th.tid, mode)
	if err != nil {
		return consentNone, &reason{Seccomp, fmt.Sprintf("has seccomp filters, which can't be read (%v)", err), hintPrivilege}
	}
	back, err := passes(filters, mode, &sysCall{nr: unix.SYS_RT_SIGRETURN}, c.way.back)
	if err == nil && back {
		back, err = passes(filters, mode, &sysCall{nr: unix.SYS_RT_SIGRETURN}, c.way.call+syscallInsnLen)
	}
	if err != nil || !back {
		return consentNone, &reason{Seccomp, fmt.Sprintf("has seccomp filters that do not let rt_sigreturn pass (%v)", err), hintSigreturn}
	}
	if ok, err := passes(filters, mode, c, c.way.call+syscallInsnLen); ok && err == nil {
		return consentFree, nil
	}
	if err := maySuspend(th.tid); err != nil {
		return consentNone, &reason{Seccomp, fmt.Sprintf("has seccomp filters that forbid the call, and can't be suspended (%v)", err), hintPrivilege}
	}
	return consentSuspend, nil
}

// passes reports whether filters let a call pass that is made by the instruction
// in front of ip.
func passes(filters [][]seccomp.Inst, mode procfs.SeccompMode, c *sysCall, ip uint64) (bool, error) {
	if mode == procfs.SeccompStrict {
		return strictCalls[c.nr], nil
	}
	a, err := seccomp.Ask(filters, &seccomp.Data{Nr: uint32(c.nr), Arch: seccomp.ArchX8664, IP: ip, Args: c.args})
	return a.Passes(), err
}

// filters reads the filters of a stopped thread, which needs CAP_SYS_ADMIN in the
// first user namespace, and that we have no filters (kernel/seccomp.c,
// get_nth_filter).
func (t *tracer) filters(tid int, mode procfs.SeccompMode) ([][]seccomp.Inst, error) {
	if mode == procfs.SeccompStrict {
		return nil, nil
	}
	var out [][]seccomp.Inst
	for i := uintptr(0); ; i++ {
		n, err := getFilter(tid, i, nil)
		if errors.Is(err, unix.ENOENT) && i > 0 {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		const instSize, most = 8, 1 << 16
		if n <= 0 || n > most {
			return nil, unix.EINVAL
		}
		buf := make([]byte, n*instSize)
		if got, err := getFilter(tid, i, buf); err != nil || got != n {
			return nil, errors.Join(err, unix.EAGAIN)
		}
		out = append(out, seccomp.Parse(buf))
	}
}

// getFilter copies a filter into buf, or only counts its instructions.
func getFilter(tid int, index uintptr, buf []byte) (int, error) {
	var p unsafe.Pointer
	if len(buf) > 0 {
		p = unsafe.Pointer(&buf[0])
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, reqGetFilter, uintptr(tid), index, uintptr(p), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// forbidsRestart reports whether a thread's filters may forbid restart_syscall,
// which the kernel makes for a thread that was taken out of a wait with a time
// limit.
func (t *tracer) forbidsRestart(tid int, r *Regs) bool {
	switch _, err := getFilter(tid, 0, nil); {
	case errors.Is(err, unix.EINVAL):
		return false // it has none
	case err != nil:
		st, err := procfs.ReadTaskStatus(t.id.PID, tid)
		return err != nil || st.Seccomp != procfs.SeccompDisabled
	}
	filters, err := t.filters(tid, procfs.SeccompFilter)
	if err != nil {
		return true
	}
	ok, err := passes(filters, procfs.SeccompFilter, &sysCall{nr: restartSyscall}, r.Rip)
	return err != nil || !ok
}

// maySuspend tries whether the filters of a stopped thread can be suspended.
func maySuspend(tid int) error {
	if err := setOptions(tid, optsBase|unix.PTRACE_O_SUSPEND_SECCOMP); err != nil {
		return err
	}
	return setOptions(tid, optsBase)
}

// swap turns the call that a thread is about to enter into the one that is
// wanted, with its filters suspended, and lets it go on: they are asked only after
// the tracer. The
// thread came as far as this by rt_sigreturn, which restores it wherever the
// tracer dies before. From here until the kernel has begun the call, which takes
// microseconds, the tracer must not die: the filters would be asked.
func (c *call) swap() error {
	var r Regs
	if err := getRegs(c.th.tid, &r); err != nil {
		return err
	}
	c.arguments(&r)
	r.Orig_rax, r.Rax, r.Rsp = c.nr, negative(int(unix.ENOSYS)), c.frame.addr
	if err := threadError(c.th.tid, "PTRACE_SETOPTIONS", setOptions(c.th.tid, optsBase|unix.PTRACE_O_SUSPEND_SECCOMP)); err != nil {
		return err
	}
	// Nothing may come between these two.
	if err := setRegs(c.th.tid, &r); err != nil {
		return err
	}
	return threadError(c.th.tid, "PTRACE_SYSCALL", toSyscall(c.th.tid, 0))
}

// started stands for the request that lets a thread go on, when that was made.
func started(tid, sig int) error { return nil }

// arguments puts the arguments of the call into registers (psABI section A.2.1).
func (c *sysCall) arguments(r *Regs) {
	for i, reg := range []*uint64{&r.Rdi, &r.Rsi, &r.Rdx, &r.R10, &r.R8, &r.R9} {
		*reg = c.args[i]
	}
}
