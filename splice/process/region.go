//go:build linux && amd64

package process

import (
	"errors"

	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/splice"
)

// region is where the parts of an update are. The record is at its start.
type region struct {
	start, slots, hooks, consts, code, stubs, data, end uint64
}

// recordSize bounds the size of the record, whatever the addresses will be.
func (p *plan) recordSize() uint64 {
	const number = 24 // digits of an address, and what is around them
	n := 1024 + len(p.update.Name)*6 + number*p.linker.Symbols()
	for i := range p.update.Objects {
		o := &p.update.Objects[i]
		n += 64
		for k := range o.Redirects {
			n += 1024 + 6*len(o.Redirects[k].Function)
		}
	}
	for _, m := range p.update.Modules {
		n += 6 * len(m.Name) * p.update.Redirects()
	}
	n += 6 * maxEscape
	for i := range p.unwinders {
		n += 1024 + 6*len(p.unwinders[i].module)
	}
	return pages(uint64(n))
}

func pages(n uint64) uint64 { return (n + splice.PageSize - 1) &^ (splice.PageSize - 1) }

// total is the size of the region.
func (p *plan) total() uint64 {
	return p.head + splice.PageSize + p.hooksRoom() + p.size.Const + pages(p.size.Code+p.stubsRoom()) + p.size.Data
}

// stubsRoom bounds the size of stubs, displaced code and hooks.
func (p *plan) stubsRoom() uint64 {
	return p.stubs + uint64(len(p.unwinders))*(hookRoom+displacedSize)
}

// layout puts the region at an address.
func (p *plan) layout(start uint64) {
	r := region{start: start}
	r.slots = r.start + p.head
	r.hooks = r.slots + splice.PageSize
	r.consts = r.hooks + p.hooksRoom()
	r.code = r.consts + p.size.Const
	r.stubs = r.code + p.size.Code
	r.data = r.code + pages(p.size.Code+p.stubsRoom())
	r.end = r.data + p.size.Data
	p.at = r
}

// low is the limit of addresses that code may hold in 31 bits.
const low = 1 << 31

// choose finds a place for the region: within reach of the code that it is
// redirected from, with one unmapped page on either side. When there is none,
// any place is taken: what does not reach from there is refused by name.
func (p *plan) choose(space *ptrace.Space) error {
	const guard = splice.PageSize
	size := p.total() + 2*guard
	lo, hi := p.hull()
	// A displacement may go from anywhere in these modules to anywhere in the
	// region.
	reach := uint64(1<<31 - 1<<20)
	if hi-lo < reach/2 {
		reach -= hi - lo
	}
	if p.size.Low {
		if lo >= low {
			return splice.Refuse(splice.CodeOutOfReach, p.spans[0].name, "", lo, "the update holds addresses of 31 bits, and the program is above them")
		}
		reach = min(reach, low-lo-1)
	}
	at, err := space.Free(lo, size, reach)
	if errors.Is(err, ptrace.NoRange) && !p.size.Low {
		at, err = space.Free(lo, size, 1<<48)
	}
	if err != nil {
		return err
	}
	p.layout(at + guard)
	return nil
}

// hull returns the range of addresses of all modules with code that is
// redirected, or, when they are too far from each other to reach them all, of
// the first one.
func (p *plan) hull() (lo, hi uint64) {
	for i := range p.spans {
		m, _ := p.image.ModuleAt(p.spans[i].addr)
		if m == nil {
			continue
		}
		if hi == 0 {
			lo, hi = m.Start, m.End
			continue
		}
		if l, h := min(lo, m.Start), max(hi, m.End); h-l < 1<<30 {
			lo, hi = l, h
		}
	}
	if hi == 0 {
		lo, hi = p.spans[0].addr, p.spans[0].addr
	}
	return lo, hi
}
