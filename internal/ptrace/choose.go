//go:build linux && amd64

package ptrace

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
)

// How well a thread suits to make a system call for us; the least is the best.
const (
	rankBlocked = iota // in a system call that is begun again as it was
	rankDone           // has just finished one
	rankUser           // in user code
	rankTimed          // in one with a relative time limit, see restart
	rankMask           // in one with a signal mask of its own, see ownMask
	rankRestart        // in restart_syscall: EINTR if the tracer dies
)

// ownMask tells which argument of a call is a signal mask that replaces the
// thread's for the time of the call; -1 says that it always does.
//
// If the tracer dies, the thread has its usual mask until the call begins again,
// so that a signal for which it waits may be handled before, without ending the
// wait. Such threads are taken last, and only while no signal is pending.
var ownMask = map[uint64]func(r *Regs) bool{
	unix.SYS_RT_SIGSUSPEND:  func(*Regs) bool { return true },
	unix.SYS_PPOLL:          func(r *Regs) bool { return r.R10 != 0 },
	unix.SYS_PSELECT6:       func(r *Regs) bool { return r.R9 != 0 },
	unix.SYS_EPOLL_PWAIT:    func(r *Regs) bool { return r.R8 != 0 },
	unix.SYS_EPOLL_PWAIT2:   func(r *Regs) bool { return r.R8 != 0 },
	unix.SYS_IO_PGETEVENTS:  func(r *Regs) bool { return r.R9 != 0 },
	unix.SYS_IO_URING_ENTER: func(r *Regs) bool { return r.R8 != 0 },
}

func rank(r *Regs) int {
	switch {
	case int32(r.Orig_rax) == -1:
		return rankUser
	case !interrupted(r):
		return rankDone
	case r.Orig_rax == restartSyscall:
		return rankRestart
	case -int64(r.Rax) == errRestartBlock:
		return rankTimed
	}
	if has := ownMask[r.Orig_rax]; has != nil && has(r) {
		return rankMask
	}
	return rankBlocked
}

// choose returns the stopped thread that suits best to make a system call, and
// whether its seccomp filters have to be suspended for it. Without any the error
// is a [*Refusal] that says why for each.
func (t *tracer) choose(c *sysCall) (th *thread, suspend bool, err error) {
	maps, err := t.maps()
	if err != nil {
		return nil, false, err
	}
	list := make([]*thread, 0, len(t.threads))
	for _, th := range t.threads {
		if !th.dead {
			list = append(list, th)
		}
	}
	slices.SortFunc(list, func(a, b *thread) int {
		return cmp.Or(cmp.Compare(rank(&a.regs), rank(&b.regs)), cmp.Compare(a.tid, b.tid))
	})
	// All threads of a large process need not be looked at more closely.
	var why []reason
	var second *thread
	for _, th := range list {
		how, no := t.unfit(th, maps, c)
		switch {
		case no != nil:
			no.text = fmt.Sprintf("thread %d %s", th.tid, no.text)
			why = append(why, *no)
		case how == consentFree:
			return th, false, nil
		case second == nil:
			second = th
		}
	}
	if second != nil {
		return second, true, nil
	}
	return nil, false, t.noThread(why)
}

// A reason is why one thread may not make a system call.
type reason struct {
	code Code
	text string
	hint string // for one that lasts
}

// noThread composes the refusal.
func (t *tracer) noThread(why []reason) *Refusal {
	r := &Refusal{Code: NoThread, PID: t.id.PID, Hint: "resume and try again"}
	const most = 8
	texts := make([]string, 0, most+1)
	for i, w := range why {
		if i == most {
			texts = append(texts, fmt.Sprintf("and %d more", len(why)-most))
			break
		}
		texts = append(texts, w.text)
	}
	r.Msg = "no thread can make a system call now: " + strings.Join(texts, "; ")
	// A lasting reason that all threads share is the process's.
	for _, code := range []Code{Seccomp, ShadowStack} {
		if len(why) > 0 && !slices.ContainsFunc(why, func(w reason) bool { return w.code != code }) {
			r.Code, r.Hint = code, why[0].hint
		}
	}
	return r
}

// hintShadowStack is what helps against a shadow stack.
const hintShadowStack = "restart it with the fix, or without a shadow stack (GLIBC_TUNABLES=glibc.cpu.x86_shstk=off)"

// unfit returns why a thread may not make a system call, or nil and how it gets
// past its seccomp filters.
func (t *tracer) unfit(th *thread, maps []procfs.Mapping, c *sysCall) (consent, *reason) {
	busy := func(text string) (consent, *reason) { return consentNone, &reason{NoThread, text, ""} }
	st, err := procfs.ReadTaskStatus(t.id.PID, th.tid)
	switch {
	case err != nil:
		return busy(err.Error())
	case st.HasFeature("shstk"):
		return consentNone, &reason{ShadowStack, "has a shadow stack", hintShadowStack}
	case th.regs.Eflags&flagTrap != 0:
		return busy("steps through its own code")
	case rank(&th.regs) == rankMask && st.Pending != 0:
		return busy("is about to handle a signal")
	}
	how, no := t.consents(th, st.Seccomp, c)
	if no != nil {
		return how, no
	}
	if text := t.stackTrouble(th, maps); text != "" {
		return busy(text)
	}
	if t.inRseq(th) {
		return busy("is in a restartable sequence")
	}
	return how, nil
}

// stackNeed is the room below rsp that a thread must have: for the frame, which
// is 12 KB with AMX and 4 KB otherwise, and for a signal handler that runs if the
// tracer dies.
const stackNeed = 24 << 10

// stackTrouble returns why what lies below a thread's rsp may not be unused
// stack, or "".
//
// Many a program points rsp into its heap: coroutines, alternate signal stacks,
// goroutines. What lies below a small stack there belongs to others. So only two
// kinds of memory are believed to be a stack: the kernel's [stack], and a mapping
// that holds the thread's control block above rsp, as the C libraries lay out
// the stacks of their threads, and ends in a guard below. The control block begins with
// its own address (ABI Handling For Thread-Local Storage, section 3.4.6). What Go has there
// does not, and both its goroutines' stacks and that lie in its heap, below which it
// has reserved memory since Go 1.26.
func (t *tracer) stackTrouble(th *thread, maps []procfs.Mapping) string {
	sp := th.regs.Rsp
	m := procfs.FindMapping(maps, sp)
	if m == nil || m.Perm&(procfs.Read|procfs.Write|procfs.Shared) != procfs.Read|procfs.Write {
		return fmt.Sprintf("has its stack pointer %#x in no private writable memory", sp)
	}
	floor := m.Start
	if m.Path != "[stack]" {
		if fs := th.regs.Fs_base; fs < sp || fs >= m.End || !t.isControlBlock(fs) {
			return fmt.Sprintf("has its stack pointer %#x in memory that is not known to be a stack", sp)
		}
		if floor = t.guardAbove(maps, m, sp); floor == 0 {
			return fmt.Sprintf("has a stack at %#x without a guard below", sp)
		}
	}
	if sp-floor < stackNeed {
		return fmt.Sprintf("has %d bytes of stack left below %#x", sp-floor, sp)
	}
	return t.altStackTrouble(sp, m.End)
}

// isControlBlock reports whether a thread's control block is at an address.
func (t *tracer) isControlBlock(addr uint64) bool {
	var b [8]byte
	n, err := t.mem.ReadAddr(b[:], addr)
	return err == nil && n == len(b) && binary.LittleEndian.Uint64(b[:]) == addr
}

// guardAbove returns the lowest address of the stack that sp is in: where the
// guard pages below it end. They are a mapping without permissions, or, since
// glibc 2.42, pages marked by MADV_GUARD_INSTALL, which pagemap shows (bit 58,
// Linux 6.14) and maps does not. 0 means that there is no guard.
func (t *tracer) guardAbove(maps []procfs.Mapping, m *procfs.Mapping, sp uint64) uint64 {
	if below := procfs.FindMapping(maps, m.Start-1); below != nil && below.Perm&(procfs.Read|procfs.Write|procfs.Exec) == 0 {
		return m.Start
	}
	return guardPage(t.id.PID, m.Start, sp)
}

// altStackTrouble looks for signal frames above sp, by the return address that
// each has, and asks them where the alternate signal stack is. A thread that
// stands on one may have live frames right below it.
func (t *tracer) altStackTrouble(sp, end uint64) string {
	const most = 256 << 10
	buf := make([]byte, min(end-sp, most))
	n, _ := t.mem.ReadAddr(buf, sp)
	buf = buf[:n&^7]
	le := binary.LittleEndian
	for off := 0; off+offSSSize+8 <= len(buf); off += 8 {
		if _, found := slices.BinarySearch(t.gadgets.sigreturn, le.Uint64(buf[off:])); !found {
			continue
		}
		base, size := le.Uint64(buf[off+offSSSp:]), le.Uint64(buf[off+offSSSize:])
		if base <= sp && sp-base < size {
			return "is on its alternate signal stack"
		}
	}
	return ""
}

// inRseq tells whether a thread is in the critical section of a restartable
// sequence (rseq(2)). The kernel aborts the section when it returns to it after
// a preemption; it can't know once the thread was sent elsewhere.
func (t *tracer) inRseq(th *thread) bool {
	if int32(th.regs.Orig_rax) != -1 {
		return false // no system calls are made in a section
	}
	area := getRseq(th.tid)
	if area == 0 {
		return false
	}
	// struct rseq: rseq_cs at 8. struct rseq_cs: start_ip at 8, length at 16.
	var b [8]byte
	if _, err := t.mem.ReadAddr(b[:], area+8); err != nil {
		return true
	}
	section := binary.LittleEndian.Uint64(b[:])
	if section == 0 {
		return false
	}
	var cs [24]byte
	if _, err := t.mem.ReadAddr(cs[:], section); err != nil {
		return true
	}
	start, length := binary.LittleEndian.Uint64(cs[8:]), binary.LittleEndian.Uint64(cs[16:])
	return th.regs.Rip-start < length
}
