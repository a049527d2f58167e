package keyed

import (
	"debug/elf"
	"fmt"
	"math"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
)

// An inst is an instruction, where it stood and where it will.
type inst struct {
	amd64.Inst
	old, now uint64
	size     uint64  // that it will have
	site     *branch // that it is
	to       uint64  // where it leads to in its section, if leads
	leads    bool    // by a field that no relocation fills in
}

// A code is a section of code.
type code struct {
	w     *rewriter
	sec   elfobj.SectionIndex
	bytes []byte
	list  []inst
	by    map[uint64]int // instructions by where they stood
	end   uint64         // where the section will
}

// decode reads the instructions of a section.
func (w *rewriter) decode(sec elfobj.SectionIndex, sites []branch) (*code, error) {
	s := &w.spec.Sections[sec]
	if s.Flags&elf.SHF_EXECINSTR == 0 {
		return nil, errSite
	}
	c := &code{w: w, sec: sec, bytes: s.Data, by: map[uint64]int{}}
	at := map[uint64]*branch{}
	for i := range sites {
		at[sites[i].at.Offset] = &sites[i]
	}
	relas := w.sorted(sec)
	for off := uint64(0); off < uint64(len(s.Data)); {
		in, err := amd64.Decode(s.Data[off:])
		if err != nil {
			return nil, fmt.Errorf("%w: %s+%#x", errDecode, s.Name, off)
		}
		x := inst{Inst: in, old: off, size: uint64(in.Len), site: at[off]}
		end, filled := off+uint64(in.Len), false
		for ; len(relas) > 0 && relas[0].Offset < end; relas = relas[1:] {
			filled = filled || relas[0].Offset == off+uint64(in.PCRelOff)
		}
		if in.PCRelLen > 0 && !filled {
			x.to, x.leads = amd64.PCRelTarget(in, s.Data[off:end], off)
		}
		if x.site != nil {
			if in.Class != amd64.Nop && in.Class != amd64.Jump {
				return nil, fmt.Errorf("%w: %s+%#x", errSite, s.Name, off)
			}
			x.size, x.leads = amd64.CmpZeroSize+amd64.JccRel32Size, false
			delete(at, off)
		}
		c.by[off] = len(c.list)
		c.list = append(c.list, x)
		off = end
	}
	if len(at) > 0 {
		return nil, errSite
	}
	return c, nil
}

// place gives each instruction its place and size: a short branch that does not reach becomes a long
// one, which may have others not reach.
func (c *code) place() error {
	for again := true; again; {
		again, c.end = false, 0
		for i := range c.list {
			c.list[i].now = c.end
			c.end += c.list[i].size
		}
		for i := range c.list {
			x := &c.list[i]
			if !x.leads || x.PCRelLen > 1 || x.size > uint64(x.Len) {
				continue
			}
			to, err := c.moved(x.to)
			if err != nil {
				return err
			}
			if d := int64(to - x.now - x.size); d < math.MinInt8 || d > math.MaxInt8 {
				if x.Class != amd64.Jump && x.Class != amd64.Jcc {
					return fmt.Errorf("%w: %v at %s+%#x", errLonger, x.Class, c.w.spec.Sections[c.sec].Name, x.old)
				}
				x.size, again = uint64(x.OpOff)+amd64.NearSize(x.Class), true
			}
		}
	}
	return c.whole()
}

// whole is an error where bytes that may be replaced would be more.
func (c *code) whole() error {
	for _, p := range c.w.marks.Whole {
		if p.Section != c.sec {
			continue
		}
		if i, ok := c.by[p.Offset]; ok && c.list[i].size != uint64(c.list[i].Len) {
			return fmt.Errorf("%w: %s+%#x", errLonger, c.w.spec.Sections[c.sec].Name, p.Offset)
		}
	}
	return nil
}

// moved is where what stood at an offset will, for the start of an instruction, or the end of all.
func (c *code) moved(off uint64) (uint64, error) {
	if i, ok := c.by[off]; ok {
		return c.list[i].now, nil
	}
	if off == uint64(len(c.bytes)) {
		return c.end, nil
	}
	return 0, fmt.Errorf("%w: %s+%#x", errInside, c.w.spec.Sections[c.sec].Name, off)
}

// movedByte is moved for tables, which may tell of what the loader writes in the place of an
// instruction: as it is longer by nothing, all its bytes move alike.
func (c *code) movedByte(off uint64) (uint64, error) {
	if i := c.at(off); i >= 0 && off < uint64(len(c.bytes)) && c.list[i].site == nil && c.list[i].size == uint64(c.list[i].Len) {
		return c.list[i].now + off - c.list[i].old, nil
	}
	return c.moved(off)
}
