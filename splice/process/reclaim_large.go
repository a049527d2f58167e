//go:build linux && amd64

package process

import (
	"context"
	"fmt"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/splice"
)

const (
	// trackRounds bounds how often memory that was written meanwhile is looked
	// through again before the last look.
	trackRounds = 8
	// lastLook is how many bytes may be left for the last look, for which the
	// process stands still.
	lastLook = 4 << 20
)

// reclaimTracked unmaps the memory of the update in a process that has too much
// memory to be searched while it stands still: nearly all is searched while it
// runs, and what it wrote meanwhile is searched again, until little is left for a
// last stop. Where the kernel can't tell what was written, the memory stays.
func (v *reverter) reclaimTracked(ctx context.Context) {
	defer func() { v.out.Pause = max(v.out.Pause, v.session.Stats().MaxPause) }()
	t, err := v.track(ctx)
	if err != nil {
		v.out.Kept += "; " + err.Error()
		return
	}
	defer t.close()
	for range trackRounds {
		left, why, err := v.searchWritten(t)
		if err != nil || why != "" {
			v.out.Kept = keptReason(why, err)
			return
		}
		if left <= lastLook {
			break
		}
		if ctx.Err() != nil {
			return
		}
	}
	v.stopAndReclaim(ctx, t)
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
	if err := v.session.Stop(ctx); err != nil {
		return nil, err
	}
	defer v.session.Resume()
	list, err := v.session.Threads()
	if err != nil {
		return nil, err
	}
	maps, err := procfs.Maps(v.session.ID().PID)
	if err != nil {
		return nil, err
	}
	t, err := newTracker(ctx, v.session)
	if err != nil {
		return nil, err
	}
	for _, m := range liveMemory(maps, list, v.rec, true) {
		if !m.threads {
			t.add(extent{m.Start, m.End})
		}
	}
	return t, nil
}

// searchWritten searches what was written since the last search, and returns how
// much that was, in bytes.
func (v *reverter) searchWritten(t *tracker) (n uint64, why string, err error) {
	var look []live
	for _, a := range t.areas {
		if procfs.FindMapping(v.stacks.maps, a[0]) == nil {
			continue
		}
		list, err := t.written(a, true)
		if err != nil {
			return 0, "", err
		}
		for _, w := range list {
			look, n = append(look, live{Mapping: procfs.Mapping{Start: w[0], End: w[1]}}), n+w.size()
		}
	}
	why, err = searchPointers(v.pid, v.session.Mem(), look, v.rec)
	return n, why, err
}

// stopAndReclaim does the last look, and unmaps the memory when nothing points to
// it.
func (v *reverter) stopAndReclaim(ctx context.Context, t *tracker) {
	wait := &Options{Attempts: reclaimTries, Backoff: v.opt.Backoff, Logger: v.opt.Logger}
	why := ""
	err := retry(ctx, wait, new(int), func() ([]Blocker, error) {
		if err := v.session.Stop(ctx); err != nil {
			return nil, err
		}
		defer v.session.Resume()
		blockers, _, err := v.stacks.check(v.session)
		if err != nil || len(blockers) > 0 {
			return blockers, err
		}
		if why, err = v.lastLook(t); err != nil || why != "" {
			return nil, err
		}
		return nil, v.release(ctx)
	})
	if err != nil || why != "" {
		v.out.Kept = keptReason(why, err)
		return
	}
	v.out.State, v.out.Kept = "", ""
}

// lastLook searches registers, stacks, memory that is not tracked, and what was
// written since the last search.
func (v *reverter) lastLook(t *tracker) (string, error) {
	list, err := v.session.Threads()
	if err != nil {
		return "", err
	}
	if why := v.registers(list); why != "" {
		return why, nil
	}
	var look []live
	total := uint64(0)
	for _, m := range liveMemory(v.stacks.maps, list, v.rec, v.stacks.scans == 0) {
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
		for _, w := range written {
			look, total = append(look, live{Mapping: procfs.Mapping{Start: w[0], End: w[1]}}), total+w.size()
		}
	}
	if total > maxLook {
		return fmt.Sprintf("%d MiB of memory were written, or mapped, while it was searched for pointers to it", total>>20), nil
	}
	return searchPointers(v.pid, v.session.Mem(), look, v.rec)
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
