package reloc

import (
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
)

// tally counts who says what about one key in a round.
type tally struct {
	values []uint64
	weight []int
}

func (t *tally) add(v uint64, w int) {
	for i := range t.values {
		if t.values[i] == v {
			t.weight[i] += w
			return
		}
	}
	t.values, t.weight = append(t.values, v), append(t.weight, w)
}

// winner returns the value that most say; ok is false when none has more than
// the others.
func (t *tally) winner() (v uint64, ok bool) {
	best := slices.Max(t.weight)
	for i, w := range t.weight {
		if w == best {
			if ok {
				return 0, false
			}
			v, ok = t.values[i], true
		}
	}
	return v, ok
}

// elect takes the proposals of a round. Where two contradict each other the
// majority wins; those who lose, and all when there is no majority, differ
// from pre as far as anyone can tell.
func (m *solver) elect(props []proposal) {
	m.findHome(props)
	if m.contested(props) {
		tallies := m.count(props)
		for i := range props {
			m.judge(&props[i], tallies)
		}
	}
	m.rejectPlaces(props)
	for i := range props {
		if p := &props[i]; !p.lost && m.funcs[p.fn].open {
			m.commit(p)
		}
	}
}

// contested reports whether two proposals contradict each other. It is quick,
// since they hardly ever do.
func (m *solver) contested(props []proposal) bool {
	m.round++
	others := make(map[key]uint64)
	for i := range props {
		for _, b := range props[i].binds {
			if b.soft {
				continue
			}
			if k := b.key; k.space == inAtom && k.off == 0 {
				c := &m.claims[k.id]
				if c.round == m.round && c.value != b.value {
					return true
				}
				*c = claim{m.round, b.value}
				continue
			}
			if v, ok := others[b.key]; ok && v != b.value {
				return true
			}
			others[b.key] = b.value
		}
	}
	return false
}

// count lets all proposals vote.
func (m *solver) count(props []proposal) map[key]*tally {
	tallies := make(map[key]*tally)
	for i := range props {
		p := &props[i]
		for _, b := range p.binds {
			if b.soft {
				continue
			}
			t := tallies[b.key]
			if t == nil {
				t = new(tally)
				tallies[b.key] = t
			}
			t.add(b.value, m.weight(p, b.own)*(1+int(b.more)))
		}
	}
	return tallies
}

// weight returns how much a binding of a proposal counts against others: what
// a function's own bytes and name say counts for two references, unless the
// bytes are few or the name is not unique.
func (m *solver) weight(p *proposal, own bool) int {
	f := &m.funcs[p.fn]
	switch {
	case !own:
		return 1
	case len(f.cands) > 1 && p.by == BySymbol, p.by == BySearch && f.fixed < tiers[1]:
		return 0
	}
	return 2
}

// judge decides whether a proposal loses.
func (m *solver) judge(p *proposal, tallies map[key]*tally) {
	f := &m.funcs[p.fn]
	for _, b := range p.binds {
		if b.soft {
			continue
		}
		t := tallies[b.key]
		if len(t.values) == 1 {
			continue
		}
		if v, ok := t.winner(); ok && v == b.value {
			continue
		}
		p.lost = true
		if b.own {
			m.queue(p.fn) // the winner's value says where to look
			return
		}
		other := t.values[0]
		if other == b.value {
			other = t.values[1]
		}
		f.fail, f.state, f.open = p.t, Mismatch, false
		f.err = p.t.fail(reasonConflict, b.ref, p.t.at(int64(b.ref))-p.t.addr,
			"%s is %#x here and %#x elsewhere", m.keyName(b.key), b.value, other)
		return
	}
}

// findHome finds the module that the object is linked into: the one where most
// of the first functions are that have only one place.
func (m *solver) findHome(props []proposal) {
	if m.home != image.NoModule || len(props) == 0 {
		return
	}
	count := make(map[int]int)
	for i := range props {
		count[m.moduleOf(props[i].t.addr)]++
	}
	for module, n := range count {
		if m.home == image.NoModule || n > count[m.home] || n == count[m.home] && module < m.home {
			m.home = module
		}
	}
	for i := range m.funcs {
		m.queue(int32(i))
	}
	for i := range props {
		if m.moduleOf(props[i].t.addr) != m.home {
			props[i].lost = true
		}
	}
}

// commit takes a function as matched, and all that follows as values.
func (m *solver) commit(p *proposal) {
	f := &m.funcs[p.fn]
	f.open, f.state, f.by, f.done = false, Matched, p.by, p.t
	p.t.committed = true
	m.log.Debug("matched", "function", f.atom.Name, "address", p.t.addr, "by", p.by)
	for _, b := range p.binds {
		m.learn(b.binding, f.atom.ID)
	}
	m.commitConsts(p.t)
}

// commitConsts marks the constants whose bindings are values now.
func (m *solver) commitConsts(t *attempt) {
	work := []*attempt{t}
	for len(work) > 0 {
		t, work = work[len(work)-1], work[:len(work)-1]
		for _, i := range t.consts {
			b := &t.binds[i]
			if c := m.tried.of(node{object.AtomID(b.key.id), b.value}); c != nil && !c.committed {
				c.committed = true
				work = append(work, c)
			}
		}
	}
}

// learn adds a value, or a witness for one, and wakes those who wait for it.
func (m *solver) learn(b binding, from object.AtomID) {
	v := m.known(b.key)
	switch {
	case v == nil:
		v = &value{value: b.value, soft: b.soft}
		m.set(b.key, v)
	case v.soft && !b.soft:
		*v = value{value: b.value}
	case v.value != b.value:
		if v.soft && b.soft && b.key.space == inAtom && b.value < v.value {
			v.value = b.value // copies of a literal
		}
		return
	default:
		if n := len(v.from); n == 0 || v.from[n-1] != from {
			v.witness(from)
		}
		return
	}
	v.witness(from)
	for _, i := range m.watch[b.key] {
		m.queue(i)
	}
	if b.key.space != inAtom {
		return
	}
	if i := m.fnOf[b.key.id]; i >= 0 {
		if b.key.off != 0 {
			m.funcs[i].places = append(m.funcs[i].places, b)
			m.suggest(i, b)
		}
		m.queue(i)
	}
}

// suggest makes a candidate of a reference into the middle of a function.
func (m *solver) suggest(i int32, b binding) {
	if f := &m.funcs[i]; f.open && len(f.cands) == 0 {
		m.addCand(f, cand{addr: b.value - uint64(b.key.off), by: ByReference})
	}
}

// witness notes who determined a value, the first in file order.
func (v *value) witness(from object.AtomID) {
	i, found := slices.BinarySearchFunc(v.from, from, cmp.Compare[object.AtomID])
	if found || i >= maxFrom {
		return
	}
	v.from = slices.Insert(v.from, i, from)
	if len(v.from) > maxFrom {
		v.from = v.from[:maxFrom]
	}
}

// rejectPlaces drops proposals that refer into the middle of functions which the
// same round proposes, to other places than those have there. It comes before
// anything is taken, so that what fails leaves nothing behind.
func (m *solver) rejectPlaces(props []proposal) {
	round := make(map[int32]*attempt, len(props))
	for i := range props {
		if p := &props[i]; !p.lost {
			round[p.fn] = p.t
		}
	}
	for i := range props {
		p := &props[i]
		if p.lost {
			continue
		}
		for _, b := range p.binds {
			if b.soft || b.key.space != inAtom || b.key.off == 0 {
				continue
			}
			g := round[m.fnOf[b.key.id]]
			if g == nil {
				continue
			}
			if want := g.at(b.key.off); want != b.value {
				f := &m.funcs[p.fn]
				p.lost = true
				f.state, f.fail, f.open = Mismatch, p.t, false
				f.err = p.t.fail(reasonConflict, b.ref, p.t.at(int64(b.ref))-p.t.addr, "leads to %#x, and %s is %#x", b.value, m.keyName(b.key), want)
				break
			}
		}
	}
}
