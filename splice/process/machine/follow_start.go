//go:build linux && amd64

package machine

import (
	"cmp"
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

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
	var which []int
	for i, s := range f.scanners {
		p := &seen{}
		if s.find(p, mods); hold || p.maps {
			which = append(which, i)
		}
	}
	if len(which) > 0 {
		f.start(pid, "", which, func(updates []*splice.Update) []process.Started {
			return process.ApplyAtStart(ctx, pid, updates, f.opt.Process)
		})
	}
	f.later(ctx, pid, 0)
}

// start applies some updates to a process before its own code runs. Name is what the process will be called, "" for
// what it is called already.
func (f *follower) start(pid int, name string, which []int, apply func([]*splice.Update) []process.Started) {
	if !f.take(pid) {
		return
	}
	defer f.leave(pid)
	st, err := procfs.ReadStat(pid)
	if err != nil {
		return
	}
	p := &seen{id: procfs.ID{PID: pid, Start: st.Start}, command: cmp.Or(name, st.Comm), home: homeOf(pid)}
	var updates []*splice.Update
	for _, i := range which {
		updates = append(updates, f.updates[i])
	}
	for k, r := range apply(updates) {
		f.started(which[k], p, r)
	}
}

// started notes what became of an update.
func (f *follower) started(update int, p *seen, r process.Started) {
	switch {
	case errors.Is(r.Err, splice.CodeNoModule), errors.Is(r.Err, process.CodeExec), errors.Is(r.Err, process.CodeNotReady), errors.Is(r.Err, context.Canceled), errors.Is(r.Err, context.DeadlineExceeded):
		// it maps nothing of it yet, or is another program now, or nobody follows any more
	case errors.Is(r.Err, splice.CodeApplied):
		f.note(update, p.id, p.process(Already, ""), r.Early)
	case errors.Is(r.Err, process.CodeTraced): // it is looked at later
	case r.Err != nil:
		f.note(update, p.id, refusedBy(p, r.Err), r.Early)
	default:
		what := p.process(Applied, "")
		what.Updates = []splice.Report{*r.Report}
		f.note(update, p.id, what, r.Early)
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
		mods, err := image.ProcessModules(pid)
		if errors.Is(err, procfs.ErrGone) {
			return
		}
		for i, s := range f.scanners {
			p := s.begin(pid)
			if p != nil {
				p = s.judge(p, mods, err)
			}
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
