//go:build linux && amd64

package ptrace

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Regs are the registers of a thread, struct user_regs_struct of the kernel's
// arch/x86/include/asm/user_64.h. Orig_rax is the number of the system call
// that the thread is in or comes from, or -1.
type Regs = unix.PtraceRegs

// Requests and options that package unix lacks or wraps in part.
const (
	reqGetSigmask = 0x420a
	reqSetSigmask = 0x420b
	reqRseqConfig = 0x420f // Linux 5.13

	ntX86Xstate = 0x202

	optsBase = unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACESYSGOOD

	syscallTrap = int(unix.SIGTRAP) | 0x80 // what TRACESYSGOOD makes of SIGTRAP
)

// request makes a ptrace request whose data is a number.
func request(req, tid int, addr, data uintptr) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(req), uintptr(tid), addr, data, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// seize attaches to a thread. Unlike the other requests it may wait long, for a thread that executes a program (cred_guard_mutex in
// the kernel's kernel/ptrace.c), so that the Go runtime is told.
func seize(tid int) error {
	if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(tid), 0, optsBase, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// transfer makes a ptrace request whose data is the address of a buffer.
func transfer(req, tid int, addr uintptr, data unsafe.Pointer) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, uintptr(req), uintptr(tid), addr, uintptr(data), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func interrupt(tid int) error      { return request(unix.PTRACE_INTERRUPT, tid, 0, 0) }
func listen(tid int) error         { return request(unix.PTRACE_LISTEN, tid, 0, 0) }
func cont(tid, sig int) error      { return request(unix.PTRACE_CONT, tid, 0, uintptr(sig)) }
func toSyscall(tid, sig int) error { return request(unix.PTRACE_SYSCALL, tid, 0, uintptr(sig)) }
func detach(tid int) error         { return request(unix.PTRACE_DETACH, tid, 0, 0) }

func setOptions(tid int, opts uintptr) error {
	return request(unix.PTRACE_SETOPTIONS, tid, 0, opts)
}

func getRegs(tid int, r *Regs) error {
	return threadError(tid, "PTRACE_GETREGS",
		transfer(unix.PTRACE_GETREGS, tid, 0, unsafe.Pointer(r)))
}

func setRegs(tid int, r *Regs) error {
	return threadError(tid, "PTRACE_SETREGS",
		transfer(unix.PTRACE_SETREGS, tid, 0, unsafe.Pointer(r)))
}

func eventMessage(tid int) (uint64, error) {
	var msg uint64
	err := transfer(unix.PTRACE_GETEVENTMSG, tid, 0, unsafe.Pointer(&msg))
	return msg, threadError(tid, "PTRACE_GETEVENTMSG", err)
}

// getSigmask returns the mask that the thread has outside of calls such as
// ppoll, which replace it for their time.
func getSigmask(tid int) (uint64, error) {
	var mask uint64
	err := transfer(reqGetSigmask, tid, unsafe.Sizeof(mask), unsafe.Pointer(&mask))
	return mask, threadError(tid, "PTRACE_GETSIGMASK", err)
}

func setSigmask(tid int, mask uint64) error {
	return threadError(tid, "PTRACE_SETSIGMASK",
		transfer(reqSetSigmask, tid, unsafe.Sizeof(mask), unsafe.Pointer(&mask)))
}

// getRegset reads a register set into buf and returns how much there is of it.
func getRegset(tid int, note uintptr, buf []byte) (int, error) {
	iov := unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
	err := transfer(unix.PTRACE_GETREGSET, tid, note, unsafe.Pointer(&iov))
	return int(iov.Len), threadError(tid, "PTRACE_GETREGSET", err)
}

func poke(tid int, addr, word uint64) error {
	return threadError(tid, "PTRACE_POKEDATA",
		request(unix.PTRACE_POKEDATA, tid, uintptr(addr), uintptr(word)))
}

// peek reads one word. The system call stores it at data, unlike the library
// function.
func peek(tid int, addr uint64) (uint64, error) {
	var word uint64
	err := transfer(unix.PTRACE_PEEKDATA, tid, uintptr(addr), unsafe.Pointer(&word))
	return word, threadError(tid, "PTRACE_PEEKDATA", err)
}

// rseqConfig is struct ptrace_rseq_configuration of include/uapi/linux/ptrace.h.
type rseqConfig struct {
	area      uint64
	size      uint32
	signature uint32
	flags     uint32
	pad       uint32
}

// getRseq returns the address of the thread's rseq area, 0 when it has none or
// the kernel can't tell.
func getRseq(tid int) uint64 {
	var c rseqConfig
	if transfer(reqRseqConfig, tid, unsafe.Sizeof(c), unsafe.Pointer(&c)) != nil {
		return 0
	}
	return c.area
}

func threadError(tid int, op string, err error) error {
	if err == nil {
		return nil
	}
	return &ThreadError{TID: tid, Op: op, Err: err}
}

// An event is what waitid tells about a thread.
type event struct {
	tid    int
	code   int32 // CLD_*
	status int   // exit status, or signal | PTRACE_EVENT_* << 8
}

// Values of si_code for SIGCHLD, sigaction(2).
const (
	cldExited  = 1
	cldKilled  = 2
	cldDumped  = 3
	cldTrapped = 4
)

func (e event) exited() bool {
	return e.code == cldExited || e.code == cldKilled || e.code == cldDumped
}

// siginfo is the part of siginfo_t that waitid fills, 128 bytes in all.
type siginfo struct {
	signo, errno, code, _ int32
	pid                   int32
	uid                   uint32
	status                int32
	_                     [100]byte
}

// peekEvent looks for an event of one thread, or of any when tid is 0, without
// taking it: see the package comment. WNOTHREAD leaves alone what belongs to
// other threads of this program.
func peekEvent(tid int) (event, bool) {
	const flags = unix.WEXITED | unix.WSTOPPED | unix.WNOHANG | unix.WNOWAIT | unix.WALL | unix.WNOTHREAD
	idtype := unix.P_PID
	if tid == 0 {
		idtype = unix.P_ALL
	}
	var info siginfo
	_, _, errno := unix.RawSyscall6(unix.SYS_WAITID, uintptr(idtype), uintptr(tid),
		uintptr(unsafe.Pointer(&info)), flags, 0, 0)
	if errno != 0 || info.pid == 0 {
		return event{}, false
	}
	return event{int(info.pid), info.code, int(info.status)}, true
}

// reap takes the exit of a thread, so that the process can end; or its stop behind execve(2), without which the kernel takes its
// ID for that of a thread that is gone (looks_like_a_spurious_pid in its kernel/ptrace.c).
func reap(tid int) {
	var ws syscall.WaitStatus
	syscall.Wait4(tid, &ws, unix.WNOHANG|unix.WALL|unix.WNOTHREAD, nil)
}

// getFPRegs reads the 512 bytes that FXSAVE writes.
func getFPRegs(tid int, buf []byte) error {
	return threadError(tid, "PTRACE_GETFPREGS",
		transfer(unix.PTRACE_GETFPREGS, tid, 0, unsafe.Pointer(&buf[0])))
}
