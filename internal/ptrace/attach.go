//go:build linux && amd64

package ptrace

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
)

// inspect refuses, before anything is touched, what can't be traced.
func inspect(pid int) error {
	st, err := procfs.ReadStatus(pid)
	if err != nil {
		return err
	}
	if err := inspectAs(pid, st); err != nil {
		return err
	}
	if st.TracerPid != 0 {
		return tracedError(pid, 0, st.TracerPid)
	}
	return nil
}

// Inspect refuses what is no process that runs a 64-bit program of its own, whoever traces it.
func Inspect(pid int) error {
	st, err := procfs.ReadStatus(pid)
	if err != nil {
		return err
	}
	return inspectAs(pid, st)
}

// inspectAs is Inspect of a process with that status.
func inspectAs(pid int, st *procfs.Status) error {
	refuse := func(code Code, msg, hint string) error {
		return &Refusal{Code: code, PID: pid, Msg: msg, Hint: hint}
	}
	stat, err := procfs.ReadStat(pid)
	if err != nil {
		return err
	}
	tasks, err := procfs.Tasks(pid)
	if err != nil {
		return err
	}
	switch {
	case st.Tgid != pid:
		return &Refusal{Code: NotLeader, PID: st.Tgid, TID: pid, Msg: "the id is that of a thread"}
	case stat.IsKthread():
		return refuse(KernelThread, "is a thread of the kernel", "")
	case stat.IsDead() && len(tasks) < 2:
		return refuse(Zombie, "has exited and waits to be reaped", "")
	case st.CoreDumping:
		return refuse(CoreDumping, "is writing its core", "")
	}
	return inspectProgram(pid)
}

// inspectProgram refuses programs that are not 64-bit x86-64, the x32 ABI
// included.
func inspectProgram(pid int) error {
	f, err := procfs.OpenExe(pid)
	if errors.Is(err, procfs.ErrGone) {
		// A zombie main thread has no exe; its other threads may.
		return nil
	}
	if err != nil {
		return permissionError(pid, 0, err)
	}
	defer f.Close()
	var ident [20]byte
	if _, err := io.ReadFull(f, ident[:]); err != nil {
		return &procfs.FileError{File: procfs.Path(pid, "exe"), Err: err}
	}
	const want = "\x7fELF\x02\x01\x01" // ELFCLASS64, ELFDATA2LSB, EV_CURRENT
	if string(ident[:len(want)]) != want || ident[18] != 62 || ident[19] != 0 {
		return &Refusal{Code: Foreign, PID: pid, Msg: "is not a 64-bit x86-64 program"}
	}
	return nil
}

func tracedError(pid, tid, tracer int) error {
	msg := "is traced by thread " + itoa(tracer)
	if st, err := procfs.ReadStatus(tracer); err == nil {
		msg += " (" + st.Name + ")"
	}
	return &Refusal{Code: Traced, PID: pid, TID: tid, Tracer: tracer, Msg: msg,
		Hint: "end the debugger or tracer first"}
}

// permissionError turns EPERM and EACCES into a refusal with a hint, and
// leaves other errors alone.
func permissionError(pid, tid int, err error) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
		return err
	}
	hint := "CAP_SYS_PTRACE in the process's user namespace, or the same user and a process that may dump core, is needed"
	b, yamaErr := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	if scope := strings.TrimSpace(string(b)); yamaErr == nil && scope != "0" {
		hint = "kernel.yama.ptrace_scope is " + scope + "; " + hint
		if scope == "3" {
			hint = "kernel.yama.ptrace_scope is 3, which forbids tracing until the next boot"
		}
	}
	return &Refusal{Code: Permission, PID: pid, TID: tid,
		Msg: "the kernel does not permit tracing", Hint: hint, Err: err}
}

// attach attaches to all threads.
func (t *tracer) attach(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := t.adopt()
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	if err := t.id.Check(); err != nil {
		return err
	}
	if t.live() == 0 {
		return t.gone()
	}
	if t.opt.Stopped {
		return t.stop(ctx)
	}
	return nil
}

// adopt attaches to the threads that are not traced yet and returns how many
// it tried. When it returns 0 while all known threads are stopped, there are no
// others: only an unknown thread could have made one.
func (t *tracer) adopt() (tried int, err error) {
	// All that are known are threads of the process: when it has no more than these,
	// they are all. To list many takes as long as to stop them.
	if n, err := procfs.CountTasks(t.id.PID); err == nil && n == len(t.threads) {
		return 0, nil
	}
	tids, err := procfs.Tasks(t.id.PID)
	if errors.Is(err, procfs.ErrGone) {
		return 0, t.gone()
	}
	if err != nil {
		return 0, err
	}
	for _, tid := range tids {
		if t.threads[tid] != nil {
			continue
		}
		err := seize(tid)
		switch {
		case err == nil:
			t.threads[tid] = &thread{tid: tid}
		case err == unix.ESRCH:
		default:
			known, err := t.explain(tid, err)
			if err != nil {
				return tried, err
			}
			if known {
				continue
			}
		}
		tried++
	}
	return tried, nil
}

// explain finds out why a thread could not be seized. It returns an error, or
// known when the thread needs no further attempt.
func (t *tracer) explain(tid int, cause error) (known bool, err error) {
	st, err := procfs.ReadTaskStatus(t.id.PID, tid)
	switch {
	case err != nil: // it has ended meanwhile
		return false, nil
	case st.State == 'Z' || st.State == 'X':
		if tid == t.id.PID {
			t.threads[tid] = &thread{tid: tid, dead: true}
		}
		return true, nil
	case st.TracerPid == t.tid: // attached by the kernel when it was cloned
		t.newcomer(tid)
		return false, nil
	case st.TracerPid != 0:
		return false, tracedError(t.id.PID, tid, st.TracerPid)
	}
	return false, permissionError(t.id.PID, tid, &ThreadError{tid, "PTRACE_SEIZE", cause})
}
