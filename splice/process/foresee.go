//go:build linux && amd64

package process

import (
	"context"
	"errors"

	"github.com/gosplice/gosplice/internal/ehframe"
	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/splice"
)

// foresee reports what would keep a process from being patched, as far as that
// shows without stopping it: who traces it or runs in its
// memory, what its threads can't do, and which
// of them wait in code that would change, time after time. A thread that runs at
// the moment is not known to stand anywhere.
func foresee(ctx context.Context, pid int, opt *Options, s *stacks, mem readerAt) error {
	if err := ptrace.Foresee(ctx, pid); err != nil {
		return err
	}
	return retry(ctx, opt, new(int), func() ([]Blocker, error) {
		if err := alone(pid); err != nil {
			return nil, err
		}
		return s.waiters(pid, mem)
	})
}

// foreseeMemory refuses what the limits of a process do not let it map.
func foreseeMemory(pid int, at *region) error {
	st, err := procfs.ReadStatus(pid)
	if err != nil {
		return err
	}
	maps, err := procfs.Maps(pid)
	if err != nil {
		return err
	}
	size := at.end - at.start
	refuse := func(format string, args ...any) error {
		r := splice.Refuse(CodeNoMemory, "", "", 0, format, args...)
		r.Hint = hintMemory
		return r
	}
	if n, ok := procfs.SoftLimit(pid, procfs.LimitSpace); ok && st.VmSize+size > n {
		return refuse("it may map %d bytes, has %d, and the update takes %d", n, st.VmSize, size)
	}
	if n, ok := procfs.SoftLimit(pid, procfs.LimitData); ok && at.data < at.end && st.VmData+at.end-at.data > n {
		return refuse("it may have %d bytes of data, has %d, and the update takes %d", n, st.VmData, at.end-at.data)
	}
	takes := 2 // before the last one is made, there may be as many as the limit
	if at.data < at.end {
		takes = 3
	}
	own := len(maps) - 1 // without [vsyscall], which counts for nothing
	if n, ok := procfs.MaxMappings(); ok && own+takes-1 > n {
		return refuse("it may have %d mappings, has %d, and the update takes %d", n, own, takes)
	}
	return nil
}

// frozen refuses a process that does not run, whatever it is told: what it is asked for would be done later, when nobody
// looks any more.
func frozen(pid int) error {
	if !procfs.Frozen(pid) {
		return nil
	}
	r := splice.Refuse(CodeFrozen, "", "", 0, "its control group is frozen")
	r.Hint = "thaw it first (docker unpause, podman unpause, systemctl thaw)"
	return r
}

// memoryMargin is what a process may take for page tables and the like while an update is applied, in bytes.
const memoryMargin = 128 << 10

// foreseeGroup refuses a process that the kernel might kill because its control group has no memory left: new memory is
// charged to it, and a copy of each page that is written to.
func (a *applier) foreseeGroup() error {
	need := a.plan.at.end - a.plan.at.start + uint64(len(a.plan.spans))*splice.PageSize + memoryMargin
	room, ok := procfs.MemoryRoom(a.pid)
	if !ok || room >= need {
		return nil
	}
	r := splice.Refuse(CodeNoMemory, "", "", 0, "its control group has room for %d bytes, and the update may take %d", room, need)
	r.Hint = "raise the limit of the container or unit (podman update --memory, systemctl set-property MemoryMax=)"
	return r
}

// foreseeCode refuses code that is shared with others, who would see what is written, and code that is not of a
// file, of which it can't be told later whether it is still the same.
func (a *applier) foreseeCode() error {
	maps, err := procfs.Maps(a.pid)
	if err != nil {
		return err
	}
	for _, s := range a.plan.spans {
		m := procfs.FindMapping(maps, s.addr)
		what := ""
		switch {
		case m == nil:
			continue // it is read, and compared
		case m.Perm&procfs.Shared != 0:
			what = "memory that it may share with other processes"
		case !m.IsFile():
			what = "memory that is not of a file"
		default:
			continue
		}
		r := splice.Refuse(CodeCodeMemory, s.name, "", s.addr, "its code is in %s", what)
		r.Hint = "restart the program with the fix, or without what moves its code (large pages for code)"
		return r
	}
	return nil
}

// waiters returns the threads that wait in the kernel with a frame in the areas.
func (s *stacks) waiters(pid int, mem readerAt) ([]Blocker, error) {
	tids, err := procfs.Tasks(pid)
	if err != nil {
		return nil, err
	}
	if s.maps, err = procfs.Maps(pid); err != nil {
		return nil, err
	}
	var blockers []Blocker
	for _, tid := range tids {
		before, ok, err := procfs.ReadTaskCall(pid, tid)
		if err != nil || !ok {
			continue // it has ended, or runs
		}
		s.mem = newPageCache(mem)
		b := s.waiting(tid, &before)
		if b == nil {
			continue
		}
		if after, ok, err := procfs.ReadTaskCall(pid, tid); err == nil && ok && after == before {
			blockers = append(blockers, *b)
		}
	}
	return blockers, nil
}

// waiting unwinds the stack of a thread that waits in the kernel, of which only
// the stack pointer and the program counter are known. Where another register is
// needed, nothing more is known; where there are no unwind tables it is scanned,
// as it would be when the thread is stopped.
func (s *stacks) waiting(tid int, c *procfs.TaskCall) *Blocker {
	t := &ptrace.Thread{TID: tid}
	t.Regs.Rsp, t.Regs.Rip = c.SP, c.PC
	regs := dwarfRegs(&t.Regs)
	regs.Undefined = ^uint32(0) &^ (1<<ehframe.RSP | 1<<ehframe.RA)
	var found *Blocker
	sp, err := s.walk(regs, func(f ehframe.Frame) bool {
		if a := s.at(f.PC, f.Exact); a != nil {
			found = &Blocker{TID: tid, Function: a.name, Addr: f.PC, Frame: f.N}
		}
		return found == nil
	})
	if errors.Is(err, ehframe.NoTable) || errors.Is(err, ehframe.NoFDE) {
		found, _ = s.scan(t, sp)
	}
	return found
}
