//go:build linux && amd64

package process

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/internal/ehframe"
	"github.com/gosplice/gosplice/internal/procfs"
	"github.com/gosplice/gosplice/splice"
)

// record is what a process holds about an update that was applied to it, at
// the start of the mapping:
//
//	+0   16 bytes  magic
//	+16  8 bytes   length of the JSON
//	+24  32 bytes  SHA-256 of the JSON
//	+56  ...       JSON
//
// It is written before everything else, and never changes. What became of the
// update is read off the redirected functions themselves.
type record struct {
	Format    int                  `json:"format"`
	Name      string               `json:"name"`
	ID        string               `json:"id"`
	Time      int64                `json:"time"`  // when it was applied, nanoseconds since 1970
	Start     uint64               `json:"start"` // of the mapping
	End       uint64               `json:"end"`
	Code      extent               `json:"code"`
	Frames    list[extent]         `json:"frames"`  // .eh_frame sections
	Entries   []uint64             `json:"entries"` // of the functions in the code
	Redirects list[recordRedirect] `json:"redirects"`
	Hooks     list[recordHook]     `json:"hooks,omitempty"`
	// Escape is a new function whose address the update takes, so that
	// pointers to it may be where no search finds them; "" when there is none.
	Escape string `json:"escape,omitempty"`
	// Sealed says that the update hands out no address of its own, so that a
	// pointer to it can only be in registers and on the stacks of threads.
	Sealed bool `json:"sealed,omitempty"`

	ours       extent // what of it is mapped
	unfinished bool   // not all is: a tool was killed before it went on

	landings []ehframe.Landing // of its exception tables, for a revert

	jumps jumpTable // of all records of the process; nil for one of our own
}

// recordRedirect is one redirection, with all the forms that its trampoline
// can have.
type recordRedirect struct {
	Function string `json:"function"`
	Module   string `json:"module"`
	Address  uint64 `json:"address"` // entry of the old function
	At       uint64 `json:"at"`      // where the trampoline stands
	Orig     []byte `json:"orig"`    // what stood there
	Direct   []byte `json:"direct"`  // the jump to the new function
	Staged   []byte `json:"staged"`  // the jump through the slot
	Stub     uint64 `json:"stub"`    // where that leads to first
	Slot     uint64 `json:"slot"`
	OldPath  uint64 `json:"old_path"` // displaced instructions, then the old body
	New      uint64 `json:"new"`
	// Pad is the long jump of the hotpatch kind, in padding: it changes then, and what stands
	// at the entry is the same jump to it whether direct or staged.
	Pad *recordPad `json:"pad,omitempty"`

	gone bool // the code that it redirects, see [record.checkWrites]
}

// recordPad is the part of a redirection that stands in padding.
type recordPad struct {
	At     uint64 `json:"at"`
	Orig   []byte `json:"orig"`
	Direct []byte `json:"direct"`
	Staged []byte `json:"staged"`
}

// extent is a range of addresses, its end exclusive.
type extent [2]uint64

func (e extent) size() uint64              { return e[1] - e[0] }
func (e extent) contains(addr uint64) bool { return e[0] <= addr && addr < e[1] }
func (e extent) holds(f extent) bool       { return e[0] <= f[0] && f[0] <= f[1] && f[1] <= e[1] }

// list is a list that JSON from elsewhere can't make long: an element in
// memory may take a hundred times as much as its text.
type list[T any] []T

func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return errors.Join(errors.New("no list"), err)
	}
	for d.More() {
		if len(*l) == maxRedirects {
			return fmt.Errorf("a list of more than %d", maxRedirects)
		}
		var v T
		if err := d.Decode(&v); err != nil {
			return err
		}
		*l = append(*l, v)
	}
	return nil
}

const (
	plainFormat  = 1
	hookedFormat = 2 // has hooks; who does not know them can't revert it
	paddedFormat = 3 // has jumps in padding, perhaps hooks too; likewise
	recordMagic  = "\x7fgosplice record"
	recordHead   = 16 + 8 + sha256.Size
	// maxRecord bounds what is read of a process on its own word.
	maxRecord = 16 << 20
	// maxRecords bounds that for all records of a process together.
	maxRecords = 4 * maxRecord
	// maxEscape bounds a name, in bytes.
	maxEscape = 256
)

func (r *record) encode() ([]byte, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	sum := sha256.Sum256(body)
	b := append(make([]byte, 0, recordHead+len(body)), recordMagic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(body)))
	b = append(b, sum[:]...)
	return append(b, body...), nil
}

// readerAt is memory of a process.
type readerAt interface {
	ReadAddr(p []byte, addr uint64) (int, error)
}

// readRecord reads the record at addr, which has to lie in a mapping that ends
// at limit. ok is false when there is none. Its bytes are taken from room.
func readRecord(mem readerAt, addr, limit uint64, room *uint64) (r *record, ok bool, err error) {
	var head [recordHead]byte
	if limit-addr < recordHead {
		return nil, false, nil
	}
	if _, err := mem.ReadAddr(head[:], addr); err != nil || string(head[:16]) != recordMagic {
		return nil, false, nil
	}
	damaged := func(format string, args ...any) error {
		return splice.Refuse(splice.CodeDamaged, "", "", addr, format, args...)
	}
	n := binary.LittleEndian.Uint64(head[16:])
	if n > maxRecord || n > limit-addr-recordHead {
		return nil, false, damaged("a record of %#x bytes in a mapping of %#x", n, limit-addr)
	}
	if n > *room {
		return nil, false, damaged("what looks like records of updates has more than %d bytes", maxRecords)
	}
	*room -= n
	body := make([]byte, n)
	if _, err := mem.ReadAddr(body, addr+recordHead); err != nil {
		return nil, false, damaged("%v", err)
	}
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], head[24:]) {
		return nil, false, nil // half written: the update was never in use
	}
	r = new(record)
	if err := json.Unmarshal(body, r); err != nil {
		return nil, false, damaged("%v", err)
	}
	if err := r.check(addr); err != nil {
		return nil, false, damaged("%v", err)
	}
	return r, true, nil
}

// check reports whether the parts of a record fit together: nothing in it may
// lead a revert to write anything but what its own redirections are. What the
// addresses lead to is checked by [record.checkMaps].
func (r *record) check(addr uint64) error {
	region := extent{r.Start, r.End}
	switch {
	case r.Format < plainFormat || r.Format > paddedFormat:
		return fmt.Errorf("format %d", r.Format)
	case r.Start != addr || r.End <= r.Start || r.Start%splice.PageSize != 0 || r.End%splice.PageSize != 0 || region.size() > maxRegion:
		return fmt.Errorf("it says that it is at %#x-%#x", r.Start, r.End)
	case !region.holds(r.Code) || r.Code[0]%splice.PageSize != 0:
		return fmt.Errorf("code at %#x", r.Code)
	case len(r.Redirects) == 0:
		return errors.New("no redirections")
	case r.Redirects[0].Slot%splice.PageSize != 0:
		return fmt.Errorf("slots at %#x", r.Redirects[0].Slot)
	}
	frames := uint64(0)
	for _, f := range r.Frames {
		if !(extent{r.Start, r.Code[0]}).holds(f) {
			return fmt.Errorf("unwind table at %#x", f)
		}
		if frames += f.size(); frames > region.size() {
			return errors.New("unwind tables that overlap")
		}
	}
	for i := range r.Redirects {
		if err := r.checkRedirect(i); err != nil {
			return fmt.Errorf("redirect %s: %w", r.Redirects[i].Function, err)
		}
	}
	for i := range r.Hooks {
		if err := r.checkHook(&r.Hooks[i]); err != nil {
			return fmt.Errorf("hook in %s: %w", r.Hooks[i].Module, err)
		}
	}
	return nil
}

// mappedAs reports whether all of a range is private anonymous memory with a
// protection.
func mappedAs(maps []procfs.Mapping, e extent, perm procfs.Perm) bool {
	for at := e[0]; at < e[1]; {
		m := procfs.FindMapping(maps, at)
		if m == nil || m.IsFile() || m.Path != "" || m.Perm != perm {
			return false
		}
		at = m.End
	}
	return true
}

// maxRegion bounds the size of an update in a process, in bytes: that which a
// linker takes, and the rest.
const maxRegion = 2 << 30

// checkRedirect checks that the trampolines are jumps to where the record says
// that they lead, into its own code.
func (r *record) checkRedirect(i int) error {
	d := &r.Redirects[i]
	if len(d.Direct) != len(d.Orig) || len(d.Staged) != len(d.Orig) {
		return fmt.Errorf("%d bytes", len(d.Orig))
	}
	if !r.Code.contains(d.New) || !r.Code.contains(d.Stub) || d.OldPath != 0 && !r.Code.contains(d.OldPath) || d.OldPath == 0 && len(r.Redirects) > 1 {
		return fmt.Errorf("it leads to %#x, %#x and %#x", d.New, d.Stub, d.OldPath)
	}
	if slots := r.Redirects[0].Slot; d.Slot != slots+uint64(i)*8 || d.Slot < r.Start || d.Slot+8 > r.Code[0] {
		return fmt.Errorf("slot at %#x", d.Slot)
	}
	if d.At < d.Address || d.At-d.Address > 16 || d.At > 1<<48 || (extent{r.Start, r.End}).contains(d.At) {
		return fmt.Errorf("a jump at %#x", d.At)
	}
	if d.jumpsTo(d.New, d.Direct, func(p *recordPad) []byte { return p.Direct }) && d.jumpsTo(d.Stub, d.Staged, func(p *recordPad) []byte { return p.Staged }) {
		return d.checkPad(r)
	}
	return fmt.Errorf("its jumps do not lead where it says")
}

// checkMaps reports whether the record is the one of a region that is mapped as
// such, and notes which of its redirections do not stand in code of a file any more. A tool that was
// killed while it mapped the region leaves less than all: the first part, behind
// which the program may have mapped something since, or all as code. That is noted,
// for [record.isUntouched] to prove.
func (r *record) checkMaps(maps []procfs.Mapping) error {
	head, data := extent{r.Start, r.Code[0]}, extent{r.Code[1], r.End}
	r.ours, r.unfinished = extent{r.Start, r.End}, false
	const code = procfs.Read | procfs.Exec
	switch {
	case !mappedAs(maps, head, procfs.Read):
		return fmt.Errorf("its part at %#x is not mapped as it says", r.Start)
	case mappedAs(maps, r.Code, code) && mappedAs(maps, data, procfs.Read|procfs.Write):
	case mappedAs(maps, r.Code, code) && mappedAs(maps, data, code):
		r.unfinished = true
	case !mappedAs(maps, extent{r.Code[0], r.Code[0] + splice.PageSize}, code):
		r.ours, r.unfinished = head, true
	default:
		return fmt.Errorf("its part at %#x is not mapped as it says", r.Code[0])
	}
	if err := r.checkWrites(maps); err != nil {
		return err
	}
	for i := range r.Hooks {
		h := &r.Hooks[i]
		m := procfs.FindMapping(maps, h.At)
		if h.gone = m == nil || !m.IsFile(); h.gone {
			continue // as is its module, in whose place something else may be
		}
		if m.Perm&(procfs.Exec|procfs.Shared) != procfs.Exec || h.At+uint64(len(h.Orig)) > m.End {
			return fmt.Errorf("hook in %s: no code of a file is at %#x", h.Module, h.At)
		}
	}
	return nil
}

// isUntouched reports whether nothing was written but the record, and nothing leads
// to the region. So it is until all of it is mapped.
func (r *record) isUntouched(mem readerAt) bool {
	slots := make([]byte, 8*len(r.Redirects))
	if _, err := mem.ReadAddr(slots, r.Redirects[0].Slot); err != nil {
		return false
	}
	st, _ := r.state(mem)
	return st != Applied && st != Staged && len(bytes.Trim(slots, "\x00")) == 0
}
