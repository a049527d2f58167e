//go:build linux && amd64

package ptrace

import "encoding/binary"

// Restart codes: the kernel returns them from a system call to itself
// (include/linux/errno.h). Only a tracer sees them in rax.
const (
	errRestartSys    = 512 // begin again unless a handler without SA_RESTART runs
	errRestartNoIntr = 513 // always begin again
	errRestartNoHand = 514 // begin again unless a handler runs
	errRestartBlock  = 516 // go on by restart_syscall
	syscallInsnLen   = 2   // 0f 05
	restartSyscall   = 219 // restart_syscall(2)
	redZone          = 128 // bytes below rsp that belong to the function, psABI 3.2.2
	noSyscall        = ^uint64(0)
	flagTrap         = 1 << 8 // TF of eflags
	flagDirection    = 1 << 10
)

// struct rt_sigframe of the kernel's arch/x86/include/asm/sigframe.h: pretcode,
// struct ucontext, siginfo. Offsets from its start.
const (
	offPretcode = 0
	offUCFlags  = 8
	offSSSize   = 8 + 32
	offSSFlags  = 8 + 24
	offSSSp     = 8 + 16
	offMcontext = 8 + 40
	offSigmask  = 8 + 296
	frameSize   = 8 + 304 + 128

	// struct sigcontext_64, from offMcontext.
	offGregs   = 0   // r8-r15, di, si, bp, bx, dx, ax, cx, sp, ip, flags
	offSegs    = 144 // cs, gs, fs, ss as u16
	offFpstate = 184

	ucFpXstate        = 1
	ucSigcontextSS    = 2
	ucStrictRestoreSS = 4

	// ssInvalid is no mode of sigaltstack(2). rt_sigreturn sets the
	// alternate stack from the frame but ignores EINVAL, so that the
	// thread's own, which a tracer can't read, stays.
	ssInvalid = 3

	fpAlign = 64 // XRSTOR
)

// A frame is what stands below a thread's stack during a system call that it
// makes for us.
type frame struct {
	addr  uint64 // of bytes; rsp during the call
	bytes []byte // frame, padding, extended state; ends at the red zone
}

// buildFrame composes the signal frame from which rt_sigreturn restores the
// thread. words lead from the call to rt_sigreturn, see [way].
func buildFrame(r *Regs, mask uint64, words []uint64, xstate []byte) frame {
	top := r.Rsp - redZone
	fp := (top - uint64(len(xstate))) &^ (fpAlign - 1)
	addr := (fp-frameSize)&^15 - 8 // as after a call, like the kernel's own
	below := uint64(len(words)-1) * 8
	f := frame{addr: addr - below, bytes: make([]byte, top-addr+below)}
	le := binary.LittleEndian
	for i, w := range words {
		le.PutUint64(f.bytes[offPretcode+8*i:], w)
	}
	b := f.bytes[below:]
	copy(b[fp-addr:], xstate)
	flags := uint64(ucSigcontextSS | ucStrictRestoreSS)
	if len(xstate) > fxsaveSize {
		flags |= ucFpXstate
	}
	le.PutUint64(b[offUCFlags:], flags)
	le.PutUint32(b[offSSFlags:], ssInvalid)
	le.PutUint64(b[offSigmask:], mask)

	ip, ax := restart(r)
	m := b[offMcontext:]
	for i, v := range []uint64{
		r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15,
		r.Rdi, r.Rsi, r.Rbp, r.Rbx, r.Rdx, ax, r.Rcx, r.Rsp, ip, r.Eflags,
	} {
		le.PutUint64(m[offGregs+8*i:], v)
	}
	for i, v := range []uint64{r.Cs, r.Gs, r.Fs, r.Ss} {
		le.PutUint16(m[offSegs+2*i:], uint16(v))
	}
	le.PutUint64(m[offFpstate:], fp)
	return f
}

// restart returns the rip and rax with which the thread goes on. When a system
// call was interrupted, that is its instruction with its number.
//
// A call that the kernel would continue by restart_syscall is begun again as
// well, since rt_sigreturn makes restart_syscall fail with EINTR: a wait with a
// relative time limit waits for its whole time again. Only when the thread was
// already in restart_syscall is the number lost, and EINTR what it gets.
func restart(r *Regs) (ip, ax uint64) {
	if !interrupted(r) {
		return r.Rip, r.Rax
	}
	return r.Rip - syscallInsnLen, r.Orig_rax
}

// interrupted tells whether the kernel is about to begin a system call again.
func interrupted(r *Regs) bool {
	if int32(r.Orig_rax) == -1 {
		return false
	}
	switch -int64(r.Rax) {
	case errRestartSys, errRestartNoIntr, errRestartNoHand, errRestartBlock:
		return true
	}
	return false
}
