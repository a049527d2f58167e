//go:build linux && amd64

package process

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/splice"
)

const (
	stubSize = 16 // a jump through a slot, and filling
	// displacedSize is the room for the first instructions of a function,
	// moved: at most 14 bytes and the rest of an instruction, each at most 7
	// bytes longer, and a jump back.
	displacedSize = 256
)

// redirect works out the trampoline of one function, its stub, and its
// displaced code.
func (p *plan) redirect(r *splice.Redirect, to uint64) (recordRedirect, error) {
	body := &r.Old[0]
	f := splice.Function{
		Name: r.Function, Module: p.update.Modules[body.Module].Name,
		Addr: p.addr(body.Place), Code: body.Bytes, Entries: r.Entries,
	}
	stub := p.at.stubs + uint64(len(p.stub))
	slot := p.at.slots + uint64(len(p.slots))
	direct, err := p.way(f, r, to)
	if err != nil {
		return recordRedirect{}, err
	}
	staged, err := p.way(f, r, stub)
	if err != nil {
		return recordRedirect{}, err
	}
	if direct.At != staged.At || direct.Form != staged.Form || direct.Pad != nil && direct.Pad.At != staged.Pad.At {
		return recordRedirect{}, splice.Refuse(splice.CodeOutOfReach, f.Name, f.Module, f.Addr, "%s to the new code, but %s to its stub", direct.Form, staged.Form)
	}
	n := uint64(len(direct.Bytes))
	if direct.Crosses() {
		return recordRedirect{}, splice.Refuse(splice.CodePageCrossing, f.Name, f.Module, direct.At, "the %d bytes of the jump lie in two pages", n)
	}
	skip := direct.At - f.Addr
	d := recordRedirect{
		Stub:     stub,
		Function: f.Name, Module: f.Module, Address: f.Addr, At: direct.At,
		Orig: f.Code[skip : skip+n], Direct: direct.Bytes, Staged: staged.Bytes, Slot: slot, New: to,
	}
	if err := p.displace(&d, &f, skip, n); err != nil || direct.Pad == nil {
		return d, err
	}
	pad := splice.Pad{Start: direct.Pad.At, End: direct.Pad.At + uint64(len(direct.Pad.Bytes))}
	d.Pad = &recordPad{At: pad.Start, Orig: p.padding(r, pad), Direct: direct.Pad.Bytes, Staged: staged.Pad.Bytes}
	p.taken = append(p.taken, pad)
	p.rec.Format = max(p.rec.Format, paddedFormat)
	return d, nil
}

// way plans a jump: into padding where the update has some, which it has where a plain one can't
// be made.
func (p *plan) way(f splice.Function, r *splice.Redirect, to uint64) (*splice.Trampoline, error) {
	if len(r.Pads) == 0 {
		return splice.Plan(f, to)
	}
	var lost uint64
	f.Pads, lost = p.pads(r)
	if hot := splice.Hot(f, to); hot != nil {
		return hot, nil
	}
	if lost != 0 {
		return nil, splice.Refuse(splice.CodeRedirected, f.Name, f.Module, lost, "the padding near it, in which its jump would stand, holds something else now")
	}
	return nil, splice.Refuse(splice.CodeOutOfReach, f.Name, f.Module, f.Addr, "no jump in the padding near it leads to %#x", to)
}

// pads returns what is free of the padding near a function: what other updates, or anybody
// else, have written to is left out, and lost then.
func (p *plan) pads(r *splice.Redirect) (free []splice.Pad, lost uint64) {
	for i := range r.Pads {
		s := &r.Pads[i]
		at := p.addr(s.Place)
		b := make([]byte, len(s.Bytes))
		if p.read(b, at) != nil {
			lost = at
			continue
		}
		start := 0
		for k := 0; k <= len(b); k++ {
			if k < len(b) && b[k] == s.Bytes[k] && !p.isTaken(r, at+uint64(k)) {
				continue
			}
			if k > start {
				free = append(free, splice.Pad{Start: at + uint64(start), End: at + uint64(k)})
			}
			start = k + 1
			if k < len(b) {
				lost = at
			}
		}
	}
	return free, lost
}

// isTaken reports whether a byte of padding is where another jump of the update stands, or may
// stand; or, of an update that is compared with memory, not where that of the function does.
func (p *plan) isTaken(r *splice.Redirect, at uint64) bool {
	holds := func(q splice.Pad) bool { return at >= q.Start && at < q.End }
	if q, ok := p.chosen[p.addr(r.Old[0].Place)]; ok && !holds(q) {
		return true
	}
	return slices.ContainsFunc(p.taken, holds)
}

// reserve notes where jumps at entries stand, or may stand.
func (p *plan) reserve() {
	p.taken = nil
	for i := range p.update.Objects {
		for k := range p.update.Objects[i].Redirects {
			r := &p.update.Objects[i].Redirects[k]
			size := splice.JmpAbs64.Size()
			if len(r.Pads) > 0 {
				size = splice.HotRel32.Size()
			}
			at := p.addr(r.Old[0].Place)
			p.taken = append(p.taken, splice.Pad{Start: at, End: at + min(amd64.EndbrSize+size, uint64(len(r.Old[0].Bytes)))})
		}
	}
}

// padding returns the bytes of padding that a jump overwrites.
func (p *plan) padding(r *splice.Redirect, pad splice.Pad) []byte {
	for i := range r.Pads {
		s := &r.Pads[i]
		if off := pad.Start - p.addr(s.Place); pad.Start >= p.addr(s.Place) && off < uint64(len(s.Bytes)) {
			return s.Bytes[off : off+pad.End-pad.Start]
		}
	}
	return nil
}

// displace appends the stub and the displaced code of a redirection:
//
//	stub:  jmp *slot(%rip)
//	old:   ...             the instructions that the trampoline overwrites
//	       jmp             behind them
//
// When a single function is redirected the old path is not needed, and left
// out when an instruction can't be moved.
func (p *plan) displace(d *recordRedirect, f *splice.Function, skip, n uint64) error {
	stub := p.at.stubs + uint64(len(p.stub))
	jump := amd64.JmpSlot(stub, d.Slot)
	b := filled(jump[:])
	old, err := movedPrologue(f, skip, n, stub+stubSize)
	switch {
	case err == nil:
		d.OldPath = stub + stubSize
	case p.update.Redirects() > 1:
		r := splice.Refuse(splice.CodeMoved, f.Name, f.Module, f.Addr, "its first instructions can't be moved")
		r.Err = err
		return r
	}
	p.stub = append(p.stub, filled(append(b, old...))...)
	p.slots = binary.LittleEndian.AppendUint64(p.slots, d.OldPath)
	return nil
}

// filled adds what nothing runs into up to a multiple of the size of a stub.
func filled(b []byte) []byte {
	for len(b)%stubSize != 0 {
		b = append(b, amd64.FillInt3)
	}
	return b
}

// movedPrologue returns the instructions of f at [skip, skip+n), and those that
// reach into it, moved to an address, with a jump back.
func movedPrologue(f *splice.Function, skip, n, to uint64) ([]byte, error) {
	var b []byte
	off := skip
	for off < skip+n {
		in, err := amd64.Decode(f.Code[off:])
		if err != nil {
			return nil, err
		}
		if behind := off + uint64(in.Len); behind >= skip+n && in.Class == amd64.Call {
			target, _ := in.Target(f.Code[off:], f.Addr+off)
			return movedCall(b, to+uint64(len(b)), target, f.Addr+behind), nil
		}
		if b, err = amd64.Relocate(b, f.Code[off:], f.Addr+off, to+uint64(len(b))); err != nil {
			return nil, err
		}
		if in.EndsFlow() { // nothing leads to what is behind it: see splice.Plan
			return b, nil
		}
		off += uint64(in.Len)
	}
	back, err := amd64.JmpRel32(to+uint64(len(b)), f.Addr+off)
	var reach *amd64.ReachError
	if errors.As(err, &reach) {
		far := amd64.JmpAbs64(f.Addr + off)
		return append(b, far[:]...), nil
	}
	return append(b, back[:]...), err
}

// movedCall appends a call that stands at an address and returns to where it stood
// before, so that unwind information is found for its caller, and exceptions pass:
//
//	pushq  $low
//	movl   $high, 4(%rsp)
//	jmp    target
func movedCall(b []byte, at, target, back uint64) []byte {
	const push, size = "\x68", 5 + 8
	b = binary.LittleEndian.AppendUint32(append(b, push...), uint32(back))
	b = binary.LittleEndian.AppendUint32(append(b, "\xc7\x44\x24\x04"...), uint32(back>>32))
	near, err := amd64.JmpRel32(at+size, target)
	if err != nil {
		far := amd64.JmpAbs64(target)
		return append(b, far[:]...)
	}
	return append(b, near[:]...)
}
