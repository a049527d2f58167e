//go:build linux && amd64

package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
)

// Status lists the updates that a process holds, by the time they were
// applied. It takes time that is linear in the process's private, anonymous,
// read-only memory, where the records of updates are, and stops when ctx is done.
//
// A process in which these are damaged, or that has more than 16 GiB of such memory
// or 64 MiB of records, is refused with [splice.CodeDamaged].
func Status(ctx context.Context, pid int) ([]Report, error) {
	mem, err := procfs.OpenMem(pid, nil) // the records need no symbols
	if err != nil {
		return nil, fmt.Errorf("status of process %d: %w", pid, explain(err))
	}
	defer mem.Close()
	records, err := findRecords(ctx, pid, mem)
	if err != nil {
		return nil, fmt.Errorf("status of process %d: %w", pid, explain(err))
	}
	return reports(pid, records, mem), nil
}

// StatusOf is [Status] for an image of a process that the caller has made, such as
// of a core dump: regions of no module that can only be read are looked through,
// and code that is redirected has to be in a module.
func StatusOf(ctx context.Context, img *image.Image) ([]Report, error) {
	if img == nil {
		return nil, errors.New("status of an image: none is given")
	}
	mem := imageMem{img}
	records, err := recordsIn(ctx, mappingsOf(img), mem)
	if err != nil {
		return nil, fmt.Errorf("status of an image: %w", explain(err))
	}
	return reports(0, records, mem), nil
}

// mappingsOf says how the memory of an image is mapped.
func mappingsOf(img *image.Image) []procfs.Mapping {
	var maps []procfs.Mapping
	for _, r := range img.Regions() {
		m := procfs.Mapping{Start: r.Start, End: r.End}
		for _, p := range []struct {
			has  bool
			perm procfs.Perm
		}{{r.Read, procfs.Read}, {r.Write, procfs.Write}, {r.Exec, procfs.Exec}} {
			if p.has {
				m.Perm |= p.perm
			}
		}
		if r.Module != image.NoModule {
			m.Inode = 1 // it is of a file
		}
		maps = append(maps, m)
	}
	return maps
}

func reports(pid int, records []*record, mem readerAt) []Report {
	slices.SortFunc(records, func(a, b *record) int { return cmp.Compare(a.Time, b.Time) })
	out := make([]Report, 0, len(records))
	for _, r := range records {
		st, _ := r.state(mem)
		out = append(out, *r.report(pid, st))
	}
	return out
}

// report describes a record.
func (r *record) report(pid int, st State) *Report {
	out := &Report{Schema: splice.ReportSchema, PID: pid, Name: r.Name, ID: r.ID, State: st, Start: r.Start, End: r.End, Redirects: []Redirect{}}
	if r.Time != 0 {
		out.Time = time.Unix(0, r.Time).UTC()
	}
	for i := range r.Redirects {
		d := &r.Redirects[i]
		t := d.trampoline()
		out.Redirects = append(out.Redirects, Redirect{Function: d.Function, Module: d.Module, Address: d.Address, New: d.New, Form: t.Form.String(), Trampoline: t.Disassembly()})
	}
	return out
}
