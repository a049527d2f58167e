//go:build linux && amd64

package process

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gosplice/gosplice/internal/ehframe"
	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/splice"
)

// reclaim unmaps the memory of a reverted update, unless something may still
// point to it. The process is stopped, and no thread is in the code. What goes
// wrong is a reason to keep the memory, and no more: the old code runs.
func (v *reverter) reclaim(ctx context.Context) {
	v.out.State = Kept
	why, err := v.inUse()
	if err == nil && why == "" {
		err = v.release(ctx)
	}
	switch {
	case err != nil:
		v.out.Kept = err.Error()
	case why != "":
		v.out.Kept = why
	default:
		v.out.State, v.out.Kept = "", ""
	}
}

// release unmaps the memory of the stopped process, to which nothing points, when
// its unwinders do not lead to it any more.
func (v *reverter) release(ctx context.Context) error {
	if err := v.rec.uninstall(v.session.Mem(), v.records); err != nil {
		return err
	}
	return v.session.Munmap(context.WithoutCancel(ctx), v.rec.ours[0], v.rec.ours.size())
}

// reclaimTries bounds how often the memory is looked at again: a stale word in
// a stack frame goes away as the program runs.
const reclaimTries = 6

// reclaimLater tries again what was not possible in the stop that put the old
// code back.
func (v *reverter) reclaimLater(ctx context.Context) {
	if v.large {
		untracked := v.reclaimTracked(ctx)
		if untracked == nil {
			return
		}
		v.most, v.large = maxLook, false
		defer func() {
			if v.large {
				v.out.Kept += "; " + untracked.Error()
			}
		}()
	}
	wait := v.opt.Backoff
	for i := 0; i < reclaimTries && v.out.State == Kept && v.rec.Escape == "" && !v.large; i++ {
		select {
		case <-ctx.Done():
			return // reverted all the same
		case <-time.After(wait):
		}
		wait *= 2
		blockers, err := within(v.session, func() ([]Blocker, error) {
			if err := v.session.Stop(ctx); err != nil {
				return nil, err
			}
			defer v.session.Resume()
			blockers, _, err := v.stacks.check(v.session)
			if err == nil && len(blockers) == 0 {
				v.reclaim(ctx)
			}
			return blockers, err
		})()
		switch {
		case err != nil:
			v.out.Kept = err.Error()
		case len(blockers) > 0:
			v.out.Kept = blockers[0].String()
		}
	}
}

// forgetGone says that nothing is left of an update in a process that has ended since: its memory went with it.
func (v *reverter) forgetGone() {
	if v.out.State != Kept {
		return
	}
	st, err := procfs.ReadStat(v.pid)
	if errors.Is(err, procfs.ErrGone) || err == nil && (st.Start != v.id.Start || st.IsDead()) {
		v.out.State, v.out.Kept = "", ""
	}
}

const (
	// quickLook is how many bytes are looked through in the stop that puts the old
	// code back. Of a process that has more, they are while it runs.
	quickLook = 1 << 20
	// maxLook bounds what is looked through while the process is stopped where there
	// is no other way, in bytes; it takes about a millisecond for 4 MiB.
	maxLook = 64 << 20
)

// inUse says why the memory of the update can't be unmapped: what in the
// process may point into it. Registers and all writable memory are searched,
// since new code may have stored the address of a string or a function of the
// update anywhere.
func (v *reverter) inUse() (string, error) {
	if v.rec.unfinished {
		return "", nil // nobody was ever led to it
	}
	if v.rec.Escape != "" {
		return fmt.Sprintf("the address of its function %s was taken, and may be in the kernel or encoded", v.rec.Escape), nil
	}
	list, err := v.session.Threads()
	if err != nil {
		return "", err
	}
	if why := v.registers(list); why != "" {
		return why, nil
	}
	if v.rec.Sealed {
		return "", nil // the stacks were checked, and there is nowhere else to look
	}
	var total uint64
	maps, err := v.stacks.mappings()
	if err != nil {
		return "", err
	}
	look := liveMemory(maps, list, v.rec, v.stacks.scans == 0)
	for _, m := range look {
		total += m.Len()
	}
	resident, err := residentSize(v.pid)
	if err != nil {
		return "", err
	}
	if n := min(total, resident); n > v.most {
		v.large = true
		return fmt.Sprintf("%d MiB of writable memory are too much to search for pointers to it while the process stands still", n>>20), nil
	}
	_, why, err := searchPointers(v.pid, v.session.Mem(), look, v.rec)
	return why, err
}

// registers says which thread has a pointer to the update in a register.
func (v *reverter) registers(list []ptrace.Thread) string {
	for i := range list {
		regs := dwarfRegs(&list[i].Regs)
		if slices.ContainsFunc(regs.R[:], v.rec.contains) {
			return fmt.Sprintf("a register of thread %d points to it", list[i].TID)
		}
	}
	return ""
}

// contains reports whether w points into the memory of the update.
func (r *record) contains(w uint64) bool { return w >= r.Start && w < r.End }

// pointsTo is contains for words on a stack whose frames were all unwound.
// Return addresses into the update would have been found then, so that a word
// which leads into the middle of a function is what a call has left behind.
func (r *record) pointsTo(w uint64) bool {
	if w >= r.Code[0] && w < r.Code[1] {
		return slices.Contains(r.Entries, w)
	}
	return r.livesIn(w)
}

// livesIn is contains for a word of memory. What an exception leaves behind there
// leads to exception tables, and to where the unwinder enters functions
// (__cxa_exception of the Itanium C++ ABI, 2.2.1: languageSpecificData,
// actionRecord, catchTemp). It is read only while a frame of the function is on a
// stack, and written anew when the exception is thrown again.
func (r *record) livesIn(w uint64) bool {
	return r.contains(w) && !slices.ContainsFunc(r.landings, func(l ehframe.Landing) bool {
		return w >= l.Start && w < l.End || slices.Contains(l.Pads, w)
	})
}

// live is memory that a program can get a pointer from.
type live struct {
	procfs.Mapping
	stack   bool // of threads whose frames were all unwound
	threads bool // a thread stands on it
}

// searchPointers looks for aligned words in memory that point into the update.
// Only pages that exist are read. It ends at the first, and returns the rest from
// there on.
func searchPointers(pid int, mem readerAt, maps []live, rec *record) (rest []live, why string, err error) {
	pm, err := openPagemap(pid)
	if err != nil {
		return nil, "", err
	}
	defer pm.Close()
	buf := make([]byte, 1<<18)
	for i, m := range maps {
		at, found, err := searchMapping(pm, mem, m, rec, buf)
		if err != nil {
			return nil, "", err
		}
		if found {
			m.Start = at
			return append([]live{m}, maps[i+1:]...), fmt.Sprintf("the word at %#x points to it", at), nil
		}
	}
	return nil, "", nil
}

// searchMapping is searchPointers for one mapping. buf is whole pages.
func searchMapping(pm *pagemap, mem readerAt, m live, rec *record, buf []byte) (at uint64, found bool, err error) {
	in := rec.livesIn
	if m.stack {
		in = rec.pointsTo
	}
	for at := m.Start; at < m.End; {
		page := at &^ (splice.PageSize - 1)
		n, present, err := pm.run(page, min(pages(m.End-page), uint64(len(buf))))
		if err != nil {
			return 0, false, err
		}
		n = min(page+n, m.End) - at
		if present {
			if _, err := mem.ReadAddr(buf[:n], at); err != nil {
				var ae *procfs.AddrError
				if !errors.As(err, &ae) {
					return 0, false, err
				}
				n = min(page+splice.PageSize, m.End) - at // a device, or gone: nothing that a program's pointers are in
			} else if off := findWord(buf[:n], extent{rec.Start, rec.End}, in); off >= 0 {
				return at + uint64(off), true, nil
			}
		}
		at += n
	}
	return 0, false, nil
}

// findWord finds the first word that leads into a range, and counts.
func findWord(b []byte, e extent, counts func(uint64) bool) int {
	size := e.size()
	for i := 0; i+8 <= len(b); i += 8 {
		if w := binary.LittleEndian.Uint64(b[i:]); w-e[0] < size && counts(w) {
			return i
		}
	}
	return -1
}

// liveMemory returns the writable memory that a program can get a pointer
// from: not that of the update itself, and of the stacks of threads not what
// is below the stack pointer.
func liveMemory(maps []procfs.Mapping, threads []ptrace.Thread, rec *record, unwound bool) []live {
	var out []live
	for i, m := range maps {
		if m.Perm&procfs.Write == 0 {
			continue
		}
		guarded := m.Path == "[stack]" || i > 0 && maps[i-1].End == m.Start && maps[i-1].Perm == 0
		stack, stood := false, false
		for t := range threads {
			if sp := threads[t].Regs.Rsp; guarded && m.Contains(sp) {
				m.Start = max(m.Start, (sp-redZone)&^7) // no longer the start of a page
				stack, stood = unwound, true
			}
		}
		for _, m := range without(m, extent{rec.Start, rec.End}) {
			out = append(out, live{m, stack, stood})
		}
	}
	return out
}

// without cuts a range out of a mapping: the kernel joins neighbours that have
// the same protection.
func without(m procfs.Mapping, cut extent) []procfs.Mapping {
	if m.End <= cut[0] || cut[1] <= m.Start {
		return []procfs.Mapping{m}
	}
	var out []procfs.Mapping
	if before := m; m.Start < cut[0] {
		before.End = cut[0]
		out = append(out, before)
	}
	if m.End > cut[1] {
		m.Start = cut[1]
		out = append(out, m)
	}
	return out
}
