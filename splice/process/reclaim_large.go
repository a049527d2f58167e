//go:build linux && amd64

package process

import (
	"context"
	"fmt"
	"time"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/splice"
)

const (
	// trackRounds bounds how often memory that was written meanwhile is looked
	// through again before the last look.
	trackRounds = 12
	// lastLook is how many bytes may be left for the last look, for which the
	// process stands still.
	lastLook = 1 << 20
	// nearby is how far pages may be apart that are read together: two more calls of the kernel take as long.
	nearby = 8 * splice.PageSize
)

// reclaimTracked unmaps the memory of the update in a process that has too much
// memory to be searched while it stands still: nearly all is searched while it
// runs, and what it wrote meanwhile is searched again, until little is left for a
// last stop. What points to the memory may be stale, and is looked at again some
// times. The error says why nothing could be tracked.
func (v *reverter) reclaimTracked(ctx context.Context) error {
	t, err := v.track(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	wait := v.opt.Backoff
	for try := range reclaimTries {
		why, err := v.searchRunning(t)
		if err == nil && why == "" {
			// A program that writes much has to stand still for longer, but only if it always does.
			why, err = v.stopAndReclaim(ctx, t, maxLook>>(reclaimTries-1-try))
		}
		if err == nil && why == "" {
			v.out.State, v.out.Kept = "", ""
			return nil
		}
		v.out.Kept = keptReason(why, err)
		if err != nil && !passes(err) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait *= 2
	}
	return nil
}

func keptReason(why string, err error) string {
	if err != nil {
		return err.Error()
	}
	return why
}

// track begins to track what the process writes, but for the stacks that threads
// stand on: these are searched in the last stop.
func (v *reverter) track(ctx context.Context) (*tracker, error) {
	t, list, err := v.beginTracking(ctx)
	if err != nil {
		return nil, err
	}
	maps, err := procfs.Maps(v.session.ID().PID)
	if err != nil {
		t.close()
		return nil, err
	}
	for _, m := range liveMemory(maps, list, v.rec, true) {
		if !m.threads {
			t.add(extent{m.Start, m.End})
		}
	}
	return t, nil
}

// beginTracking makes a tracker in a stop of its own, and tells where the threads
// were then.
func (v *reverter) beginTracking(ctx context.Context) (t *tracker, list []ptrace.Thread, err error) {
	err = retry(ctx, &v.opt, new(int), within(v.session, func() ([]Blocker, error) {
		if err := v.session.Stop(ctx); err != nil {
			return nil, err
		}
		defer v.session.Resume()
		if list, err = v.session.Threads(); err == nil {
			t, err = newTracker(ctx, v.session)
		}
		return nil, err
	}))
	return t, list, err
}

// searchRunning searches what is tracked while the process runs, and what it
// writes meanwhile, until that is little or becomes no less.
func (v *reverter) searchRunning(t *tracker) (why string, err error) {
	before := ^uint64(0)
	for range trackRounds {
		n, why, err := v.searchWritten(t)
		if err != nil || why != "" {
			return why, err
		}
		if n <= lastLook || n > before/4*3 {
			break
		}
		before = n
	}
	return "", nil
}

// searchWritten searches what was written since the last search, and what was left
// then. It returns how much was written, in bytes.
func (v *reverter) searchWritten(t *tracker) (n uint64, why string, err error) {
	for _, a := range t.areas {
		list, err := t.written(a, true)
		if err != nil {
			return 0, "", err
		}
		for _, w := range list {
			t.todo, n = append(t.todo, live{Mapping: procfs.Mapping{Start: w[0], End: w[1]}}), n+w.size()
		}
	}
	t.todo, why, err = searchPointers(v.pid, v.session.Mem(), t.todo, v.rec)
	return n, why, err
}

// stopAndReclaim does the last look, of so many bytes at most, and unmaps the memory when nothing points to
// it.
func (v *reverter) stopAndReclaim(ctx context.Context, t *tracker, most uint64) (why string, err error) {
	if err := v.session.Stop(ctx); err != nil {
		return "", err
	}
	defer v.session.Resume()
	blockers, _, err := v.stacks.check(v.session)
	if err != nil {
		return "", err
	}
	if len(blockers) > 0 {
		return blockers[0].String(), nil
	}
	if why, err = v.lastLook(t, most); err != nil || why != "" {
		return why, err
	}
	return "", v.release(ctx)
}

// lastLook searches registers, stacks, memory that is not tracked, and what was
// written since the last search.
func (v *reverter) lastLook(t *tracker, most uint64) (string, error) {
	list, err := v.session.Threads()
	if err != nil {
		return "", err
	}
	if why := v.registers(list); why != "" {
		return why, nil
	}
	var look []live
	total := uint64(0)
	maps, err := v.stacks.mappings()
	if err != nil {
		return "", err
	}
	for _, m := range liveMemory(maps, list, v.rec, v.stacks.scans == 0) {
		e := extent{m.Start, m.End}
		if m.threads || !t.tracks(e) {
			n, err := residentIn(v.pid, e)
			if err != nil {
				return "", err
			}
			look, total = append(look, m), total+n
			continue
		}
		written, err := t.written(e, false)
		if err != nil {
			return "", err
		}
		for _, w := range joined(written, nearby) {
			look, total = append(look, live{Mapping: procfs.Mapping{Start: w[0], End: w[1]}}), total+w.size()
		}
	}
	if total > most {
		return fmt.Sprintf("%d MiB of memory were written, or mapped, while it was searched for pointers to it", total>>20), nil
	}
	_, why, err := searchPointers(v.pid, v.session.Mem(), look, v.rec)
	return why, err
}

// joined joins ranges that are in order and not further apart than that.
func joined(list []extent, apart uint64) []extent {
	var out []extent
	for _, e := range list {
		if n := len(out); n > 0 && e[0]-out[n-1][1] <= apart {
			out[n-1][1] = e[1]
		} else {
			out = append(out, e)
		}
	}
	return out
}

// residentIn returns how many bytes of a range exist, up to a little more than
// maxLook.
func residentIn(pid int, e extent) (uint64, error) {
	pm, err := openPagemap(pid)
	if err != nil {
		return 0, err
	}
	defer pm.Close()
	total := uint64(0)
	const step = 1 << 21
	for at := e[0] &^ (splice.PageSize - 1); at < e[1] && total <= maxLook; {
		n, present, err := pm.run(at, min(pages(e[1]-at), step))
		if err != nil {
			return 0, err
		}
		if present {
			total += n
		}
		at += n
	}
	return total, nil
}
