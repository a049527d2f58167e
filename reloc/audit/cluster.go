package audit

import (
	"bytes"
	"encoding/binary"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// cluster is a stretch of code with sites that overlap: it is looked at as a
// whole, since one was rewritten over another.
type cluster struct {
	*part
	lo, hi uint64 // link addresses
	sites  []kernel.Site
	run    []byte // from lo
	linked []byte

	found  []image.Patch
	opaque int // sites of which only the place was checked
}

// clusterAt returns the sites around an address, nil when there are none or the
// piece does not hold all of them.
func (p *part) clusterAt(addr uint64) *cluster {
	c := &cluster{part: p, lo: addr, hi: addr + 1}
	for {
		c.sites = p.sites.In(c.lo, c.hi)
		lo, hi := c.lo, c.hi
		for i := range c.sites {
			s := &c.sites[i]
			c.lo, c.hi = min(c.lo, s.Addr), max(c.hi, s.Addr+s.Size)
		}
		if c.hi-c.lo > rewrite.MaxCluster {
			return nil
		}
		if lo == c.lo && hi == c.hi {
			break
		}
	}
	if len(c.sites) == 0 || c.lo < p.base || c.hi > p.base+uint64(len(p.run)) {
		return nil
	}
	c.run, c.linked = p.run[c.lo-p.base:c.hi-p.base], p.linked[c.lo-p.base:c.hi-p.base]
	return c
}

// holds reports whether the whole cluster is what the kernel makes of it.
func (c *cluster) holds() bool {
	var whole rewrite.Cluster
	return whole.Holds(c, c.lo, c.hi)
}

// Read implements [rewrite.Reader], by link addresses: what was written at the sites that
// start there, what was linked, and what replaced it, of which a later one is written over an
// earlier one.
func (c *cluster) Read(at uint64, k int) (end uint64, ok, more bool) {
	n := len(c.sites)
	switch {
	case k < n:
		s := &c.sites[k]
		return at + s.Size, s.Addr == at && s.Table != kerneltab.AltInstructions && c.written(s, c.linkedAt(at), c.runAt(at), at+c.bias), true
	case k == n:
		size := c.plain(at)
		return at + size, size > 0, true
	case k <= 3*n:
		s := &c.sites[n-1-(k-n-1)/2]
		size := s.Size
		if (k-n-1)%2 == 1 {
			size = c.raised(s)
		}
		return at + size, s.Addr == at && s.Table == kerneltab.AltInstructions && c.replaced(s, size), true
	}
	return 0, false, false
}

// Mark implements [rewrite.Reader].
func (c *cluster) Mark() rewrite.Mark {
	return rewrite.Mark{len(c.found), c.opaque}
}

// Reset implements [rewrite.Reader].
func (c *cluster) Reset(m rewrite.Mark) {
	c.found, c.opaque = c.found[:m[0]], m[1]
}

// linkedAt and runAt return the bytes from a link address to the cluster's end.
func (c *cluster) linkedAt(at uint64) []byte { return c.linked[at-c.lo:] }
func (c *cluster) runAt(at uint64) []byte    { return c.run[at-c.lo:] }

// raised returns the length of the longest alternative at a place: since 6.9 all
// have that.
func (c *cluster) raised(s *kernel.Site) uint64 {
	n := s.Size
	for i := range c.sites {
		if x := &c.sites[i]; x.Addr == s.Addr && x.Table == kerneltab.AltInstructions {
			n = max(n, x.Size)
		}
	}
	return n
}

// plain compares an instruction as it was linked, or the nops there. It returns
// the length, 0 when run has something else.
func (c *cluster) plain(at uint64) uint64 {
	stop := c.hi
	for i := range c.sites {
		if s := &c.sites[i]; s.Addr > at {
			stop = min(stop, s.Addr)
		}
	}
	linked, run := c.linkedAt(at)[:stop-at], c.runAt(at)[:stop-at]
	if amd64.ToolNops(linked) > 0 {
		return c.nops(at, linked, run)
	}
	n := len(linked)
	if i, err := amd64.Decode(linked); err == nil {
		n = int(i.Len)
	}
	if !c.same(linked[:n], at, run[:n], at+c.bias) {
		return 0
	}
	return uint64(n)
}

// nops compares nops that were linked: in alternatives they become others, up to
// the end of one of them. It returns how many, 0 when run has something else.
func (c *cluster) nops(at uint64, linked, run []byte) uint64 {
	most := 0
	for i := range c.sites {
		s := &c.sites[i]
		if s.Addr > at || s.Addr+s.Size <= at || s.Table != kerneltab.AltInstructions {
			continue
		}
		room := min(s.Addr+s.Size-at, uint64(len(linked)))
		if n := amd64.ToolNops(linked[:room]); rewrite.IsFilling(run, n) {
			most = max(most, n)
		}
	}
	if n := amd64.ToolNops(linked); most == 0 && bytes.Equal(linked[:n], run[:n]) {
		most = n
	}
	return uint64(most)
}

// same compares one instruction with what was linked elsewhere, or here: what it
// refers to has to be the same.
func (c *cluster) same(code []byte, from uint64, run []byte, at uint64) bool {
	in, err := amd64.Decode(code)
	if err != nil || int(in.Len) != len(code) || in.PCRelLen == 0 {
		return c.slid(code, run)
	}
	f, k := int(in.PCRelOff), int(in.PCRelLen)
	if !bytes.Equal(code[:f], run[:f]) || !bytes.Equal(code[f+k:], run[f+k:]) {
		return false
	}
	to, runTo := in.PCRel(code, from), in.PCRel(run, at)
	switch {
	case runTo == to+c.bias:
		return true
	case runTo == to:
		return c.nearPerCPU(to)
	}
	return in.Class == amd64.Call && c.leads(runTo, to+c.bias)
}

// slid compares code that may have the address of something for an operand.
func (c *cluster) slid(code, run []byte) bool {
	if bytes.Equal(code, run) {
		return true
	}
	for w := 0; w+4 <= len(code); w++ {
		if was := binary.LittleEndian.Uint32(code[w:]); binary.LittleEndian.Uint32(run[w:])-was == uint32(c.bias) && c.isAddress(was) {
			return bytes.Equal(code[:w], run[:w]) && bytes.Equal(code[w+4:], run[w+4:])
		}
	}
	return false
}

// leads reports whether a call to an address means a function, which may be
// counted in front of it.
func (p *part) leads(to, want uint64) bool {
	if to == want {
		return true
	}
	b, err := p.looks.bytes(to, rewrite.DepthCount)
	return err == nil && to+rewrite.DepthCount == want && p.counted(b, to)
}
