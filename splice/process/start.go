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

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
)

// Started is what became of one update of a process that was started.
type Started struct {
	Report *Report // nil with an error
	// Early says that nothing of the program and of its libraries had run.
	Early bool
	Err   error
}

// ApplyAtStart is [Apply] of updates, in their order, for a process that has just executed its program. It holds the
// process from where the dynamic linker has mapped and relocated everything, which is when the first
// system call comes from elsewhere than from it, until the updates are applied: nothing of the program and
// of its libraries has run then but what the C library does before constructors. A program that was linked
// statically is held where its C library has made the memory of its first thread. Where it comes too late for
// that, or the program's dynamic linker is musl's, it does what Apply does.
//
// A process that maps nothing of what an update is for, now that all is mapped, is refused with
// [splice.CodeNoModule], and runs on. There is an element for each update.
func ApplyAtStart(ctx context.Context, pid int, updates []*splice.Update, opt Options) []Started {
	return applyAtStart(ctx, pid, updates, opt, func(id procfs.ID, o ptrace.Options) (*ptrace.Session, error) {
		return seizeWith(ctx, id, o)
	})
}

// ApplyAtExec is [ApplyAtStart] for a process a thread of which, tid, is about to execute a program, and
// is kept from it until release is called: by fanotify(7), for one. So it never comes too late. release
// is called once, as soon as the thread is attached to, or can't be.
func ApplyAtExec(ctx context.Context, pid, tid int, release func(), updates []*splice.Update, opt Options) []Started {
	if release == nil {
		release = func() {}
	}
	once := sync.OnceFunc(release)
	defer once()
	return applyAtStart(ctx, pid, updates, opt, func(id procfs.ID, o ptrace.Options) (*ptrace.Session, error) {
		return ptrace.SeizeExec(ctx, id.PID, tid, o, once)
	})
}

// applyAtStart applies updates to a process that seize stops at its start.
func applyAtStart(ctx context.Context, pid int, updates []*splice.Update, opt Options, seize func(procfs.ID, ptrace.Options) (*ptrace.Session, error)) []Started {
	opt.defaults()
	out := make([]Started, len(updates))
	session, err := (*ptrace.Session)(nil), error(nil)
	if !opt.DryRun {
		session, err = hold(ctx, pid, &opt, seize)
	}
	if session != nil {
		defer session.Detach()
	}
	var mods []image.Module
	if err == nil && session != nil {
		mods, err = image.ProcessModules(pid)
	}
	for i, u := range updates {
		r := &out[i]
		switch {
		case u == nil:
			r.Err = fmt.Errorf("apply to process %d at its start: no update is given", pid)
			continue
		case err != nil:
			r.Err = err
		case session == nil:
			r.Report, r.Err = Apply(ctx, pid, u, opt)
			continue
		default:
			r.Early = true
			r.Report, r.Err = applyHeld(ctx, session, mods, u, opt)
		}
		if r.Err != nil {
			r.Err = fmt.Errorf("apply %s to process %d at its start: %w", u.Name, pid, explain(r.Err))
		}
	}
	return out
}

// applyHeld applies an update to a process that is held, and maps these modules.
func applyHeld(ctx context.Context, session *ptrace.Session, mods []image.Module, u *splice.Update, opt Options) (*Report, error) {
	if err := mapsAll(mods, u); err != nil {
		return nil, err
	}
	a := &applier{pid: session.ID().PID, opt: opt, session: session}
	defer func() { a.session = nil; a.close() }()
	if err := a.prepare(ctx, u); err != nil {
		return nil, err
	}
	if err := a.run(ctx); err != nil {
		return nil, err
	}
	return a.report(Applied), nil
}

// hold stops the process, lets it run until its dynamic linker is done, and keeps it stopped. It returns nil when
// that is not to be had.
func hold(ctx context.Context, pid int, opt *Options, seize func(procfs.ID, ptrace.Options) (*ptrace.Session, error)) (*ptrace.Session, error) {
	id, err := procfs.Identify(pid)
	if err != nil {
		return nil, err
	}
	session, err := seize(id, ptrace.Options{StopTimeout: opt.StopTimeout, Stopped: true})
	if passes(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ok, err := untilLinked(ctx, session, opt.StartTimeout)
	if ok {
		err = session.Hold()
	}
	if !ok || err != nil {
		session.Detach()
		if passes(err) {
			err = nil
		}
		return nil, err
	}
	return session, nil
}

// untilLinked has a process that is stopped at its start run until everything is mapped and relocated.
func untilLinked(ctx context.Context, session *ptrace.Session, limit time.Duration) (bool, error) {
	pid := session.ID().PID
	aux, err := procfs.ReadAuxv(pid)
	if err != nil {
		return false, err
	}
	threads, err := session.Threads()
	if err != nil || len(threads) != 1 {
		return false, err
	}
	at := threads[0].Regs.Rip
	if aux[procfs.AuxBase] == 0 {
		if at != aux[procfs.AuxEntry] {
			return false, nil // its own code runs already
		}
		return session.RunUntil(ctx, limit, hasThread)
	}
	linker, err := dynamicLinker(pid, aux[procfs.AuxBase])
	if err != nil || linker == nil || !linker(at) {
		return false, err
	}
	return session.RunUntil(ctx, limit, func(r *ptrace.Regs) bool { return !linker(r.Rip) })
}

// beforeThread are system calls of a C library before it has made the memory of the first thread, and the one that executed it.
var beforeThread = []uint64{unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_BRK, unix.SYS_MMAP, unix.SYS_MPROTECT, unix.SYS_ARCH_PRCTL, unix.SYS_UNAME}

// hasThread tells the system call by which a program that was linked statically gives its first thread its
// memory: it has relocated itself then (csu/libc-start.c of glibc 2.36), or has no need to, as with
// musl and Go. Whatever else a program calls before is its own code.
func hasThread(r *ptrace.Regs) bool {
	const archSetFS = 0x1002 // asm/prctl.h
	return r.Orig_rax == unix.SYS_ARCH_PRCTL && r.Rdi == archSetFS || !slices.Contains(beforeThread, r.Orig_rax)
}

// dynamicLinker tells addresses in the program's dynamic linker, which is mapped at base, or in the vdso, from others;
// nil when it is not known how it works.
func dynamicLinker(pid int, base uint64) (func(addr uint64) bool, error) {
	maps, err := procfs.Maps(pid)
	if err != nil {
		return nil, err
	}
	at := procfs.FindMapping(maps, base)
	// That of musl is its C library too, from which all system calls come.
	if at == nil || !strings.HasPrefix(path.Base(at.Path), "ld-") || strings.Contains(at.Path, "musl") {
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
func mapsAll(mods []image.Module, u *splice.Update) error {
	for i := range u.Modules {
		want := &u.Modules[i]
		if !slices.ContainsFunc(mods, func(m image.Module) bool { return sameModule(want, &m) }) {
			return notMapped(want)
		}
	}
	return nil
}
