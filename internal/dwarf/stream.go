package dwarf

import (
	"context"
	"debug/elf"
)

// EachUnit goes through the compilation units of a linked file, see [NewLinked],
// with no more than one of them in memory. It yields those whose content wanted
// takes, which is asked before anything of a unit is understood; nil takes all. It
// ends without an error when yield returns false. A unit, and the entries that were
// read of it, must not be used after yield has returned.
//
// It returns an error where a unit can't be read: those behind it are missing then.
func (d *Data) EachUnit(ctx context.Context, wanted func(content []byte) bool, yield func(u *Unit) bool) error {
	if !d.HasEntries() {
		return ErrNone
	}
	text, err := d.str.bytes()
	if err != nil && d.str.sec != nil {
		return err
	}
	s := &stream{d: d}
	if err := s.open(); err != nil {
		return err
	}
	for s.off < s.size {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := s.next()
		if err != nil {
			return err
		}
		if wanted != nil && !wanted(b) {
			continue
		}
		u, err := d.readUnit(&cursor{s: &d.info, b: b, plain: true}, s.table)
		if err != nil {
			return err
		}
		if u == nil {
			continue
		}
		u.relocs, u.text = &relocs{}, text
		if err := u.readRoot(); err != nil {
			return err
		}
		if !yield(u) {
			return nil
		}
	}
	return nil
}

// stream reads .debug_info unit by unit.
type stream struct {
	d         *Data
	off, size uint64
	whole     []byte // of a section that is compressed
	buf       []byte

	tableAt uint64
	last    *abbrevs // at tableAt
	tables  uint64   // bytes of all tables that were read
}

func (s *stream) open() error {
	sec := s.d.info.sec
	s.size = sec.Size
	if sec.Flags&elf.SHF_COMPRESSED == 0 && sec.Name[:2] != ".z" {
		return nil
	}
	var err error
	s.whole, err = s.d.info.bytes()
	s.size = uint64(len(s.whole))
	return err
}

// lengthSize is the size of the length in front of a unit (section 7.5.1.1).
const lengthSize = 4

// next reads the unit at off, with its length.
func (s *stream) next() ([]byte, error) {
	var head [lengthSize]byte
	if s.size-s.off < lengthSize {
		return nil, s.d.info.fail(s.off, "%s", truncated)
	}
	if err := s.read(head[:], s.off); err != nil {
		return nil, err
	}
	n := uint64(le.Uint32(head[:]))
	if n >= maxLength || n > s.size-s.off-lengthSize {
		return nil, s.d.info.fail(s.off, "a unit is longer than the section, or of 64-bit DWARF")
	}
	n += lengthSize
	at := s.off
	s.off += n
	if s.whole != nil {
		return s.whole[at : at+n : at+n], nil
	}
	if uint64(cap(s.buf)) < n {
		s.buf = make([]byte, n+n/4)
	}
	b := s.buf[:n:n]
	return b, s.read(b, at)
}

func (s *stream) read(b []byte, off uint64) error {
	if s.whole != nil {
		copy(b, s.whole[off:])
		return nil
	}
	return s.d.info.sec.ReadPart(b, off)
}

// table keeps the abbreviations of the unit that was read last: most have their
// own.
func (s *stream) table(off uint64) (*abbrevs, error) {
	if s.last != nil && s.tableAt == off {
		return s.last, nil
	}
	if s.tables > maxTables*s.d.abbrev.size() {
		return nil, s.d.abbrev.fail(off, "tables overlap")
	}
	t, n, err := s.d.freshTable(off)
	s.last, s.tableAt, s.tables = t, off, s.tables+n
	return t, err
}

// maxTables bounds how often the abbreviations are read, on average: units that
// share a table stand one behind the other.
const maxTables = 4
