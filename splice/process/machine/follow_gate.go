//go:build linux && amd64

package machine

import (
	"context"
	"encoding/hex"
	"os"
	"path"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// guard has threads that execute a known program pass.
func (f *follower) guard(ctx context.Context) {
	for {
		list, err := f.gate.Wait()
		if err != nil {
			return
		}
		for _, p := range list {
			go f.passing(ctx, p)
		}
	}
}

// passing has one thread pass, with the update if its program is known, and there is a slot in time.
func (f *follower) passing(ctx context.Context, p procfs.Passing) {
	defer p.Permit()
	if !f.knows(p.Program) {
		return
	}
	select {
	case f.passes <- struct{}{}:
		defer func() { <-f.passes }()
		f.pass(ctx, p)
	case <-time.After(f.opt.Hold):
	case <-ctx.Done():
	}
}

// knows reports whether a program is known to map what an update is for.
func (f *follower) knows(program *os.File) bool {
	var st unix.Stat_t
	known := false
	if raw, err := program.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { known = unix.Fstat(int(fd), &st) == nil })
	}
	f.mu.Lock()
	known = known && f.files[fileKey{st.Dev, st.Ino}]
	f.mu.Unlock()
	if known {
		return true
	}
	id := hex.EncodeToString(image.FileBuildID(program))
	f.mu.Lock()
	defer f.mu.Unlock()
	return id != "" && f.known[id]
}

// pass applies the updates to a process that is about to execute a known program.
func (f *follower) pass(ctx context.Context, p procfs.Passing) {
	st, err := procfs.ReadStatus(p.TID)
	if err != nil {
		return
	}
	pid := st.Tgid
	if home := homeOf(pid); !f.opt.Select.holds(pid, &home) {
		return
	}
	f.start(pid, command(p.Program), f.every, func(updates []*splice.Update) []process.Started {
		return process.ApplyAtExec(ctx, pid, p.TID, p.Permit, updates, f.opt.Process)
	})
}

// command is the name that the kernel gives to a process that executes a program.
func command(program *os.File) string {
	const most = 15 // TASK_COMM_LEN without the end
	name := ""
	if raw, err := program.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { name, _ = os.Readlink(procfs.Path(os.Getpid(), "fd", strconv.Itoa(int(fd)))) })
	}
	if name = path.Base(name); name == "." {
		return ""
	}
	return name[:min(len(name), most)]
}

// foresee guards the programs that updates are for where they are said to be, before anybody runs
// them.
func (f *follower) foresee() {
	for i, u := range f.updates {
		for _, k := range f.scanners[i].subjects {
			m := &u.Modules[k]
			if !m.Main {
				continue
			}
			f.mu.Lock()
			f.known[m.BuildID] = true
			f.mu.Unlock()
			if f.gate == nil || !isProgram(m.Path, m.BuildID) {
				continue
			}
			if err := f.gate.Guard(m.Path); err != nil {
				f.opt.Logger.Warn("a program can't be held when it is executed", "program", m.Path, "error", err)
			}
		}
	}
}

// isProgram reports whether a file has that build-id.
func isProgram(name, id string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	return hex.EncodeToString(image.FileBuildID(f)) == id
}

// inContainers reports whether processes in containers may be meant: each has a file system of its own, mostly an
// overlay that is mounted before it runs, so that no file of it can be known before.
func (f *follower) inContainers() bool {
	return f.gate != nil && (f.opt.Select.All() || len(f.opt.Select.Containers) > 0)
}

// watchOverlays guards the overlays that there are, and each that is mounted later.
func (f *follower) watchOverlays(ctx context.Context) {
	f.guardOverlays(os.Getpid())
	if err := procfs.WatchMounts(ctx, func() { f.guardOverlays(os.Getpid()) }); ctx.Err() == nil {
		f.opt.Logger.Warn("containers that start are not held", "error", err)
	}
}

// guardOverlays guards the overlays that a process sees. To guard one again changes nothing.
func (f *follower) guardOverlays(pid int) {
	list, err := procfs.Overlays(pid)
	if err != nil {
		return
	}
	for _, at := range list {
		if err := f.gate.GuardOverlay(at); err != nil {
			f.opt.Logger.Debug("the programs of an overlay can't be held", "mount", at, "error", err)
		}
	}
}

// guardOverlaysOf does it for a process that has executed a program, if it has mounts of its own:
// the engine of a user who is not root mounts there what its containers run from.
func (f *follower) guardOverlaysOf(pid int) {
	if !f.inContainers() {
		return
	}
	if space, err := procfs.MountSpace(pid); err == nil && space != f.space {
		f.guardOverlays(pid)
	}
}
