// Package ptrace stops a process, and lets it make system calls, in such a way
// that it goes on unharmed whatever becomes of the tracer.
//
// A [Session] owns one OS thread, because the kernel ties a tracee to the
// thread that traces it. The session attaches to all threads of the process
// ([Seize]), stops and resumes them any number of times ([Session.Stop],
// [Session.Resume]), and forwards signals while they run.
//
// # What the process notices
//
// A stop is like SIGSTOP and SIGCONT without the signals: system calls that
// were interrupted are begun again by the kernel. Waits with a relative time
// limit may wait for their whole time again; so do others by threads whose seccomp
// filters forbid restart_syscall. The few calls that the kernel ends
// with EINTR even then, such as epoll_wait (signal(7), "Interruption of system
// calls and library functions by stop signals"), are begun again by Stop.
//
// # If the tracer dies
//
// The kernel detaches the threads when the tracer's thread ends, for whatever
// reason. So at every instant the threads must be in a state from which they
// can just run on:
//
//   - A signal that stopped a thread is never taken from the kernel: stops are
//     looked at with WNOWAIT, so that the kernel delivers the signal itself when
//     the tracer dies instead of answering.
//   - A system call is made by a thread that stands on a signal frame which
//     restores the thread completely ([Session.Syscall]). One PTRACE_SETREGS
//     sends it there and one brings it back. If nobody brings it back, it makes
//     the call, returns into rt_sigreturn, and is where it was.
//   - PTRACE_O_TRACESYSGOOD is always set: without it the kernel would send
//     SIGTRAP to a thread whose tracer dies during a system call stop.
//
// Only memory that the call itself allocated is left behind.
//
// A call needs syscall; ret, and code that makes rt_sigreturn. Where a program
// has none, which is so for small ones that are linked statically, it is lent
// some, at its entry: that was executed once, and is not again.
//
// # Seccomp
//
// A thread's seccomp filters are asked before it makes a call, by interpreting
// them. Where they forbid it they are suspended (PTRACE_O_SUSPEND_SECCOMP), from
// the moment in which the thread stands before the call until it stands behind
// it. Should the tracer die in the few microseconds between the two requests that
// turn an allowed call into the wanted one and let it begin, the filters would be
// asked. Both need CAP_SYS_ADMIN in the first user namespace and a tracer without
// filters.
//
// # Limits
//
// A process must not wait for a child ([os/exec.Cmd.Wait]) while it traces it:
// the wait may take the tracer's events. Another process that shares the memory
// without being a thread (clone with CLONE_VM alone) is not stopped; a vfork
// child is noticed, because its parent can't be stopped.
//
// If the process executes another program in the very moment in which Seize
// attaches to it, the kernel may let both wait for each other (the tracer for
// cred_guard_mutex, execve for the tracer to reap a thread) until the tracer's
// program ends. This is so for every tracer.
//
// The package is for Linux on x86-64 only.
package ptrace
