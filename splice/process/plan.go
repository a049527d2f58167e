//go:build linux && amd64

package process

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/ptrace"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
)

// plan is an update worked out for one process: everything that will be
// written, and everything that has to hold when it is.
type plan struct {
	update  *splice.Update
	image   *image.Image
	modules []int // of the image, by the update's module index
	linker  *splice.Linker
	size    splice.Size
	head    uint64 // bytes for the record
	stubs   uint64 // bytes for stubs and displaced code
	sealed  bool   // see record.Sealed

	linked *splice.Linked
	rec    record
	spans  []span // the old code, with the bytes it has to have
	stub   []byte // stubs and displaced code
	slots  []byte
	at     region
}

// span is code that no thread may stand in.
type span struct {
	name  string
	addr  uint64
	bytes []byte
}

// region is where the parts of an update are. The record is at its start.
type region struct {
	start, slots, consts, code, stubs, data, end uint64
}

const (
	stubSize = 16 // a jump through a slot, and filling
	// displacedSize is the room for the first instructions of a function,
	// moved: at most 14 bytes and the rest of an instruction, each at most 7
	// bytes longer, and a jump back.
	displacedSize = 256
)

// maxRedirects is how many slots a page holds: one write turns them all.
const maxRedirects = splice.PageSize / 8

// newPlan does all that needs no address yet.
func newPlan(u *splice.Update, img *image.Image) (*plan, error) {
	p := &plan{update: u, image: img}
	var err error
	if p.linker, err = splice.NewLinker(u); err != nil {
		return nil, err
	}
	if err := p.bind(); err != nil {
		return nil, err
	}
	p.size = p.linker.Size()
	n := uint64(u.Redirects())
	switch {
	case n == 0:
		return nil, splice.Refuse(splice.CodeNothing, "", "", 0, "the update replaces no function")
	case n > maxRedirects:
		return nil, splice.Refuse(splice.CodeUnsupported, "", "", 0, "%d redirections; one write turns at most %d", n, maxRedirects)
	}
	p.stubs = n * (stubSize + displacedSize)
	p.head = p.recordSize()
	return p, p.collect()
}

// bind finds the modules of the update in the process: by build-id where there
// is one, else by name.
func (p *plan) bind() error {
	for i := range p.update.Modules {
		want := &p.update.Modules[i]
		found := -1
		for k, m := range p.image.Modules() {
			if !sameModule(want, &m) {
				continue
			}
			if found >= 0 {
				return splice.Refuse(splice.CodeNoModule, "", want.Name, m.Start, "it is mapped twice")
			}
			found = k
		}
		if found < 0 {
			return splice.Refuse(splice.CodeNoModule, "", want.Name, 0, "the process does not map it (build-id %q)", want.BuildID)
		}
		p.modules = append(p.modules, found)
	}
	return nil
}

func sameModule(want *splice.Module, m *image.Module) bool {
	if want.BuildID != "" {
		return hex.EncodeToString(m.BuildID) == want.BuildID
	}
	return len(m.BuildID) == 0 && m.Name == want.Name && m.Main == want.Main
}

// addr returns the run address of a place.
func (p *plan) addr(at splice.Place) uint64 {
	return p.image.Modules()[p.modules[at.Module]].Bias + at.Addr
}

// collect lists the old code, and checks that it is what the update expects.
func (p *plan) collect() error {
	for i := range p.update.Objects {
		for k := range p.update.Objects[i].Redirects {
			r := &p.update.Objects[i].Redirects[k]
			for _, s := range r.Old {
				p.spans = append(p.spans, span{name: r.Function, addr: p.addr(s.Place), bytes: s.Bytes})
			}
		}
	}
	return p.verify(p.image.ReadAddr)
}

// verify compares the old code with what the update expects.
func (p *plan) verify(read func([]byte, uint64) error) error {
	for _, s := range p.spans {
		b := make([]byte, len(s.bytes))
		if err := read(b, s.addr); err != nil {
			r := splice.Refuse(splice.CodeChanged, s.name, "", s.addr, "its code can't be read")
			r.Err = err
			return r
		}
		for i := range b {
			if b[i] == s.bytes[i] {
				continue
			}
			code := splice.CodeChanged
			if redirected(b, i) {
				code = splice.CodeRedirected
			}
			return splice.Refuse(code, s.name, "", s.addr+uint64(i), "at +%#x the process has % x, not % x", i, b[i:min(i+8, len(b))], s.bytes[i:min(i+8, len(b))])
		}
	}
	return nil
}

// redirected reports whether the code b, which differs from what is expected at
// offset i, looks like that of a function that someone redirected: a jump at
// its entry or behind its ENDBR64, or a breakpoint.
func redirected(b []byte, i int) bool {
	atEntry := i == 0 || i == 4 && bytes.HasPrefix(b, []byte{0xf3, 0x0f, 0x1e, 0xfa})
	return b[i] == 0xcc || atEntry && (b[i] == 0xe9 || b[i] == 0xff)
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
	return pages(uint64(n))
}

func pages(n uint64) uint64 { return (n + splice.PageSize - 1) &^ (splice.PageSize - 1) }

// total is the size of the region.
func (p *plan) total() uint64 {
	return p.head + splice.PageSize + p.size.Const + pages(p.size.Code+p.stubs) + p.size.Data
}

// layout puts the region at an address.
func (p *plan) layout(start uint64) {
	r := region{start: start}
	r.slots = r.start + p.head
	r.consts = r.slots + splice.PageSize
	r.code = r.consts + p.size.Const
	r.stubs = r.code + p.size.Code
	r.data = r.code + pages(p.size.Code+p.stubs)
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

// link relocates the update for its region, and works out the trampolines.
func (p *plan) link() error {
	names := newResolver(p)
	var err error
	p.linked, err = p.linker.Link(splice.Layout{Const: p.at.consts, Code: p.at.code, Data: p.at.data}, names.resolve)
	if err != nil {
		return err
	}
	if n := uint64(len(p.linked.Code.Bytes)); n > p.size.Code || uint64(len(p.linked.Const.Bytes)) > p.size.Const {
		return fmt.Errorf("link: %#x bytes of code in %#x", n, p.size.Code)
	}
	p.rec = record{
		Format: recordFormat, Name: p.update.Name, ID: p.update.ID(), Time: time.Now().UnixNano(),
		Start: p.at.start, End: p.at.end, Code: extent{p.at.code, p.at.data}, Frames: list[extent]{}, Entries: p.linked.Functions(), Redirects: list[recordRedirect]{},
	}
	p.rec.Sealed = p.sealed
	if e := p.linked.Escapes; len(e) > 0 {
		p.rec.Escape = e[0][:min(len(e[0]), maxEscape)]
	}
	for _, f := range p.linked.EHFrames {
		if len(p.rec.Frames) == maxRedirects {
			break // stacks with frames of the others will be scanned
		}
		p.rec.Frames = append(p.rec.Frames, extent{p.at.consts + f[0], p.at.consts + f[1]})
	}
	p.stub, p.slots = nil, nil
	for i := range p.update.Objects {
		for k := range p.update.Objects[i].Redirects {
			d, err := p.redirect(&p.update.Objects[i].Redirects[k], p.linked.NewAddr(i, k))
			if err != nil {
				return err
			}
			p.rec.Redirects = append(p.rec.Redirects, d)
		}
	}
	return nil
}

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
	direct, err := splice.Plan(f, to)
	if err != nil {
		return recordRedirect{}, err
	}
	staged, err := splice.Plan(f, stub)
	if err != nil {
		return recordRedirect{}, err
	}
	if direct.At != staged.At || direct.Form != staged.Form {
		return recordRedirect{}, splice.Refuse(splice.CodeOutOfReach, f.Name, f.Module, f.Addr, "%s to the new code, but %s to its stub", direct.Form, staged.Form)
	}
	n := uint64(len(direct.Bytes))
	if direct.At/splice.PageSize != (direct.At+n-1)/splice.PageSize {
		return recordRedirect{}, splice.Refuse(splice.CodePageCrossing, f.Name, f.Module, direct.At, "the %d bytes of the jump lie in two pages", n)
	}
	skip := direct.At - f.Addr
	d := recordRedirect{
		Stub:     stub,
		Function: f.Name, Module: f.Module, Address: f.Addr, At: direct.At,
		Orig: f.Code[skip : skip+n], Direct: direct.Bytes, Staged: staged.Bytes, Slot: slot, New: to,
	}
	return d, p.displace(&d, &f, skip, n)
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
