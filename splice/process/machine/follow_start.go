//go:build linux && amd64

package machine

import (
	"cmp"
	"context"
	"errors"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// guard has processes that execute a known program pass.
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

// passLimit bounds how long a program that is executed waits for a slot.
const passLimit = 200 * time.Millisecond

// passing has one process pass, with the update if there is a slot in time.
func (f *follower) passing(ctx context.Context, p procfs.Passing) {
	defer p.Permit()
	select {
	case f.slots <- struct{}{}:
		defer f.free()
		f.pass(ctx, p)
	case <-time.After(passLimit):
	case <-ctx.Done():
	}
}

// pass applies the first update to a process that is about to execute a known program, and has the
// others applied as soon as it runs.
func (f *follower) pass(ctx context.Context, p procfs.Passing) {
	if home := homeOf(p.PID); !f.opt.Select.holds(p.PID, &home) {
		return
	}
	f.startBy(ctx, 0, p.PID, command(p.Program), func(ctx context.Context, u *splice.Update, opt process.Options) (*splice.Report, bool, error) {
		return process.ApplyAtExec(ctx, p.PID, p.Permit, u, opt)
	})
	for i := 1; i < len(f.updates); i++ {
		f.start(ctx, i, p.PID)
	}
}

// fileKey is a file, as long as it is there.
type fileKey struct{ dev, inode uint64 }

// fileOf tells the file of the program of a process, in one system call: what is looked at first
// when there is no time to lose.
func fileOf(pid int) (fileKey, bool) {
	var st unix.Stat_t
	err := unix.Stat(procfs.Path(pid, "exe"), &st)
	return fileKey{st.Dev, st.Ino}, err == nil
}

// executed treats a process that has just executed a program, or has it looked at later.
func (f *follower) executed(ctx context.Context, pid int) {
	var home home
	if s := &f.opt.Select; !s.All() {
		if home = homeOf(pid); !s.holds(pid, &home) {
			return
		}
	}
	key, _ := fileOf(pid)
	f.mu.Lock()
	hold := f.files[key]
	f.mu.Unlock()
	var mods []image.Module
	if !hold {
		var err error
		if mods, err = image.ProcessModules(pid); err != nil {
			return // it has ended, or is not to be seen
		}
		f.mu.Lock()
		hold = f.known[program(mods)]
		f.mu.Unlock()
	}
	for i, s := range f.scanners {
		p := &seen{}
		if s.find(p, mods); hold || p.maps {
			f.start(ctx, i, pid)
		}
	}
	f.later(ctx, pid, 0)
}

// start applies an update to a process before its own code runs.
func (f *follower) start(ctx context.Context, update, pid int) {
	f.startBy(ctx, update, pid, "", func(ctx context.Context, u *splice.Update, opt process.Options) (*splice.Report, bool, error) {
		return process.ApplyAtStart(ctx, pid, u, opt)
	})
}

// command is the name that the kernel gives to a process that executes a program.
func command(program string) string {
	const most = 15 // TASK_COMM_LEN without the end
	name := path.Base(program)
	if program == "" {
		name = ""
	}
	return name[:min(len(name), most)]
}

// startBy is start with the way to apply. Name is what the process will be called, "" for what
// it is called already.
func (f *follower) startBy(ctx context.Context, update, pid int, name string, apply func(context.Context, *splice.Update, process.Options) (*splice.Report, bool, error)) {
	if !f.take(pid) {
		return
	}
	defer f.leave(pid)
	st, err := procfs.ReadStat(pid)
	if err != nil {
		return
	}
	p := &seen{id: procfs.ID{PID: pid, Start: st.Start}, command: cmp.Or(name, st.Comm), home: homeOf(pid)}
	r, early, err := apply(ctx, f.updates[update], f.opt.Process)
	switch {
	case errors.Is(err, splice.CodeNoModule), errors.Is(err, process.CodeExec), errors.Is(err, process.CodeNotReady), err != nil && ctx.Err() != nil:
		return // it maps nothing of it yet, or is another program now
	case errors.Is(err, splice.CodeApplied):
		f.note(update, p.id, p.process(Already, ""), early)
	case errors.Is(err, process.CodeTraced):
		return // it is looked at later
	case err != nil:
		f.note(update, p.id, refusedBy(p, err), early)
	default:
		what := p.process(Applied, "")
		what.Updates = []splice.Report{*r}
		f.note(update, p.id, what, early)
	}
}

// later looks at a process after a while: when its libraries are mapped.
func (f *follower) later(ctx context.Context, pid, n int) {
	if n == len(looks) {
		return
	}
	if f.waiting.Add(1) > maxLooks {
		f.waiting.Add(-1)
		f.lookAtAll()
		return
	}
	time.AfterFunc(looks[n], func() {
		defer f.waiting.Add(-1)
		select {
		case f.slots <- struct{}{}:
			defer f.free()
		case <-ctx.Done():
			return
		}
		for i, s := range f.scanners {
			p := s.look(ctx, pid)
			if p == nil || !p.selected || !p.maps || !p.old || !f.take(pid) {
				continue
			}
			sharing([]*seen{p})
			what := applyTo(ctx, p, f.updates[i], &f.opt.Process)
			f.leave(pid)
			if !isTraced(&what) && !retry(&what) || n+1 == len(looks) {
				f.note(i, p.id, what, false)
			}
		}
		f.later(ctx, pid, n+1)
	})
}
