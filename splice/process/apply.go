//go:build linux && amd64

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
)

// Apply applies an update to a process. It returns when all threads run again
// and enter the new code, or with an error and the process unchanged. The
// error is or wraps a [*splice.Refusal] (a [*BusyError] when threads stood in
// the way to the end), an error of the kernel, or one of ctx.
func Apply(ctx context.Context, pid int, u *splice.Update, opt Options) (*Report, error) {
	if u == nil {
		return nil, fmt.Errorf("apply to process %d: %w", pid, errNoUpdate)
	}
	opt.defaults()
	a := &applier{pid: pid, opt: opt}
	defer a.close()
	state := Staged
	err := awaitLinked(ctx, pid)
	if err == nil {
		err = a.prepare(ctx, u)
	}
	switch {
	case err != nil:
	case opt.DryRun:
		if err = foreseeMemory(pid, &a.plan.at); err == nil {
			err = foresee(ctx, pid, &a.opt, a.stacks, imageMem{a.image})
		}
	default:
		state, err = Applied, a.run(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("apply %s to process %d: %w", u.Name, pid, explain(err))
	}
	return a.report(state), nil
}

var errNoUpdate = errors.New("no update is given")

// applier is the state of one Apply.
type applier struct {
	pid     int
	id      procfs.ID // of the process that was looked at first
	opt     Options
	image   *image.Image
	plan    *plan
	records []*record // that the process has
	stacks  *stacks
	session *ptrace.Session

	threads, attempts int
	pause             time.Duration
}

func (a *applier) close() {
	if a.session != nil {
		a.session.Detach()
	}
	if a.image != nil {
		a.image.Close()
	}
}

// prepare does what needs no stop.
func (a *applier) prepare(ctx context.Context, u *splice.Update) error {
	var err error
	if a.id, err = procfs.Identify(a.pid); err != nil {
		return err
	}
	if err = isProgram(a.pid); err == nil {
		err = frozen(a.pid)
	}
	if err != nil {
		return err
	}
	if a.image, err = image.OpenProcess(a.pid); err != nil {
		return err
	}
	if a.records, err = findRecords(ctx, a.pid, imageMem{a.image}); err != nil {
		return err
	}
	if err := inUseAlready(a.records, imageMem{a.image}, u.ID()); err != nil {
		return err
	}
	if a.plan, err = newPlan(u, a.image); err != nil {
		return err
	}
	if err := a.foreseeCode(); err != nil {
		return err
	}
	tables := unwindTables(a.pid, a.image)
	x := &exceptions{plan: a.plan, tables: tables, mem: imageMem{a.image}}
	if !a.opt.NoExceptions {
		if err := x.check(); err != nil {
			return err
		}
	}
	if err := a.unhook(ctx); err != nil {
		return err
	}
	if a.plan.sealed, err = x.sealed(); err != nil {
		return err
	}
	var areas []area
	for _, s := range a.plan.spans {
		areas = append(areas, area{s.name, s.addr, s.addr + uint64(len(s.bytes))})
	}
	if err := a.place(); err != nil {
		return err
	}
	if err := a.foreseeGroup(); err != nil {
		return err
	}
	a.stacks = newStacks(tables, a.image, a.records, append(areas, a.plan.rec.hookAreas()...))
	return nil
}

// unhook takes the hooks of other updates out of what was read of the unwinders. The
// records are read again for that: another tool may have put a hook there since, and
// that is not the unwinder's own code.
func (a *applier) unhook(ctx context.Context) (err error) {
	if len(a.plan.unwinders) == 0 {
		return nil
	}
	if a.records, err = findRecords(ctx, a.pid, imageMem{a.image}); err != nil {
		return err
	}
	for i := range a.plan.unwinders {
		a.plan.unwinders[i].unhooked(a.records)
	}
	return nil
}

// inUseAlready refuses an update that is applied, or that a killed tool left
// half applied.
func inUseAlready(records []*record, mem readerAt, id string) error {
	for _, r := range records {
		if r.ID != id {
			continue
		}
		switch st, _ := r.state(mem); st {
		case Applied, Staged:
			return splice.Refuse(splice.CodeApplied, "", "", r.Start, "the process has it in state %q", st)
		}
	}
	return nil
}

// place chooses where the update goes, and links it for that.
func (a *applier) place() error {
	space, err := ptrace.ReadSpace(a.pid)
	if err != nil {
		return err
	}
	if err := a.plan.choose(space); err != nil {
		return err
	}
	return a.plan.link()
}

// run attaches, maps, writes, and commits.
func (a *applier) run(ctx context.Context) (err error) {
	if a.session == nil { // it is not held already
		a.session, err = seize(ctx, a.id, &a.opt)
		if err != nil {
			return err
		}
	}
	if err := a.mapRegion(ctx); err != nil {
		return err
	}
	a.stacks.warm(a.pid, a.session.Mem())
	if err = a.fill(); err == nil {
		err = a.commitWhenIdle(ctx)
	}
	if err != nil && !isGone(err) {
		return errors.Join(err, a.unmap())
	}
	return err
}

// mapTries bounds how often another place is looked for, when the process
// mapped something there in the meantime.
const mapTries = 4

func (a *applier) mapRegion(ctx context.Context) error {
	for try := 1; ; try++ {
		stops := 0
		err := retry(ctx, &a.opt, &stops, within(a.session, func() ([]Blocker, error) { return nil, a.mapOnce(ctx) }))
		if !errors.Is(err, syscall.EEXIST) || try == mapTries {
			return err
		}
		if err := a.place(); err != nil {
			return err
		}
	}
}

// mapOnce maps the region in a stop of its own. The record comes first, and with its
// content, then the rest as code, of which the end becomes data: so a killed tool
// leaves no memory that nobody knows, see [record.checkMaps]. Nothing is ever
// writable and executable, nor becomes executable that was not: what is written
// later is written through the tracer.
func (a *applier) mapOnce(ctx context.Context) error {
	if err := a.session.Stop(ctx); err != nil {
		return err
	}
	defer a.session.Resume()
	at := &a.plan.at
	rec, err := a.encodeRecord()
	if err != nil {
		return err
	}
	end := at.start
	if err = a.session.MmapWith(ctx, at.start, at.code-at.start, unix.PROT_READ, rec); err == nil {
		end = at.code
		err = a.session.Mmap(ctx, at.code, at.end-at.code, unix.PROT_READ|unix.PROT_EXEC)
	}
	if err == nil {
		end = at.end
		if at.data < at.end {
			err = a.session.MmapOver(ctx, at.data, at.end-at.data, unix.PROT_READ|unix.PROT_WRITE)
		}
	}
	if err != nil && at.start < end && !isGone(err) {
		err = errors.Join(err, a.session.Munmap(context.WithoutCancel(ctx), at.start, end-at.start))
	}
	return err
}

// encodeRecord makes the record. Until the first redirection is written, it
// describes an update that is not in use.
func (a *applier) encodeRecord() ([]byte, error) {
	rec, err := a.plan.rec.encode()
	if err != nil {
		return nil, err
	}
	if uint64(len(rec)) > a.plan.head {
		return nil, fmt.Errorf("a record of %#x bytes in %#x", len(rec), a.plan.head)
	}
	return rec, nil
}

// fill writes the region, and reads it back. The process runs meanwhile.
func (a *applier) fill() error {
	at, mem := &a.plan.at, a.session.Mem()
	for _, s := range []struct {
		addr uint64
		b    []byte
	}{
		{at.slots, a.plan.slots},
		{at.hooks, a.plan.hooks},
		{at.consts, a.plan.linked.Const.Bytes},
		{at.code, a.plan.linked.Code.Bytes},
		{at.stubs, a.plan.stub},
		{at.data, a.plan.linked.Data.Bytes},
	} {
		if len(s.b) == 0 {
			continue
		}
		if _, err := mem.WriteAddr(s.b, s.addr); err != nil {
			return writeError(err)
		}
		back := make([]byte, len(s.b))
		if _, err := mem.ReadAddr(back, s.addr); err != nil {
			return err
		}
		if !bytes.Equal(back, s.b) {
			return fmt.Errorf("memory at %#x does not hold what was written", s.addr)
		}
	}
	return nil
}

// commitWhenIdle stops the process until no thread stands in the way, and
// then commits.
func (a *applier) commitWhenIdle(ctx context.Context) error {
	return retry(ctx, &a.opt, &a.attempts, within(a.session, func() ([]Blocker, error) {
		if err := alone(a.pid); err != nil {
			return nil, err
		}
		if err := a.session.Stop(ctx); err != nil {
			return nil, err
		}
		defer func() { a.session.Resume(); a.pause = a.session.Stats().MaxPause }()
		mem := a.session.Mem()
		if err := a.plan.verify(func(p []byte, addr uint64) error { _, err := mem.ReadAddr(p, addr); return err }); err != nil {
			return nil, err
		}
		blockers, n, err := a.stacks.check(a.session)
		if err != nil || len(blockers) > 0 {
			return blockers, err
		}
		a.threads = n
		if err = a.plan.rec.install(mem, a.records); err == nil {
			err = commit(mem, &a.plan.rec)
		}
		if err != nil {
			err = errors.Join(err, a.takeBack(mem))
		}
		return nil, err
	}))
}

// takeBack takes out the hooks of an update that is not in use, in the stop in which
// they were put there: no thread has seen them.
func (a *applier) takeBack(mem *ptrace.Mem) error {
	if a.plan.rec.leading(mem) != nil {
		return nil
	}
	return a.plan.rec.uninstall(mem, a.records)
}

// unmap removes the region after a failure: unless something leads to it,
// because what was written could not be taken back.
func (a *applier) unmap() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	stays := func(err error) error {
		if err == nil || isGone(err) {
			return nil
		}
		return fmt.Errorf("the mapping at %#x stays: %w", a.plan.at.start, err)
	}
	return stays(retry(ctx, &a.opt, new(int), within(a.session, func() ([]Blocker, error) {
		if err := a.session.Stop(ctx); err != nil {
			return nil, err
		}
		defer a.session.Resume()
		if d := a.plan.rec.leading(a.session.Mem()); d != nil {
			return nil, fmt.Errorf("%s at %#x leads to it", d.Function, d.At)
		}
		if len(a.plan.rec.Hooks) > 0 {
			a.stacks.areas = a.plan.rec.areas()
			if blockers, _, err := a.stacks.check(a.session); err != nil || len(blockers) > 0 {
				return blockers, err
			}
		}
		if err := a.plan.rec.sweep(a.session.Mem()); err != nil {
			return nil, err
		}
		if err := a.plan.rec.uninstall(a.session.Mem(), a.records); err != nil {
			return nil, err
		}
		return nil, a.session.Munmap(ctx, a.plan.at.start, a.plan.at.end-a.plan.at.start)
	})))
}

// report says what was done.
func (a *applier) report(state State) *Report {
	r := a.plan.rec.report(a.pid, state)
	r.Threads, r.Attempts, r.Pause = a.threads, a.attempts, a.pause
	r.Scans = a.stacks.scans
	return r
}
