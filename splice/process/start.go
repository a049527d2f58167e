//go:build linux && amd64

package process

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
)

// startLimit bounds how long a program is held while its dynamic linker works.
const startLimit = 2 * time.Second

// ApplyAtStart is [Apply] for a process that has just executed its program. It holds the process
// from where the dynamic linker has mapped and relocated everything, which is when the first system
// call comes from elsewhere than from it, until the update is applied: nothing of the program and
// of its libraries has run then but what the C library does before constructors. early says
// that it was so. Where it comes too late for that, or the program has no dynamic linker of its own
// (static ones, musl), it does what Apply does.
//
// A process that maps nothing of what the update is for, now that all is mapped, is refused with
// [splice.CodeNoModule], and runs on.
func ApplyAtStart(ctx context.Context, pid int, u *splice.Update, opt Options) (r *Report, early bool, err error) {
	return applyAtStart(ctx, pid, u, opt, func(id procfs.ID, o ptrace.Options) (*ptrace.Session, error) {
		return seizeWith(ctx, id, o)
	})
}

// ApplyAtExec is [ApplyAtStart] for a process that is about to execute a program, and is kept from
// it until release is called: by fanotify(7), for one. So it never comes too late. release is called
// once, as soon as the process is attached to, or can't be.
func ApplyAtExec(ctx context.Context, pid int, release func(), u *splice.Update, opt Options) (r *Report, early bool, err error) {
	once := sync.OnceFunc(release)
	defer once()
	return applyAtStart(ctx, pid, u, opt, func(id procfs.ID, o ptrace.Options) (*ptrace.Session, error) {
		return ptrace.SeizeExec(ctx, id.PID, o, once)
	})
}

// applyAtStart applies an update to a process that seize stops at its start.
func applyAtStart(ctx context.Context, pid int, u *splice.Update, opt Options, seize func(procfs.ID, ptrace.Options) (*ptrace.Session, error)) (r *Report, early bool, err error) {
	opt.defaults()
	a := &applier{pid: pid, opt: opt}
	if !opt.DryRun {
		early, err = a.hold(ctx, seize)
	}
	if err != nil || !early {
		a.close()
		if err != nil {
			return nil, false, fmt.Errorf("apply %s to process %d at its start: %w", u.Name, pid, explain(err))
		}
		r, err = Apply(ctx, pid, u, opt)
		return r, false, err
	}
	defer a.close()
	if err = mapsAll(pid, u); err == nil {
		err = a.prepare(ctx, u)
	}
	if err == nil {
		err = a.run(ctx)
	}
	if err != nil {
		return nil, true, fmt.Errorf("apply %s to process %d at its start: %w", u.Name, pid, explain(err))
	}
	return a.report(Applied), true, nil
}

// hold stops the process, lets it run until its dynamic linker is done, and keeps it stopped.
func (a *applier) hold(ctx context.Context, seize func(procfs.ID, ptrace.Options) (*ptrace.Session, error)) (bool, error) {
	id, err := procfs.Identify(a.pid)
	if err != nil {
		return false, err
	}
	a.session, err = seize(id, ptrace.Options{StopTimeout: a.opt.StopTimeout, Stopped: true})
	if passes(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	linker, err := dynamicLinker(a.pid)
	if err != nil || linker == nil {
		return false, err
	}
	threads, err := a.session.Threads()
	if err != nil || len(threads) != 1 || !linker(threads[0].Regs.Rip) {
		return false, err // its own code runs already
	}
	ok, err := a.session.RunUntil(ctx, startLimit, func(pc uint64) bool { return !linker(pc) })
	if passes(err) {
		return false, nil
	}
	if err != nil || !ok {
		return false, err
	}
	return true, a.session.Hold()
}

// dynamicLinker tells addresses in the program's dynamic linker, or in the vdso, from others; nil
// when the program has none.
func dynamicLinker(pid int) (func(addr uint64) bool, error) {
	aux, err := procfs.ReadAuxv(pid)
	if err != nil {
		return nil, err
	}
	maps, err := procfs.Maps(pid)
	if err != nil {
		return nil, err
	}
	base := aux[procfs.AuxBase]
	at := procfs.FindMapping(maps, base)
	// That of musl is its C library too, from which all system calls come.
	if base == 0 || at == nil || !strings.HasPrefix(path.Base(at.Path), "ld-") || strings.Contains(at.Path, "musl") {
		return nil, nil
	}
	var own []extent
	for i := range maps {
		m := &maps[i]
		if m.Path == "[vdso]" || m.IsFile() && m.Inode == at.Inode && m.Dev == at.Dev {
			own = append(own, extent{m.Start, m.End})
		}
	}
	return func(addr uint64) bool {
		for _, e := range own {
			if e.contains(addr) {
				return true
			}
		}
		return false
	}, nil
}

// mapsAll refuses a process that does not map all modules of an update, before anything that takes
// long is done.
func mapsAll(pid int, u *splice.Update) error {
	mods, err := image.ProcessModules(pid)
	if err != nil {
		return err
	}
	for i := range u.Modules {
		want := &u.Modules[i]
		if !slices.ContainsFunc(mods, func(m image.Module) bool { return sameModule(want, &m) }) {
			return notMapped(want)
		}
	}
	return nil
}
