//go:build linux && amd64

package machine

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// Follow applies updates to all selected processes, and then to each that executes a program that
// maps what an update is for, until ctx is done. A child has what its parent has, so that
// fork servers need nothing more.
//
// The kernel tells of every program that is executed (the connector of process events, which needs
// root and the first PID namespace). A process of a program that is known to map what an update is
// for, since an earlier one did, or since the update is for the program itself, is held while its
// dynamic linker works, and goes on with the update applied: see process.ApplyAtStart. Others
// are looked at some moments later, and their program is known from then on. So nothing but these
// programs is ever stopped, and if the tool is killed they go on as they are.
//
// At best such a process is held before it executes the program, by fanotify(7), until it is
// attached to: then nothing is missed, however busy the machine is. So the process that follows
// must not execute these programs itself: have a process of its own follow. Each container has files
// of its own: where containers may be meant, whoever executes any program of an overlay file system is
// held until its build-id was looked at, which takes some tenths of a millisecond. Debian's kernels say in their log that somebody
// can be held, and are marked from then on (taint X).
//
// Where events can't be had, all processes are looked at every FollowOptions.Every.
//
// The error is that of ctx, or about updates or a selection that make no sense.
func Follow(ctx context.Context, updates []*splice.Update, opt FollowOptions) error {
	f, err := newFollower(updates, opt)
	if err != nil {
		return fmt.Errorf("follow: %w", err)
	}
	return f.run(ctx)
}

// follower is the state of one Follow.
type follower struct {
	opt      FollowOptions
	updates  []*splice.Update
	scanners []*scanner
	every    []int // the index of each update

	mu    sync.Mutex
	known map[string]bool       // programs that map what an update is for
	files map[fileKey]bool      // their files
	last  map[followKey]Outcome // of processes that were not patched, to tell of each once

	tell    sync.Mutex
	treated map[int]bool  // processes that are being treated
	waiting atomic.Int64  // processes that will be looked at
	slots   chan struct{} // as many as may be treated at once
	passes  chan struct{} // and as many as may be on their way through the gate: they don't wait for looks at others
	again   chan struct{} // look at all
	deaf    bool          // the kernel tells of no program that is executed
	gate    *procfs.Gate  // for the programs that are known; nil when there is none
	space   string        // our mount namespace
}

// followKey is one process and one update.
type followKey struct {
	id     procfs.ID
	update int
}

func newFollower(updates []*splice.Update, opt FollowOptions) (*follower, error) {
	if err := opt.defaults(); err != nil {
		return nil, err
	}
	if opt.Every <= 0 {
		opt.Every = usualEvery
	}
	if opt.Hold <= 0 {
		opt.Hold = usualHold
	}
	if opt.Tell == nil {
		opt.Tell = func(Followed) {}
	}
	if len(updates) == 0 {
		return nil, errors.New("no update is given")
	}
	f := &follower{opt: opt, updates: updates, known: map[string]bool{}, files: map[fileKey]bool{}, last: map[followKey]Outcome{}, treated: map[int]bool{}, again: make(chan struct{}, 1), slots: make(chan struct{}, opt.Parallel), passes: make(chan struct{}, opt.Parallel)}
	for i, u := range updates {
		f.every = append(f.every, i)
		if err := checkUpdate(u); err != nil {
			return nil, fmt.Errorf("%s: %w", u.Name, err)
		}
		f.scanners = append(f.scanners, &scanner{update: u, subjects: subjects(u), selects: opt.Select, parallel: opt.Parallel})
	}
	return f, nil
}

// run listens before it looks at all: nobody starts between the two.
func (f *follower) run(ctx context.Context) error {
	f.space, _ = procfs.MountSpace(os.Getpid())
	events := make(chan procfs.ExecEvent, maxLooks)
	listening, failed := make(chan struct{}), make(chan error, 1)
	var listener sync.WaitGroup
	listener.Go(func() {
		tell := func(e procfs.ExecEvent) {
			select {
			case events <- e:
			default:
				f.lookAtAll()
			}
		}
		failed <- procfs.ExecEvents(ctx, func() { close(listening) }, tell, f.lookAtAll)
	})
	defer listener.Wait() // behind the end of the gate
	if gate, err := procfs.NewGate(); err == nil {
		f.gate = gate
		defer gate.Close()
		listener.Go(func() { f.guard(ctx) })
		if f.inContainers() {
			listener.Go(func() { f.watchOverlays(ctx) })
		}
	} else {
		f.opt.Logger.Warn("programs can't be held when they are executed", "error", err)
	}
	f.foresee()
	var deaf error
	select {
	case <-listening:
	case deaf = <-failed:
	}
	f.deaf = deaf != nil
	f.all(ctx)
	if f.opt.Ready != nil {
		f.opt.Ready(deaf)
	}
	tick := time.NewTicker(f.opt.Every)
	defer tick.Stop()
	defer func() { // nobody is being treated when it returns
		for range cap(f.slots) {
			f.slots <- struct{}{}
			f.passes <- struct{}{}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e := <-events:
			go f.guardOverlaysOf(e.PID) // what is mounted there is executed soon
			f.slots <- struct{}{}
			go func() {
				defer f.free()
				f.executed(ctx, e.PID)
			}()
		case <-f.again:
			f.all(ctx)
		case <-tick.C:
			f.all(ctx)
		}
	}
}

func (f *follower) free() { <-f.slots }

// take reserves a process, unless it is being treated already.
func (f *follower) take(pid int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.treated[pid] {
		return false
	}
	f.treated[pid] = true
	return true
}

func (f *follower) leave(pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.treated, pid)
}

// isTraced reports whether a process was refused since someone traces it: it may be another look
// at it of our own.
func isTraced(p *Process) bool {
	return slices.ContainsFunc(p.Refusals, func(x *splice.Refusal) bool { return x.Code == process.CodeTraced })
}

func (f *follower) lookAtAll() {
	select {
	case f.again <- struct{}{}:
	default:
	}
}

// all treats all processes. It does not go on until nobody new is found, as Apply does: where one executes its
// program all the time, as sshd for each connection, that would be never. One look finds out which programs these are; from
// then on those that execute them are held, and another look finds those that did it between the two. Where
// nothing tells of programs that are executed, it is done until nobody is found.
func (f *follower) all(ctx context.Context) {
	for i, u := range f.updates {
		scans := []int{1, 2}
		if f.deaf && f.gate == nil {
			scans = []int{f.opt.Scans}
		}
		for _, n := range scans {
			if err := f.look(ctx, i, u, n); err != nil {
				f.opt.Logger.Warn("look at all", "update", u.Name, "error", err)
				break
			}
		}
	}
	f.forget()
}

// look treats all processes that some scans find.
func (f *follower) look(ctx context.Context, update int, u *splice.Update, scans int) error {
	opt := f.opt.Options
	opt.Scans = scans
	r, err := Apply(ctx, u, opt)
	if err != nil {
		return err
	}
	for k := range r.Processes {
		p := &r.Processes[k]
		if isTraced(p) {
			f.later(ctx, p.PID, 0)
			continue
		}
		if id, err := procfs.Identify(p.PID); err == nil {
			f.note(update, id, *p, false)
		}
	}
	return nil
}

// forget drops what is known of processes that have ended.
func (f *follower) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k := range f.last {
		if k.id.Check() != nil {
			delete(f.last, k)
		}
	}
}

// note tells of a process once for each outcome, and remembers the program of one that maps what
// an update is for.
func (f *follower) note(update int, id procfs.ID, p Process, early bool) {
	if p.Outcome == Applied || p.Outcome == Already {
		f.learn(p.PID)
	}
	key := followKey{id, update}
	f.mu.Lock()
	same := f.last[key] == p.Outcome && p.Outcome != Applied || p.Outcome == Already
	f.last[key] = p.Outcome
	f.mu.Unlock()
	if same || p.Outcome == Gone {
		return
	}
	f.tell.Lock()
	defer f.tell.Unlock()
	f.opt.Tell(Followed{Update: f.updates[update].Name, Early: early, Process: p})
}

// program names the program of a process, by its build-id or else by its path; "" when there is none.
func program(mods []image.Module) string {
	for i := range mods {
		switch m := &mods[i]; {
		case !m.Main:
		case len(m.BuildID) > 0:
			return hex.EncodeToString(m.BuildID)
		default:
			return m.Path
		}
	}
	return ""
}

// learn remembers the program of a process that maps what an update is for.
func (f *follower) learn(pid int) {
	key, ok := fileOf(pid)
	f.mu.Lock()
	known := ok && f.files[key]
	f.mu.Unlock()
	if known {
		return
	}
	mods, err := image.ProcessModules(pid)
	name := program(mods)
	if err != nil || name == "" {
		return
	}
	f.mu.Lock()
	known, f.known[name] = !ok || f.files[key], true
	if ok {
		f.files[key] = true
	}
	f.mu.Unlock()
	if known || f.gate == nil {
		return
	}
	if err := f.gate.Guard(procfs.Path(pid, "exe")); err != nil {
		f.opt.Logger.Warn("a program can't be held when it is executed", "pid", pid, "error", err)
	}
}
