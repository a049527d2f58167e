//go:build linux && amd64

package process

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"

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
// It is written before anything that it describes, and never changes. What
// became of the update is read off the redirected functions themselves.
type record struct {
	Format    int              `json:"format"`
	Name      string           `json:"name"`
	ID        string           `json:"id"`
	Time      int64            `json:"time"`  // when it was applied, nanoseconds since 1970
	Start     uint64           `json:"start"` // of the mapping
	End       uint64           `json:"end"`
	Code      [2]uint64        `json:"code"`
	Frames    [][2]uint64      `json:"frames"`  // .eh_frame sections, as addresses
	Entries   []uint64         `json:"entries"` // of the functions in the code
	Redirects []recordRedirect `json:"redirects"`
}

// recordRedirect is one redirection, with all the forms that its trampoline
// can have.
type recordRedirect struct {
	Function string      `json:"function"`
	Module   string      `json:"module"`
	Address  uint64      `json:"address"` // entry of the old function
	At       uint64      `json:"at"`      // where the trampoline stands
	Orig     []byte      `json:"orig"`    // what stood there
	Direct   []byte      `json:"direct"`  // the jump to the new function
	Staged   []byte      `json:"staged"`  // the jump through the slot
	Slot     uint64      `json:"slot"`
	OldPath  uint64      `json:"old_path"` // displaced instructions, then the old body
	New      uint64      `json:"new"`
	Spans    [][2]uint64 `json:"spans"` // the old code, as addresses
}

const (
	recordFormat = 1
	recordMagic  = "\x7fgosplice record"
	recordHead   = 16 + 8 + sha256.Size
	// maxRecord bounds what is read of a process on its own word.
	maxRecord = 16 << 20
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
// at limit. ok is false when there is none.
func readRecord(mem readerAt, addr, limit uint64) (r *record, ok bool, err error) {
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
// lead a revert to write anything but what its own redirections are.
func (r *record) check(addr uint64) error {
	switch {
	case r.Format != recordFormat:
		return fmt.Errorf("format %d", r.Format)
	case r.Start != addr || r.End <= r.Start || r.Start%splice.PageSize != 0 || r.End%splice.PageSize != 0:
		return fmt.Errorf("it says that it is at %#x-%#x", r.Start, r.End)
	case r.Code[0] < r.Start || r.Code[1] > r.End || r.Code[0] > r.Code[1]:
		return fmt.Errorf("code at %#x", r.Code)
	}
	for i := range r.Redirects {
		d := &r.Redirects[i]
		n := len(d.Orig)
		if n == 0 || n > 16 || len(d.Direct) != n || len(d.Staged) != n {
			return fmt.Errorf("redirect %s: %d bytes", d.Function, n)
		}
		if d.Slot < r.Start || d.Slot > r.End-8 {
			return fmt.Errorf("redirect %s: slot at %#x", d.Function, d.Slot)
		}
	}
	return nil
}

// findRecords returns the records in a process, in ascending order of their
// addresses. They stand at the start of a page of private, anonymous,
// read-only memory.
func findRecords(pid int, mem readerAt) ([]*record, error) {
	maps, err := procfs.Maps(pid)
	if err != nil {
		return nil, err
	}
	var list []*record
	for i := range maps {
		m := &maps[i]
		if m.IsFile() || m.Path != "" || m.Perm != procfs.Read || m.Len() > maxRecord {
			continue
		}
		for at := m.Start; at < m.End; {
			r, ok, err := readRecord(mem, at, m.End)
			if err != nil {
				return nil, err
			}
			if !ok {
				at += splice.PageSize
				continue
			}
			list = append(list, r)
			at = max(at+splice.PageSize, min(r.End, m.End))
		}
	}
	return list, nil
}
