//go:build linux && amd64

package process

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/gosplice/gosplice/internal/amd64"
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

	unwinders []unwinder // that have to know the new code

	linked *splice.Linked
	rec    record
	spans  []span // the old code, with the bytes it has to have
	stub   []byte // stubs and displaced code
	slots  []byte
	hooks  []byte // slots and table of the hooks
	at     region

	taken  []splice.Pad          // where jumps stand already
	chosen map[uint64]splice.Pad // of an update that is compared, by entry
	read   func([]byte, uint64) error
}

// span is code that no thread may stand in.
type span struct {
	name  string
	addr  uint64
	bytes []byte
}

// maxRedirects is how many slots a page holds: one write turns them all.
const maxRedirects = splice.PageSize / 8

// newPlan does all that needs no address yet, and checks that the old code is what the
// update expects.
func newPlan(u *splice.Update, img *image.Image) (*plan, error) {
	p, err := unverified(u, img)
	if err != nil {
		return nil, err
	}
	return p, p.verify(p.image.ReadAddr)
}

// unverified is newPlan whatever the old code is.
func unverified(u *splice.Update, img *image.Image) (*plan, error) {
	p := &plan{update: u, image: img, read: img.ReadAddr}
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
	p.collect()
	return p, nil
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
			return notMapped(want)
		}
		p.modules = append(p.modules, found)
	}
	return nil
}

func notMapped(want *splice.Module) error {
	return splice.Refuse(splice.CodeNoModule, "", want.Name, 0, "the process does not map it (build-id %q)", want.BuildID)
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

// collect lists the old code.
func (p *plan) collect() {
	for i := range p.update.Objects {
		for k := range p.update.Objects[i].Redirects {
			r := &p.update.Objects[i].Redirects[k]
			for _, s := range r.Old {
				p.spans = append(p.spans, span{name: r.Function, addr: p.addr(s.Place), bytes: s.Bytes})
			}
		}
	}
}

// verify compares the old code, and the padding that was chosen, with what the update expects.
func (p *plan) verify(read func([]byte, uint64) error) error {
	for i := range p.rec.Redirects {
		d := &p.rec.Redirects[i]
		if d.Pad == nil {
			continue
		}
		b := make([]byte, len(d.Pad.Orig))
		if err := read(b, d.Pad.At); err != nil || !bytes.Equal(b, d.Pad.Orig) {
			return splice.Refuse(splice.CodeRedirected, d.Function, d.Module, d.Pad.At, "the padding near it holds something else now: % x", b)
		}
	}
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
	atEntry := i == 0 || i == 4 && bytes.HasPrefix(b, []byte(amd64.Endbr64))
	return b[i] == 0xcc || atEntry && (b[i] == 0xe9 || b[i] == 0xff)
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
		Format: plainFormat, Name: p.update.Name, ID: p.update.ID(), Time: time.Now().UnixNano(),
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
	p.reserve()
	for i := range p.update.Objects {
		for k := range p.update.Objects[i].Redirects {
			d, err := p.redirect(&p.update.Objects[i].Redirects[k], p.linked.NewAddr(i, k))
			if err != nil {
				return err
			}
			p.rec.Redirects = append(p.rec.Redirects, d)
		}
	}
	return p.hook()
}
