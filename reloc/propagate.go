package reloc

import (
	"slices"

	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// tiers are the numbers of fixed bytes that a function which was found by
// search alone needs, to be taken where it is found once. The large ones come
// first: what they refer to decides about the small ones, whose bytes may well
// occur by chance.
var tiers = [...]int{64, 24, 8}

// proposal is a function that has only one place left.
type proposal struct {
	fn    int32
	t     *attempt
	by    Evidence
	binds []owned // all that follows from it
	lost  bool
}

// owned is a binding and the function whose reference it comes from.
type owned struct {
	prove.Binding
	own bool // the function's own address
}

// propagate looks at all functions of which something is new, takes those that have
// only one place left, and goes on until nothing changes. It works in rounds,
// and within a round all functions are judged by the same values, so that their
// order does not matter.
func (m *solver) propagate(tier int) error {
	if tier > 0 {
		for i := range m.funcs {
			m.queue(int32(i))
		}
	}
	for len(m.dirty) > 0 {
		round := m.dirty
		m.dirty = nil
		slices.Sort(round)
		var props []proposal
		for n, i := range round {
			m.queued[i] = false
			if n%64 == 0 {
				if err := m.ctx.Err(); err != nil {
					return err
				}
			}
			if p, ok := m.propose(i, tier); ok {
				props = append(props, p)
			}
		}
		m.elect(props)
	}
	return nil
}

// propose judges one function by the present values.
func (m *solver) propose(i int32, tier int) (proposal, bool) {
	f := &m.funcs[i]
	if !f.open {
		return proposal{}, false
	}
	viable := m.viable(f)
	if f.state == Mismatch {
		f.open = false
		return proposal{}, false
	}
	if tier == len(tiers)-1 && len(viable) > 1 {
		if viable = m.inOrder(i, viable); len(viable) == 0 {
			return proposal{}, false
		}
	}
	f.remain = f.remain[:0]
	for _, c := range viable {
		f.remain = append(f.remain, c.addr)
	}
	if len(viable) == 1 && !tooWeak(f, viable[0], tier) && !m.doubtful(f, viable[0], tier) {
		if m.isContested(f, viable[0]) && m.outOfOrder(i, viable[0].addr) {
			m.misplaced(i, viable[0])
			return proposal{}, false
		}
		return m.proposal(i, viable[0]), true
	}
	for _, c := range viable {
		m.watchFor(i, m.check(f.atom.ID, c.addr))
	}
	return proposal{}, false
}

// tooWeak reports whether the only place left has nothing for it but that no
// other was found, which for few bytes, or when the search was cut short, does
// not say much; or but that others of the same name differ: it may be one of
// these that was meant, and has changed. References get their chance first.
func tooWeak(f *fn, c cand, tier int) bool {
	if c.by == BySymbol && len(f.cands) > 1 {
		return tier == 0
	}
	if c.by != BySearch {
		return false
	}
	last := tier == len(tiers)-1
	return f.more || f.fixed < tiers[tier] && !(last && c.start)
}

// isContested reports whether nothing but a name that others have too, or its bytes,
// tells that a function is at a place.
func (m *solver) isContested(f *fn, c cand) bool {
	return c.by == BySearch || c.by == BySymbol && len(f.cands) > 1
}

// inOrder drops the places of several that contradict the neighbours, for all of
// which nothing but their bytes or a shared name speaks.
func (m *solver) inOrder(i int32, viable []cand) []cand {
	f := &m.funcs[i]
	if slices.ContainsFunc(viable, func(c cand) bool { return !m.isContested(f, c) }) {
		return viable
	}
	out := slices.DeleteFunc(slices.Clone(viable), func(c cand) bool { return m.outOfOrder(i, c.addr) })
	if len(out) == 0 {
		for _, c := range viable {
			m.misplaced(i, c)
		}
	}
	return out
}

// misplaced drops the only place that is left of a function, since its neighbours
// in pre have others in run. The function differs, where that is known.
func (m *solver) misplaced(i int32, c cand) {
	f := &m.funcs[i]
	f.remain = f.remain[:0]
	f.cands = slices.DeleteFunc(f.cands, func(x cand) bool { return x == c })
	f.err, f.fail = nil, nil
	for _, x := range f.cands {
		if t := m.check(f.atom.ID, x.addr); t.err != nil && !m.outOfOrder(i, x.addr) && m.inHome(x.addr) {
			f.err, f.fail = t.err, t
			return
		}
	}
	t := m.check(f.atom.ID, c.addr)
	f.fail = t
	f.err = t.Fail(prove.ReasonConflict, 0, 0, "these bytes are not between those of its neighbours in pre")
}

// doubtful reports whether a place that only its bytes speak for leads to functions
// of pre that are not there: one that looks alike, and calls others, in a kernel,
// where its neighbours may know better.
func (m *solver) doubtful(f *fn, c cand, tier int) bool {
	return m.c.Image.IsKernel() && c.by == BySearch && tier < len(tiers)-1 && !m.calleesMatch(m.check(f.atom.ID, c.addr))
}

func (m *solver) proposal(i int32, c cand) proposal {
	id := m.funcs[i].atom.ID
	p := proposal{fn: i, t: m.check(id, c.addr), by: c.by}
	p.binds = append(p.binds, owned{prove.Binding{Key: prove.Key{Space: prove.InAtom, ID: int32(id)}, Value: c.addr}, true})
	for _, b := range m.tried.closure(p.t) {
		p.binds = append(p.binds, owned{b, false})
	}
	return p
}

// viable returns the candidates of f that match and contradict no value.
func (m *solver) viable(f *fn) []cand {
	cands := f.cands
	if v := m.known(prove.Key{Space: prove.InAtom, ID: int32(f.atom.ID)}); v != nil {
		if v.soft {
			m.addCand(f, cand{addr: v.value, by: ByReference})
			cands = f.cands
		} else {
			by := ByReference
			if slices.Contains(cands, cand{addr: v.value, by: BySymbol}) {
				by = BySymbol
			}
			cands = []cand{{addr: v.value, by: by}}
		}
	}
	var out []cand
	var best *attempt
	for _, c := range cands {
		if !m.inHome(c.addr) {
			continue
		}
		t := m.check(f.atom.ID, c.addr)
		err := t.err
		if err == nil {
			err = m.contradiction(m.tried, f, t)
		}
		if err == nil {
			out = append(out, c)
			continue
		}
		if best == nil || err.Offset > f.err.Offset {
			best, f.err = t, err
		}
	}
	if v := m.atomAt[f.atom.ID]; v != nil && v.soft && f.weak && len(out) > 1 {
		// Of copies a weak function is the one that its name leads to.
		if k := slices.IndexFunc(out, func(c cand) bool { return c.addr == v.value }); k >= 0 {
			out = []cand{{addr: v.value, by: ByReference}}
		}
	}
	if len(out) == 0 && best != nil {
		f.fail = best
		// A value is final; the places that symbols and searches tell of are
		// all there will be, but for a reference to yet another place.
		if v := m.known(prove.Key{Space: prove.InAtom, ID: int32(f.atom.ID)}); v != nil && !v.soft {
			f.state = Mismatch
		}
	}
	return out
}

// inHome reports whether an address lies in the module that the object is
// linked into, as far as that is known.
func (m *solver) inHome(addr uint64) bool {
	return m.home == image.NoModule && m.c.InScope(m.c.ModuleOf(addr)) || m.home != image.NoModule && m.c.ModuleOf(addr) == m.home
}

// watchFor has f looked at again when a value becomes known that one of its
// trials depends on.
func (m *solver) watchFor(i int32, t *attempt) {
	if t.watched {
		return
	}
	t.watched = true
	for _, b := range m.tried.closure(t) {
		if list := m.watch[b.Key]; !b.Soft && (len(list) == 0 || list[len(list)-1] != i) {
			m.watch[b.Key] = append(list, i)
		}
	}
}

// contradiction returns why what follows from a trial can't be, given the
// values that are known; nil when it can.
func (m *solver) contradiction(in *attempts, f *fn, t *attempt) *prove.Difference {
	for _, b := range f.places {
		if got := t.At(b.Key.Off); got != b.Value {
			return t.Fail(prove.ReasonConflict, uint64(b.Key.Off), got-t.Addr, "another function refers to %#x as this place", b.Value)
		}
	}
	for _, b := range in.closure(t) {
		if e := m.against(t, &b); e != nil {
			return e
		}
	}
	return nil
}

// against compares one binding with what is known.
func (m *solver) against(t *attempt, b *prove.Binding) *prove.Difference {
	if b.Soft {
		return nil
	}
	want, known := uint64(0), false
	if b.Key.Space == prove.InAtom && b.Key.Off != 0 {
		if g := m.fnOf[b.Key.ID]; g >= 0 && m.funcs[g].done != nil {
			want, known = m.funcs[g].done.At(b.Key.Off), true
		}
	}
	if v := m.known(b.Key); v != nil && !v.soft {
		want, known = v.value, true
	}
	if !known || want == b.Value {
		return nil
	}
	e := t.Fail(prove.ReasonConflict, b.Ref, t.At(int64(b.Ref))-t.Addr, "%s is %#x here and %#x elsewhere", m.c.KeyName(b.Key), b.Value, want)
	e.Target = b.Value
	return e
}
