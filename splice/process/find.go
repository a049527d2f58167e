//go:build linux && amd64

package process

import (
	"context"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/splice"
)

// maxProbe bounds the pages of a process that are looked at: 16 GiB of private,
// anonymous, read-only memory, which takes a few seconds.
const maxProbe = 4 << 20

// probesPerCheck is how many pages are looked at between two looks at the context.
const probesPerCheck = 1 << 12

// findRecords returns the records in a process, in ascending order of their
// addresses. They stand at the start of a page of private, anonymous,
// read-only memory.
//
// Time is linear in such memory. A process that has more of it than maxProbe, or
// more bytes of records than maxRecords, is refused with [splice.CodeDamaged].
func findRecords(ctx context.Context, pid int, mem readerAt) ([]*record, error) {
	maps, err := procfs.Maps(pid)
	if err != nil {
		return nil, err
	}
	return recordsIn(ctx, maps, mem)
}

// recordsIn is findRecords for memory that is mapped so.
func recordsIn(ctx context.Context, maps []procfs.Mapping, mem readerAt) ([]*record, error) {
	f := &finder{ctx: ctx, mem: mem, maps: maps, room: maxRecords, probes: maxProbe}
	for i := range maps {
		m := &maps[i]
		if m.IsFile() || m.Path != "" || m.Perm != procfs.Read {
			continue
		}
		if err := f.mapping(m); err != nil {
			return nil, err
		}
	}
	jumps := newJumpTable(f.found)
	for _, r := range f.found {
		r.jumps = jumps
	}
	for _, r := range f.found {
		if r.unfinished && !r.isUntouched(mem) {
			return nil, splice.Refuse(splice.CodeDamaged, "", "", r.Start, "its part at %#x is not mapped as it says", r.Code[0])
		}
	}
	return f.found, nil
}

// finder looks for records.
type finder struct {
	ctx    context.Context
	mem    readerAt
	maps   []procfs.Mapping
	room   uint64 // bytes of records that may still be read
	probes int    // pages that may still be looked at
	found  []*record
}

// mapping looks at each page of one mapping.
func (f *finder) mapping(m *procfs.Mapping) error {
	for at := m.Start; at < m.End; {
		if f.probes--; f.probes < 0 {
			return splice.Refuse(splice.CodeDamaged, "", "", at, "more than %d pages of read-only memory may hold records of updates", maxProbe)
		}
		if f.probes%probesPerCheck == 0 {
			if err := f.ctx.Err(); err != nil {
				return err
			}
		}
		r, err := f.record(m, at)
		if err != nil {
			return err
		}
		if r == nil {
			at += splice.PageSize
			continue
		}
		f.found = append(f.found, r)
		at = max(at+splice.PageSize, min(r.End, m.End))
	}
	return nil
}

// record reads the record at a page, or nil.
func (f *finder) record(m *procfs.Mapping, at uint64) (*record, error) {
	before := f.room
	r, ok, err := readRecord(f.mem, at, m.End, &f.room)
	if f.room != before { // megabytes were read
		if err := f.ctx.Err(); err != nil {
			return nil, err
		}
	}
	if err != nil || !ok {
		return nil, err
	}
	if err := r.checkMaps(f.maps); err != nil {
		return nil, splice.Refuse(splice.CodeDamaged, "", "", at, "%v", err)
	}
	return r, nil
}

// A jumpTable says which records write which bytes over what.
type jumpTable map[jumpKey][]*record

// jumpKey is a redirection as it stands in the code: what is at the entry, and in padding.
type jumpKey struct {
	at        uint64
	orig      string // the first bytes of it
	code, pad string
}

// origKept is how much of what is overwritten tells redirections of the same code: that of the
// shortest form.
const origKept = 2

func (d *recordRedirect) key(direct bool) jumpKey {
	k := jumpKey{at: d.At, orig: string(d.Orig[:min(len(d.Orig), origKept)]), code: string(d.Staged)}
	if direct {
		k.code = string(d.Direct)
	}
	switch {
	case d.Pad == nil:
	case direct:
		k.pad = string(d.Pad.Direct)
	default:
		k.pad = string(d.Pad.Staged)
	}
	return k
}

// newJumpTable notes the jumps of all records: for each no more than two, which is
// what it takes to tell whether another one has it.
func newJumpTable(records []*record) jumpTable {
	t := jumpTable{}
	for _, r := range records {
		for i := range r.Redirects {
			for _, direct := range []bool{true, false} {
				k := r.Redirects[i].key(direct)
				if list := t[k]; len(list) == 0 || len(list) == 1 && list[0] != r {
					t[k] = append(list, r)
				}
			}
		}
	}
	return t
}

// superseded reports whether what stands where d was is the redirection of another update,
// of whatever form: that one was applied when this one was reverted.
func (r *record) superseded(mem readerAt, d *recordRedirect) bool {
	if r.jumps == nil {
		return false
	}
	for k := range standing(mem, d) {
		for _, o := range r.jumps[k] {
			if o != r {
				return true
			}
		}
	}
	return false
}

// standing goes over what may stand where d was, by the forms that there are.
func standing(mem readerAt, d *recordRedirect) func(func(jumpKey) bool) {
	return func(yield func(jumpKey) bool) {
		k := jumpKey{at: d.At, orig: string(d.Orig[:min(len(d.Orig), origKept)])}
		for long := splice.JmpRel32; long <= splice.JmpAbs64; long++ {
			size := int(long.Size())
			if b, err := readBytes(mem, d.At, size); err == nil {
				if k.code, k.pad = string(b), ""; !yield(k) {
					return
				}
			}
			short, err := readBytes(mem, d.At, int(splice.HotRel32.Size()))
			if err != nil {
				continue
			}
			in, err := amd64.Decode(short)
			if err != nil {
				continue
			}
			to, ok := in.Target(short, d.At)
			if !ok {
				continue
			}
			if b, err := readBytes(mem, to, size); err == nil {
				if k.code, k.pad = string(short), string(b); !yield(k) {
					return
				}
			}
		}
	}
}
