//go:build linux && amd64

package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/splice"
)

// isProgram refuses what is no process that runs a 64-bit program of its own, before it is opened: what ended,
// and threads of the kernel, have no memory. That one may not look at it is said when it is.
func isProgram(pid int) error {
	err := ptrace.Inspect(pid)
	if errors.Is(err, ptrace.Permission) {
		return nil
	}
	return err
}

// seize attaches to the process that was identified before anything of it was
// read. When that has ended, and another one has its ID now, the error wraps
// [ErrGone]: what was read says nothing about the other.
func seize(ctx context.Context, id procfs.ID, opt *Options) (*ptrace.Session, error) {
	return seizeWith(ctx, id, ptrace.Options{StopTimeout: opt.StopTimeout})
}

func seizeWith(ctx context.Context, id procfs.ID, opt ptrace.Options) (*ptrace.Session, error) {
	s, err := ptrace.Seize(ctx, id.PID, opt)
	if err != nil {
		return nil, err
	}
	if now := s.ID(); now != id {
		s.Detach()
		return nil, fmt.Errorf("%v, not %v: %w", now, id, procfs.ErrRecycled)
	}
	return s, nil
}

// alone refuses a process in whose memory another one runs: a child of vfork(2) or posix_spawn(3)
// that has not executed anything yet, or what clone(2) with CLONE_VM made. The threads of the
// other one are not stopped with those of the process, and may stand anywhere. It is asked
// before each stop: a thread that waits for a child of vfork does not stop, so that it is asked
// again.
//
// Processes that the kernel does not compare, being those of others, are taken for what they
// nearly always are: programs of their own.
func alone(pid int) error {
	f, err := os.Open("/proc")
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	with := procfs.MemoryPID(pid) // those that have ended have no memory, which looks like sharing it
	for _, name := range names {
		other, err := strconv.Atoi(name)
		if err != nil || other == pid || with == 0 || !procfs.SameMemory(with, other) {
			continue
		}
		if st, err := procfs.ReadStat(other); err != nil || st.IsKthread() {
			continue // it works on the memory (vhost), and runs nothing there
		}
		return splice.Refuse(CodeSharedMemory, "", "", 0, "process %d runs in the same memory, and is not stopped with it", other)
	}
	return nil
}
