package prove

import (
	"encoding/binary"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// A plan is what of comparing a function does not depend on where it is tried. It
// is made once, since a function may be tried at many places, and one pass over
// small records is quicker than one over all that is known of a reference.
type plan struct {
	holes []hole // one for each reference
	// ok says that the holes are in order and inside, and of types that this
	// package knows; otherwise there is no plan.
	ok bool
	// plain says that all sites may be compared like other code, where nothing
	// has been rewritten: when their bytes are those of pre, and what the
	// holes in them mean is what it may mean, they hold what pre has there.
	plain bool
	// jumps says that it refers to jump tables.
	jumps bool
	// values is how many values its references tell, as far as that can be known.
	values int
}

// hole is a field that a reference owns.
type hole struct {
	off   uint32
	class int32 // index into plans.classes, -1: each is looked at on its own
	// s is the field, with its sign or without, and this, and the run address
	// of the field when it is relative.
	adj   uint64
	form  form
	size  uint8
	flags uint8
}

// form says how a field is read.
type form uint8

const (
	formNone   form = iota // none, or one that is left to Howto.Solve
	formRel32              // 4 bytes, signed, relative
	formSigned             // 4 bytes, signed
	formZero               // 4 bytes, unsigned
	formWord               // 8 bytes
)

// Flags of a hole.
const (
	holeLoose   = 1 << iota // in a site whose branch may lead elsewhere; see siteRow.loose
	holeGuarded             // in code that an alternative may stand for; see siteMatch.mayMean
)

// planner makes the plans of all functions.
type planner struct {
	m        *Comparer
	byAtom   []int32 // by target: its latest class, from 1
	bySymbol []int32 // by symbol, of those that pre does not define
	keys     []classKey
	classes  []class
	slab     []hole
	serial   uint32 // of the function
}

// plans are those of all functions, and what was found out by them.
type plans struct {
	planAt     []int32 // by atom: index into list, -1 for what is no function
	list       []plan  // of the functions, in file order
	classes    []class
	classBinds []Binding // what the classes mean
	// epoch counts the changes of what classModule and classVolatile say of the region
	// that the classes hold for, serial the comparisons.
	epoch, serial uint32
	classModule   int
	classVolatile bool
}

func (m *Comparer) makePlans() {
	m.planAt = make([]int32, len(m.Pre.Atoms))
	for i := range m.planAt {
		m.planAt[i] = -1
	}
	n, count := 0, int32(0)
	for a := range Functions(m.Pre) {
		m.planAt[a.ID] = count
		n, count = n+len(a.Refs), count+1
	}
	p := &planner{
		m: m, byAtom: make([]int32, len(m.Pre.Atoms)), bySymbol: make([]int32, len(m.Pre.Symbols())),
		slab: make([]hole, 0, n), keys: make([]classKey, 0, n/2), classes: make([]class, 0, n/2), // about as many
	}
	m.list = make([]plan, 0, count)
	for a := range Functions(m.Pre) {
		m.list = append(m.list, p.plan(a))
	}
	m.classes = p.classes
	m.epoch, m.serial = 1, p.serial
}

// planOf returns the plan of a function, nil when there is none.
func (m *Comparer) planOf(id object.AtomID) *plan {
	if int(id) >= len(m.planAt) {
		return nil // in the middle of another comparison there are none
	}
	i := m.planAt[id]
	if i < 0 || !m.list[i].ok {
		return nil
	}
	return &m.list[i]
}

func (p *planner) plan(a *object.Atom) plan {
	if a.NoBits || uint64(len(a.Bytes)) != a.Size || a.Size >= 1<<31 {
		return plan{}
	}
	p.serial++
	first := len(p.slab)
	out := plan{ok: true, plain: true}
	sites := p.m.sitesOf(a.ID)
	end, siteEnd, flags := uint64(0), uint64(0), uint8(0)
	for i := range a.Refs {
		r := &a.Refs[i]
		h, ok := amd64.HowtoOf(r.Type)
		if !ok || solverOf(h.Expr) == nil || r.Offset < end || r.Offset+uint64(h.Size) > a.Size || r.Offset+uint64(h.Size) < r.Offset {
			p.slab = p.slab[:first]
			return plan{}
		}
		end = r.Offset + uint64(h.Size)
		for len(sites) > 0 && sites[0].Off <= r.Offset {
			var n int
			siteEnd, n = cluster(sites)
			flags, ok = plainFlags(a, sites[:n], siteEnd)
			out.plain = out.plain && ok
			sites = sites[n:]
		}
		x := hole{off: uint32(r.Offset), class: -1, size: h.Size}
		if r.Offset < siteEnd {
			x.flags = flags
			out.plain = out.plain && end <= siteEnd && (x.flags&holeLoose == 0 || h.PCRel && h.Size == 4 && r.Addend == -4)
		}
		if p.classify(&x, r, h); x.class < 0 {
			out.values++
		} else if c := &p.classes[x.class]; c.serial != p.serial {
			c.serial = p.serial
			out.values++
		}
		if r.Target != object.NoAtom && p.m.Pre.Atom(r.Target).Jumps {
			out.jumps = true
		}
		p.slab = append(p.slab, x)
	}
	for len(sites) > 0 {
		n := 0
		siteEnd, n = cluster(sites)
		_, ok := plainFlags(a, sites[:n], siteEnd)
		out.plain = out.plain && ok
		sites = sites[n:]
	}
	out.holes = p.slab[first:len(p.slab):len(p.slab)]
	return out
}

// plainFlags returns the flags of holes in a cluster of sites. ok is false when it
// has to be looked at by the rows of its sites even if it holds what pre has.
func plainFlags(a *object.Atom, sites []Site, end uint64) (flags uint8, ok bool) {
	if end-sites[0].Off > rewrite.MaxCluster {
		return 0, false
	}
	for i := range sites {
		s := &sites[i]
		if s.Row.whole && (len(sites) > 1 || !rewrite.IsLabelNop(a.Bytes[s.Off:s.End()]) || len(a.RefsIn(s.Off, s.End())) > 0) {
			return 0, false
		}
		if s.Row.loose {
			flags |= holeLoose
		}
		if s.Row.legal == nil {
			flags |= holeGuarded
		}
	}
	return flags, true
}

// comparePlain compares a function with run as if it had no sites. ok is false when
// it finds anything that is not as it should be: what that is, is for others to
// tell. Nothing of it is left in the trial then.
func (m *Comparer) comparePlain(t *Trial, a *object.Atom, pl *plan, run []byte) (ok bool) {
	pre := a.Bytes
	n := len(pre)
	run = run[:n]
	from := 0
	for i := range pl.holes {
		h := &pl.holes[i]
		off := int(h.off)
		if !equalGap(pre, run, from, off) {
			return false
		}
		from = off + int(h.size)
		p := t.Addr + uint64(off)
		s := h.adj
		switch h.form {
		case formRel32:
			s += uint64(int64(int32(binary.LittleEndian.Uint32(run[off:])))) + p
		case formSigned:
			s += uint64(int64(int32(binary.LittleEndian.Uint32(run[off:]))))
		default:
			if !m.solveHole(t, a, h, i, run[off:], p) {
				return false
			}
			continue
		}
		if c := &m.classes[h.class]; c.s == s && c.epoch == m.epoch {
			if c.serial == m.serial {
				m.again(t, c)
			} else {
				m.take(t, c, uint64(off))
			}
		} else if !m.solveHole(t, a, h, i, run[off:], p) {
			return false
		}
	}
	return equalGap(pre, run, from, n)
}

// equalGap reports whether [lo, hi) is equal: mostly a few bytes between two holes.
func equalGap(pre, run []byte, lo, hi int) bool {
	switch n := hi - lo; {
	case n <= 0:
		return true
	case n <= 8 && lo+8 <= len(pre) && lo+8 <= len(run):
		return (binary.LittleEndian.Uint64(pre[lo:])^binary.LittleEndian.Uint64(run[lo:]))<<(uint(8-n)*8&63) == 0
	case n > 8 && n <= 16:
		return binary.LittleEndian.Uint64(pre[lo:]) == binary.LittleEndian.Uint64(run[lo:]) &&
			binary.LittleEndian.Uint64(pre[hi-8:]) == binary.LittleEndian.Uint64(run[hi-8:])
	}
	return string(pre[lo:hi]) == string(run[lo:hi])
}

// value reads a field.
func (h *hole) value(field []byte, p uint64) uint64 {
	switch h.form {
	case formRel32:
		return h.adj + p + uint64(int64(int32(binary.LittleEndian.Uint32(field))))
	case formSigned:
		return h.adj + uint64(int64(int32(binary.LittleEndian.Uint32(field))))
	case formZero:
		return h.adj + uint64(binary.LittleEndian.Uint32(field))
	}
	return h.adj + binary.LittleEndian.Uint64(field)
}

// solveHole solves reference i where its site, if it is in one, may hold what pre
// has.
func (m *Comparer) solveHole(t *Trial, a *object.Atom, h *hole, i int, field []byte, p uint64) bool {
	if h.flags != 0 {
		r := &a.Refs[i]
		x := &m.cluster
		x.m, x.t, x.a, x.live = m, t, a, false
		if h.flags&holeLoose != 0 && x.named(r) && !x.agrees(r, field, p) {
			return false
		}
		if h.flags&holeGuarded != 0 && !x.mayMean(r, field, p) {
			return false
		}
	}
	return m.solveClass(t, a, h, i, field, p) == nil
}
