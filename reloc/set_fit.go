package reloc

import (
	"bytes"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// Bounds of looking for the places of a chain.
const (
	maxFits   = 64      // places that are told of
	maxStarts = 1 << 20 // places that are looked at
	maxTrials = 64      // of these, whose outcome is kept
)

// findFits finds the places of the chains none of whose functions is matched, in
// memory that no other object claims.
func (m *solver) findFits(f *summary) {
	for _, chain := range m.makeChains() {
		if !m.isOpen(chain) {
			continue
		}
		name := strings.Clone(m.c.ChainName(m.funcs[chain[0]].atom))
		f.chains = append(f.chains, name)
		if list := m.fits(chain, m.told.free[name]); len(list) > 0 {
			f.fits[name], f.sparse[name] = list, m.fixedIn(chain) < tiers[len(tiers)-1]
		}
	}
}

// fixedIn counts the bytes of a chain that no hole owns, and that are no padding.
func (m *solver) fixedIn(chain []int32) int {
	n := 0
	for _, i := range chain {
		if f := &m.funcs[i]; amd64.ToolNops(f.atom.Bytes) != len(f.atom.Bytes) {
			n += f.fixed
		}
	}
	return n
}

// isOpen reports whether nothing of a chain is where it was linked, and nothing of
// it is known to differ.
func (m *solver) isOpen(chain []int32) bool {
	open := false
	for _, i := range chain {
		f := &m.funcs[i]
		if m.isAnchor(i) || f.state == Mismatch || f.freed {
			return false
		}
		open = open || f.open
	}
	return open
}

// fits returns the places at which all functions of a chain fit, one behind the
// other: where the first one starts, and where the last one ends.
func (m *solver) fits(chain []int32, spans []span) []span {
	var out []span
	first := m.funcs[chain[0]].atom
	align := m.alignOf(&m.funcs[chain[0]])
	leads := m.leading(chain)
	tries, looked := 0, 0
	var in *attempts // thousands that nobody asks for again
	for _, s := range spans {
		for at := (s.lo-first.Offset+align-1)&^(align-1) + first.Offset; at < s.hi; at += align {
			if tries++; tries > maxStarts || len(out) == maxFits {
				return out
			}
			if !leads(at) {
				continue
			}
			if looked++; looked%maxTrials == 1 {
				in = newAttempts(m.c, 0)
			}
			if u := m.fit(in, chain, at, s.hi); u != nil {
				last := u[len(u)-1]
				out = append(out, span{at, last.Addr + last.Size})
			}
		}
	}
	return out
}

// lead returns the stretches of a function, in front of its first jump, that are
// the same in run.
func (m *solver) lead(a *object.Atom) []span {
	end := uint64(0)
	for end < a.Size {
		in, err := amd64.Decode(a.Bytes[end:])
		if err != nil || in.Class == amd64.Jump || in.Class == amd64.Jcc {
			break
		}
		end += uint64(in.Len)
	}
	var out []span
	m.c.Solid(a, func(lo, hi uint64) {
		if hi = min(hi, end); lo < hi {
			out = append(out, span{lo, hi})
		}
	})
	return out
}

// leads reports whether run has the given stretches of a function at an address.
func (m *solver) leads(a *object.Atom, lead []span, addr uint64) bool {
	if len(lead) == 0 {
		return true
	}
	b, err := m.c.View.Bytes(addr, lead[len(lead)-1].hi)
	if err != nil {
		return false
	}
	for _, s := range lead {
		if !bytes.Equal(b[s.lo:s.hi], a.Bytes[s.lo:s.hi]) {
			return false
		}
	}
	return true
}

// leading returns what tells quickly that a chain does not start at an address: how
// its first function begins, and the second one where it is known how far behind
// that is.
func (m *solver) leading(chain []int32) func(at uint64) bool {
	f := &m.funcs[chain[0]]
	lead := m.lead(f.atom)
	if len(chain) == 1 || !m.c.IsRigid(f.atom) {
		return func(at uint64) bool { return m.leads(f.atom, lead, at) }
	}
	g := &m.funcs[chain[1]]
	next := m.lead(g.atom)
	return func(at uint64) bool {
		return m.leads(f.atom, lead, at) &&
			m.leads(g.atom, next, m.behind(f.atom.Section == g.atom.Section, f.atom.End(), g, at+f.atom.Size))
	}
}

// fit places the functions of a chain from start on, with nothing but padding
// between them, in front of limit. It returns nil where one doesn't fit, or where
// what they refer to contradicts that.
func (m *solver) fit(in *attempts, chain []int32, start, limit uint64) []*attempt {
	out := make([]*attempt, 0, len(chain))
	cursor := start
	for k, i := range chain {
		f := &m.funcs[i]
		at := start
		if k > 0 {
			before := m.funcs[chain[k-1]].atom
			at = m.behind(before.Section == f.atom.Section, before.End(), f, cursor)
		}
		t, ok := m.fitsAt(in, f, at, cursor, limit)
		if !ok {
			return nil
		}
		out = append(out, t)
		cursor = at + t.Size
	}
	if !m.agree(in, chain, out) {
		return nil
	}
	return out
}

// agree reports whether functions at given places refer to each other there, and
// to one place of everything else.
func (m *solver) agree(in *attempts, chain []int32, list []*attempt) bool {
	values := make(map[prove.Key]uint64)
	for k, t := range list {
		if f := &m.funcs[chain[k]]; !f.weak {
			values[prove.Key{Space: prove.InAtom, ID: int32(f.atom.ID)}] = t.Addr
		}
	}
	for _, t := range list {
		for _, b := range in.closure(t) {
			if b.Soft {
				continue
			}
			if v, ok := values[b.Key]; ok && v != b.Value {
				return false
			}
			values[b.Key] = b.Value
		}
	}
	return true
}
