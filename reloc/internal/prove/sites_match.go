package prove

import (
	"bytes"
	"encoding/binary"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// An effect is what follows from the bytes of a site in run, to be taken when
// all of the site was found to be legal.
type effect struct {
	kind  effectKind
	ref   *object.Ref
	p     uint64 // run address of the field, or of the instruction
	field []byte
	place uint64 // run address that is meant
	to    int64  // offset in the function
	key   Key    // of an effectBind
}

type effectKind uint8

const (
	effectSolve  effectKind = iota // the field holds what ref says
	effectPlace                    // ref means the place, whatever its field looks like
	effectBranch                   // the place is that of offset to
	effectBind                     // key has the value place
)

// siteMatch compares sites of one function with run.
type siteMatch struct {
	m     *Comparer
	t     *Trial
	a     *object.Atom
	sites []Site // of the cluster
	off   uint64 // of the cluster
	end   uint64
	run   []byte // from the start of the cluster
	p     uint64 // run address of that
	live  bool   // run is code that may have been rewritten
	whole rewrite.Cluster

	effects []effect
	patches []image.Patch
}

// matchSites compares the sites of a cluster with run, whose bytes from the
// start of the cluster are given.
func (m *Comparer) matchSites(x *siteMatch, t *Trial, a *object.Atom, sites []Site, end uint64, run []byte, p uint64) bool {
	*x = siteMatch{m: m, t: t, a: a, sites: sites, off: sites[0].Off, end: end, run: run, p: p, live: m.rewritten(p), effects: x.effects[:0], patches: x.patches[:0], whole: x.whole}
	n := end - x.off
	if uint64(len(run)) < n || n > rewrite.MaxCluster {
		return false
	}
	x.run = run[:n]
	if len(sites) == 1 && sites[0].Row.legal != nil { // by far the most
		return x.single(&sites[0])
	}
	return x.whole.Holds(x, x.off, end)
}

// rewritten reports whether code at an address may differ from what was linked.
func (m *Comparer) rewritten(addr uint64) bool {
	r := m.View.RegionAt(addr)
	return m.Image.IsKernel() && r != nil && r.Volatile
}

// single compares one site that overlaps no other.
func (x *siteMatch) single(s *Site) bool {
	lo := s.Off - x.off
	run, p := x.run[lo:lo+s.Size], x.p+lo
	n, k := len(x.effects), len(x.patches)
	if !s.Row.whole && x.asPre(s, run, p) {
		return true
	}
	x.effects, x.patches = x.effects[:n], x.patches[:k]
	if s.Row.legal != nil && s.Row.legal(x, s, run, p) {
		return true
	}
	x.effects, x.patches = x.effects[:n], x.patches[:k]
	return false
}

// Read implements [rewrite.Reader], by offsets in the function: what was written at the
// sites that start there, what stands there in pre, and what replaced it.
func (x *siteMatch) Read(at uint64, k int) (end uint64, ok, more bool) {
	n := len(x.sites)
	switch {
	case k < n:
		s := &x.sites[k]
		return s.End(), s.Off == at && s.Row.legal != nil && x.single(s), true
	case k == n:
		size := x.plain(at)
		return at + size, size > 0, true
	case k <= 2*n:
		s, lo := &x.sites[k-n-1], at-x.off
		return s.End(), s.Off == at && s.Row.legal == nil && x.replaced(s, x.run[lo:lo+s.Size], x.p+lo), true
	}
	return 0, false, false
}

// Mark implements [rewrite.Reader].
func (x *siteMatch) Mark() rewrite.Mark { return rewrite.Mark{len(x.effects), len(x.patches)} }

// Reset implements [rewrite.Reader].
func (x *siteMatch) Reset(m rewrite.Mark) {
	x.effects, x.patches = x.effects[:m[0]], x.patches[:m[1]]
}

// asPre reports whether a site holds what pre has there, but for holes.
func (x *siteMatch) asPre(s *Site, run []byte, p uint64) bool {
	from := s.Off
	refs := x.a.RefsIn(s.Off, s.End())
	for i := range refs {
		r := &refs[i]
		if r.Offset < from || !bytes.Equal(x.a.Bytes[from:r.Offset], run[from-s.Off:r.Offset-s.Off]) {
			return false
		}
		from = min(r.Offset+FieldSize(r), s.End())
	}
	if !bytes.Equal(x.a.Bytes[from:s.End()], run[from-s.Off:]) {
		return false
	}
	for i := range refs {
		r := &refs[i]
		field := run[r.Offset-s.Off:]
		if s.Row.loose && (x.live || x.named(r)) && !x.agrees(r, field, p+r.Offset-s.Off) {
			return false
		}
		if s.Row == &plainRow && !x.mayMean(r, field, p+r.Offset-s.Off) {
			return false
		}
		x.effects = append(x.effects, effect{kind: effectSolve, ref: r, p: p + r.Offset - s.Off, field: field})
	}
	return true
}

// agrees reports whether run's symbols have the symbol of a reference where its
// field leads.
func (x *siteMatch) agrees(r *object.Ref, field []byte, p uint64) bool {
	if r.Target == object.NoAtom && len(field) >= 4 && x.m.KnownAt(x.m.SymbolPlaces(r.Sym), p+4+uint64(int64(int32(binary.LittleEndian.Uint32(field)))), image.NoModule) {
		return true
	}
	name := x.m.Sym(r.Sym).Name
	return name != "" && !x.m.NoSymbols && len(field) >= 4 && x.m.Image.HasNameAt(name, p+4+uint64(int64(int32(binary.LittleEndian.Uint32(field)))))
}

// named reports whether run's symbols know the symbol of a reference.
func (x *siteMatch) named(r *object.Ref) bool {
	if r.Target != object.NoAtom {
		return len(x.m.AtomPlaces(r.Target)) > 0
	}
	return len(x.m.SymbolPlaces(r.Sym)) > 0
}

// mayMean reports whether a reference may lead where the field of an instruction
// does that may stand for another one: the call of an alternative looks like
// that of the original.
func (x *siteMatch) mayMean(r *object.Ref, field []byte, p uint64) bool {
	h, ok := amd64.HowtoOf(r.Type)
	if !ok {
		return false
	}
	s, err := h.Solve(field, r.Addend, p)
	if err != nil {
		return false
	}
	if u := (use{t: x.t, a: x.a, r: r, h: h, p: p, s: s}); x.live && h.PCRel && h.Size == 4 {
		x.m.uncount(&u)
		s = u.s
	}
	switch g := x.m.Pre.Atom(r.Target); {
	case g == nil:
		return !x.named(r) || x.m.KnownAt(x.m.SymbolPlaces(r.Sym), s, image.NoModule)
	case g.Aside: // the slow way of a static_cpu_has
		return x.m.isAside(g.ID, s+x.m.placeOff(r))
	case g.Kind == object.Func && r.TargetOff == 0:
		return x.m.MayBe(g.ID, s+x.m.placeOff(r))
	}
	return true
}

// plain compares an instruction that stands in pre, or the nops there. It
// returns the length, 0 when run has something else.
func (x *siteMatch) plain(off uint64) uint64 {
	stop := x.end
	for i := range x.sites {
		if s := &x.sites[i]; s.Off > off {
			stop = min(stop, s.Off)
		}
	}
	pre, run := x.a.Bytes[off:stop], x.run[off-x.off:]
	if n := amd64.ToolNops(pre); n > 0 && len(x.a.RefsIn(off, off+uint64(n))) == 0 {
		if x.replaceable(off) && rewrite.IsFilling(run[:n], n) || bytes.Equal(pre[:n], run[:n]) {
			return uint64(n)
		}
		return 0
	}
	n := 1
	in, err := amd64.Decode(x.a.Bytes[off:])
	if err == nil && int(in.Len) <= len(pre) {
		n = int(in.Len)
	} else {
		in = amd64.Inst{}
	}
	refs := x.a.RefsIn(off, off+uint64(n))
	if len(refs) == 0 && in.PCRelLen > 0 {
		f := int(in.PCRelOff)
		if !bytes.Equal(pre[:f], run[:f]) || !bytes.Equal(pre[f+int(in.PCRelLen):n], run[f+int(in.PCRelLen):n]) {
			return 0
		}
		p := x.p + off - x.off
		x.effects = append(x.effects, effect{kind: effectBranch, p: p, to: int64(off) + int64(Relative(in, pre, 0)), place: p + uint64(Relative(in, run, 0))})
		return uint64(n)
	}
	s := Site{Off: off, Size: uint64(n), Row: &plainRow}
	if !x.asPre(&s, run[:n], x.p+off-x.off) {
		return 0
	}
	return uint64(n)
}

// plainRow stands for what is no site.
var plainRow siteRow

// replaceable reports whether an alternative covers an offset.
func (x *siteMatch) replaceable(off uint64) bool {
	for i := range x.sites {
		if s := &x.sites[i]; s.Row.legal == nil && s.Off <= off && off < s.End() {
			return true
		}
	}
	return false
}

// applyEffects takes what follows from a cluster. With a walker, branches are
// checked once all places are known.
func (x *siteMatch) applyEffects(w *walker) *Difference {
	x.t.Patches = append(x.t.Patches, x.patches...)
	if x.live && x.m.NoSymbols && x.replaceable(x.off) {
		return nil // whose call it is, nothing tells
	}
	for i := range x.effects {
		if e := x.apply(&x.effects[i], w); e != nil {
			return e
		}
	}
	return nil
}

func (x *siteMatch) apply(e *effect, w *walker) *Difference {
	switch e.kind {
	case effectSolve:
		return x.m.solveRef(x.t, x.a, e.ref, e.field, e.p)
	case effectPlace:
		return x.m.solveAt(x.t, x.a, e.ref, e.p, e.place)
	case effectBind:
		x.t.bind(Binding{Key: e.key, Value: e.place, Ref: x.off})
		return nil
	}
	at, runAt := x.off, x.p-x.t.Addr
	if w != nil {
		w.branches = append(w.branches, branch{at: int(at), runAt: int(runAt), to: int(e.to), runTo: int(e.place - x.t.Addr)})
		return nil
	}
	if e.place == x.t.Addr+uint64(e.to) {
		return nil
	}
	err := x.t.Fail(ReasonBranch, at, runAt, "leads to +%#x, which is no counterpart of +%#x", e.place-x.t.Addr, e.to)
	err.Target = e.place
	return err
}

// exec reports whether code may be at an address.
func (x *siteMatch) exec(addr uint64) bool {
	r := x.m.View.RegionAt(addr)
	return r != nil && r.Exec
}
