package audit

import (
	"bytes"
	"encoding/binary"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// replaced reports whether run holds the replacement of an alternative, as the
// kernel copies it to the site.
func (c *cluster) replaced(s *kernel.Site, size uint64) bool {
	e := c.sites0().Entry(s)
	l := kerneltab.Named(kerneltab.AltInstructions).Layout(uint64(len(e)))
	if l == nil || s.Addr+size > c.hi {
		return false
	}
	from, n := relative32(s, e, l.Fields[kerneltab.Replacement].Offset), uint64(e[l.Fields[kerneltab.ReplacementLength].Offset])
	code, ok := c.marks.replacement(from, n)
	if n > size || n > 0 && !ok {
		return false
	}
	run := c.runAt(s.Addr)[:size]
	if l.Has(kerneltab.Flags) && binary.LittleEndian.Uint16(e[l.Fields[kerneltab.Flags].Offset:])&rewrite.AltDirectCall != 0 && n == 5 && code[0] == 0xe8 {
		return c.pvCall(s, c.linkedAt(s.Addr), run, s.Addr+c.bias)
	}
	return c.copied(code, from, run, s.Addr+c.bias)
}

// sites0 returns the tables.
func (c *cluster) sites0() *kernel.Sites { return c.auditor.sites }

// copied compares a replacement that was linked at an address with a site in run,
// up to the end of which nops follow.
func (c *cluster) copied(code []byte, from uint64, run []byte, at uint64) bool {
	for i := 0; i < len(code); {
		rest, here := code[i:], from+uint64(i)
		if n := c.writtenInside(here, rest, run[i:], at+uint64(i)); n > 0 {
			i += n
			continue
		}
		if n := amd64.ToolNops(rest); n > 0 {
			if i+n == len(code) {
				return rewrite.IsFilling(run[i:], len(run)-i)
			}
			if !rewrite.IsFilling(run[i:], n) {
				return false
			}
			i += n
			continue
		}
		in, err := amd64.Decode(rest)
		n := int(in.Len)
		if err != nil {
			n = len(rest)
		}
		if !c.sameMoved(rest[:n], in, here, run[i:i+n], at+uint64(i), from, from+uint64(len(code))) {
			return false
		}
		i += n
	}
	return rewrite.IsFilling(run[len(code):], len(run)-len(code))
}

// sameMoved compares one instruction of a replacement, which lies in [lo, hi): what
// leads out of it is counted from its new place.
func (c *cluster) sameMoved(code []byte, in amd64.Inst, from uint64, run []byte, at, lo, hi uint64) bool {
	if in.PCRelLen > 0 {
		to := in.PCRel(code, from)
		if to >= lo && to <= hi {
			return bytes.Equal(code, run)
		}
		if len(code) == 5 && code[0] == 0xe9 && run[0] == 0xeb && amd64.IsShortJumpFill(run[2:]) {
			return at+2+uint64(int64(int8(run[1]))) == to+c.bias
		}
	}
	return c.same(code, from, run, at)
}

// writtenInside compares a site that starts at an address of a replacement, which
// was rewritten before it was copied. It returns its length, 0 when there is none.
func (c *cluster) writtenInside(addr uint64, linked, run []byte, at uint64) int {
	for _, s := range c.sites0().In(addr, addr+1) {
		if s.Addr == addr && (s.Table == kerneltab.ReturnSites || s.Table == kerneltab.RetpolineSites) && int(s.Size) <= len(linked) && c.written(&s, linked, run, at) {
			return int(s.Size)
		}
	}
	return 0
}
