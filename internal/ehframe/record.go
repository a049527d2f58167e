package ehframe

import (
	"iter"
	"strings"

	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Record is a CIE or an FDE as it stands in the section, addresses not looked
// at. All offsets are in bytes from the start of the section; 0 says that there
// is no such field.
type Record struct {
	Offset uint64
	Length uint64 // of the whole record, its length field included
	IsCIE  bool
	CIE    uint64 // offset of the CIE; the record's own for a CIE

	Augmentation string // the CIE's
	PCEnc        Encoding
	LSDAEnc      Encoding // PEOmit without L

	PersonalityEnc Encoding // PEOmit without P
	Personality    uint64   // offset of the personality pointer, in a CIE

	PCBegin uint64 // offset of the FDE's pc_begin
	PCRange uint64 // offset of the FDE's pc_range
	LSDA    uint64 // offset of the FDE's LSDA pointer

	Instructions uint64 // offset of the call frame instructions; they end with the record
}

// Signal tells whether the frame is one that a signal made ("S").
func (r *Record) Signal() bool { return strings.Contains(r.Augmentation, "S") }

// cie is what a CIE says.
type cie struct {
	Record
	codeAlign uint64
	dataAlign int64
	returnReg uint64
	program   []byte // initial instructions
	augmented bool   // "z": FDEs have augmentation data
}

// A section is .eh_frame at an address, 0 when it has none yet.
type section struct {
	name string
	data []byte
	addr uint64
}

func (s *section) errorAt(off uint64, msg string) error {
	return &FormatError{s.name, off, msg}
}

const (
	frameName = kerneltab.EhFrame
	hdrName   = ".eh_frame_hdr"

	// The letters z, R, P, L, S and B make sense once each.
	longestAugmentation = 8
)

// Records iterates over the CIEs and FDEs of raw .eh_frame bytes, in order. It
// ends at the zero terminator or with the section. After an error, which is a
// [*FormatError], it ends.
//
// It works on relocatable objects too: it needs no address.
func Records(b []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		s := section{name: frameName, data: b}
		w := walker{s: &s}
		for w.next() {
			if !yield(w.rec, nil) {
				return
			}
		}
		if w.err != nil {
			yield(Record{}, w.err)
		}
	}
}

// A walker goes through the records of a section. It keeps the last CIE, which
// the next FDE mostly refers to.
type walker struct {
	s   *section
	off uint64
	cie *cie
	rec Record
	fde FDE
	err error
}

// next parses the record at off.
func (w *walker) next() bool {
	if w.err != nil || w.off >= uint64(len(w.s.data)) {
		return false
	}
	h, err := w.s.header(w.off)
	if err != nil {
		w.err = err
		return false
	}
	if h.terminator {
		return false
	}
	w.off = h.end
	if h.isCIE {
		c, err := w.s.parseCIE(h)
		if w.err = err; err != nil {
			return false
		}
		w.cie, w.rec = c, c.Record
		return true
	}
	if w.cie == nil || w.cie.Offset != h.cie {
		if w.cie, w.err = w.s.cieAt(h.cie); w.err != nil {
			return false
		}
	}
	w.fde, w.err = w.s.parseFDE(h, w.cie)
	w.rec = w.fde.Record
	return w.err == nil
}

// A header is the start of a record.
type header struct {
	off        uint64
	body       uint64 // after the CIE id or pointer
	end        uint64
	cie        uint64
	isCIE      bool
	terminator bool // a length of zero
}

// header parses length and CIE pointer (LSB Core 5.0, 10.6.1.1).
func (s *section) header(off uint64) (header, error) {
	if off >= uint64(len(s.data)) {
		return header{}, s.errorAt(off, "record beyond the section's end")
	}
	c := cursor{b: s.data[off:]}
	n := c.fixed(4)
	if n == 0xffffffff {
		n = c.fixed(8)
	}
	start := off + uint64(c.off)
	switch {
	case c.bad != "":
		return header{}, s.errorAt(off, "truncated length")
	case n == 0:
		return header{off: off, body: start, end: start, terminator: true}, nil
	case n > uint64(len(s.data))-start:
		return header{}, s.errorAt(off, "record exceeds the section")
	case n < 4:
		return header{}, s.errorAt(off, "record too short")
	}
	// The CIE pointer has 4 bytes even in a record with a 64-bit length.
	id := c.fixed(4)
	h := header{off: off, body: start + 4, end: start + n, isCIE: id == 0, cie: off}
	if !h.isCIE {
		if id > start {
			return header{}, s.errorAt(start, "CIE pointer before the section")
		}
		h.cie = start - id
	}
	return h, nil
}

// cieAt parses the CIE at an offset.
func (s *section) cieAt(off uint64) (*cie, error) {
	h, err := s.header(off)
	if err != nil {
		return nil, err
	}
	if !h.isCIE {
		return nil, s.errorAt(off, "not a CIE, but an FDE refers to it")
	}
	return s.parseCIE(h)
}

func (s *section) parseCIE(h header) (*cie, error) {
	c := cursor{b: s.data[h.body:h.end]}
	at := func() uint64 { return h.body + uint64(c.off) }
	out := &cie{Record: Record{
		Offset: h.off, Length: h.end - h.off, IsCIE: true, CIE: h.off,
		LSDAEnc: PEOmit, PersonalityEnc: PEOmit,
	}}
	version := c.u8()
	out.Augmentation = c.str(longestAugmentation)
	if c.bad == "" && version != 1 && version != 3 {
		return nil, s.errorAt(h.body, "unknown CIE version")
	}
	out.codeAlign = c.uleb()
	out.dataAlign = c.sleb()
	if version == 1 {
		out.returnReg = uint64(c.u8())
	} else {
		out.returnReg = c.uleb()
	}
	end := uint64(0)
	for i, letter := range []byte(out.Augmentation) {
		switch {
		case letter == 'z' && i == 0:
			out.augmented = true
			n := c.uleb()
			end = at() + n
			if c.bad == "" && n > h.end-at() {
				return nil, s.errorAt(at(), "augmentation data exceeds the record")
			}
		case letter == 'R':
			out.PCEnc = Encoding(c.u8())
		case letter == 'L':
			out.LSDAEnc = Encoding(c.u8())
		case letter == 'P':
			out.PersonalityEnc = Encoding(c.u8())
			out.Personality = at()
			c.raw(out.PersonalityEnc)
		case letter == 'S' || letter == 'B': // signal frame; AArch64 key
		default:
			return nil, s.errorAt(h.body, "unknown augmentation "+quote(out.Augmentation))
		}
	}
	if c.bad != "" {
		return nil, s.errorAt(at(), c.bad)
	}
	if out.augmented {
		if at() > end {
			return nil, s.errorAt(at(), "augmentation data exceeds its length")
		}
	} else {
		end = at()
	}
	out.Instructions = end
	out.program = s.data[end:h.end]
	return out, nil
}

// An FDE is the unwind information of one piece of code.
type FDE struct {
	Record
	Start, End uint64 // link addresses of the code, End exclusive

	cie     *cie
	program []byte
}

func (s *section) parseFDE(h header, ci *cie) (FDE, error) {
	c := cursor{b: s.data[h.body:h.end]}
	at := func() uint64 { return h.body + uint64(c.off) }
	f := FDE{cie: ci, Record: Record{
		Offset: h.off, Length: h.end - h.off, CIE: ci.Offset,
		Augmentation: ci.Augmentation, PCEnc: ci.PCEnc, LSDAEnc: ci.LSDAEnc,
		PersonalityEnc: ci.PersonalityEnc,
	}}
	f.PCBegin = at()
	f.Start = c.pointer(ci.PCEnc, s.addr+h.body, 0)
	f.PCRange = at()
	f.End = f.Start + c.raw(ci.PCEnc.format()&^8)
	if ci.augmented {
		n := c.uleb()
		if c.bad == "" && n > h.end-at() {
			return FDE{}, s.errorAt(at(), "augmentation data exceeds the record")
		}
		end := at() + n
		if ci.LSDAEnc != PEOmit {
			f.LSDA = at()
			c.raw(ci.LSDAEnc)
		}
		if c.bad == "" && at() > end {
			return FDE{}, s.errorAt(at(), "augmentation data exceeds its length")
		}
		f.Instructions = end
	} else {
		f.Instructions = at()
	}
	if c.bad != "" {
		return FDE{}, s.errorAt(at(), c.bad)
	}
	f.program = s.data[f.Instructions:h.end]
	return f, nil
}

// quote shortens hostile text.
func quote(s string) string {
	const most = 16
	if len(s) > most {
		s = s[:most] + "..."
	}
	return "\"" + s + "\""
}
