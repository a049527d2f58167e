//go:build linux && amd64

package ptrace

import (
	"context"
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
)

// Foresee reports whether a process can't be traced, or can't make system calls,
// as far as that shows while it runs and nobody traces it. The error is what
// [Seize] or [Session.Syscall] would return.
func Foresee(ctx context.Context, pid int) error {
	id, err := procfs.Identify(pid)
	if err != nil {
		return err
	}
	if err := inspect(pid); err != nil {
		return err
	}
	if err := foreseeThreads(pid); err != nil {
		return err
	}
	mem, err := procfs.OpenMem(pid, nil)
	if err != nil {
		return permissionError(pid, 0, err)
	}
	defer mem.Close()
	t := &tracer{id: id, mem: &Mem{file: mem}}
	_, err = t.findWay(ctx)
	return err
}

// foreseeThreads looks for a thread that nothing lasting keeps from making calls.
func foreseeThreads(pid int) error {
	tids, err := procfs.Tasks(pid)
	if err != nil {
		return err
	}
	t := &tracer{id: procfs.ID{PID: pid}}
	mayAsk := mayAskFilters()
	var why []reason
	for _, tid := range tids {
		st, err := procfs.ReadTaskStatus(pid, tid)
		switch {
		case err != nil || st.State == 'Z' || st.State == 'X':
		case st.HasFeature("shstk"):
			why = append(why, reason{ShadowStack, "thread " + itoa(tid) + " has a shadow stack", hintShadowStack})
		case st.Seccomp != procfs.SeccompDisabled && mayAsk != nil:
			why = append(why, reason{Seccomp, "thread " + itoa(tid) + " has seccomp filters, which can't be read (" + mayAsk.Error() + ")", hintPrivilege})
		default:
			return nil
		}
	}
	if len(why) == 0 {
		return nil
	}
	return t.noThread(why)
}

// mayAskFilters returns why the filters of others can't be read or suspended, or
// nil.
func mayAskFilters() error {
	st, err := procfs.ReadStatus(unix.Getpid())
	if err != nil {
		return err
	}
	if st.Seccomp != procfs.SeccompDisabled {
		return errors.New("this program has filters itself")
	}
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	if err := unix.Capget(&h, &d[0]); err != nil {
		return err
	}
	if d[0].Effective&(1<<unix.CAP_SYS_ADMIN) == 0 {
		return unix.EACCES
	}
	// In another user namespace the capability counts for nothing.
	b, err := os.ReadFile("/proc/self/uid_map")
	if err == nil && strings.Join(strings.Fields(string(b)), " ") != "0 0 4294967295" {
		return unix.EACCES
	}
	return nil
}
