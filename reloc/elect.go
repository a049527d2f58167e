package reloc

import (
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/prove"
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
	others := make(map[prove.Key]uint64)
	for i := range props {
		for _, b := range props[i].binds {
			if b.Soft {
				continue
			}
			if k := b.Key; k.Space == prove.InAtom && k.Off == 0 {
				c := &m.stakes[k.ID]
				if c.round == m.round && c.value != b.Value {
					return true
				}
				*c = stake{m.round, b.Value}
				continue
			}
			if v, ok := others[b.Key]; ok && v != b.Value {
				return true
			}
			others[b.Key] = b.Value
		}
	}
	return false
}

// count lets all proposals vote.
func (m *solver) count(props []proposal) map[prove.Key]*tally {
	tallies := make(map[prove.Key]*tally)
	for i := range props {
		p := &props[i]
		for _, b := range p.binds {
			if b.Soft {
				continue
			}
			t := tallies[b.Key]
			if t == nil {
				t = new(tally)
				tallies[b.Key] = t
			}
			t.add(b.Value, m.weight(p, b.own)*(1+int(b.More)))
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
func (m *solver) judge(p *proposal, tallies map[prove.Key]*tally) {
	f := &m.funcs[p.fn]
	for _, b := range p.binds {
		if b.Soft {
			continue
		}
		t := tallies[b.Key]
		if len(t.values) == 1 {
			continue
		}
		if v, ok := t.winner(); ok && v == b.Value {
			continue
		}
		p.lost = true
		if b.own {
			m.queue(p.fn) // the winner's value says where to look
			return
		}
		other := t.values[0]
		if other == b.Value {
			other = t.values[1]
		}
		f.fail, f.state, f.open = p.t, Mismatch, false
		f.err = p.t.Fail(prove.ReasonConflict, b.Ref, p.t.At(int64(b.Ref))-p.t.Addr,
			"%s is %#x here and %#x elsewhere", m.c.KeyName(b.Key), b.Value, other)
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
		count[m.c.ModuleOf(props[i].t.Addr)]++
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
		if m.c.ModuleOf(props[i].t.Addr) != m.home {
			props[i].lost = true
		}
	}
}

// commit takes a function as matched, and all that follows as values.
func (m *solver) commit(p *proposal) {
	f := &m.funcs[p.fn]
	f.open, f.state, f.by, f.done = false, Matched, p.by, p.t
	p.t.committed = true
	m.log.Debug("matched", "function", f.atom.Name, "address", p.t.Addr, "by", p.by)
	for _, b := range p.binds {
		m.learn(b.Binding, f.atom.ID)
	}
	m.commitConsts(p.t)
}

// commitConsts marks the constants whose bindings are values now.
func (m *solver) commitConsts(t *attempt) {
	work := []*attempt{t}
	for len(work) > 0 {
		t, work = work[len(work)-1], work[:len(work)-1]
		for _, i := range t.Consts {
			b := &t.Binds[i]
			if c := m.tried.of(prove.Node{Atom: object.AtomID(b.Key.ID), Addr: b.Value}); c != nil && !c.committed {
				c.committed = true
				work = append(work, c)
			}
		}
	}
}

// learn adds a value, or a witness for one, and wakes those who wait for it.
func (m *solver) learn(b prove.Binding, from object.AtomID) {
	v := m.known(b.Key)
	switch {
	case v == nil:
		v = &value{value: b.Value, soft: b.Soft}
		m.set(b.Key, v)
	case v.soft && !b.Soft:
		*v = value{value: b.Value}
	case v.value != b.Value:
		if v.soft && b.Soft && b.Key.Space == prove.InAtom && b.Value < v.value {
			v.value = b.Value // copies of a literal
		}
		return
	default:
		if n := len(v.from); n == 0 || v.from[n-1] != from {
			v.witness(from)
		}
		return
	}
	v.witness(from)
	for _, i := range m.watch[b.Key] {
		m.queue(i)
	}
	if b.Key.Space != prove.InAtom {
		return
	}
	if i := m.fnOf[b.Key.ID]; i >= 0 {
		if b.Key.Off != 0 {
			m.funcs[i].places = append(m.funcs[i].places, b)
			m.suggest(i, b)
		}
		m.queue(i)
	}
}

// suggest makes a candidate of a reference into the middle of a function.
func (m *solver) suggest(i int32, b prove.Binding) {
	if f := &m.funcs[i]; f.open && len(f.cands) == 0 {
		m.addCand(f, cand{addr: b.Value - uint64(b.Key.Off), by: ByReference})
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
			if b.Soft || b.Key.Space != prove.InAtom || b.Key.Off == 0 {
				continue
			}
			g := round[m.fnOf[b.Key.ID]]
			if g == nil {
				continue
			}
			if want := g.At(b.Key.Off); want != b.Value {
				f := &m.funcs[p.fn]
				p.lost = true
				f.state, f.fail, f.open = Mismatch, p.t, false
				f.err = p.t.Fail(prove.ReasonConflict, b.Ref, p.t.At(int64(b.Ref))-p.t.Addr, "leads to %#x, and %s is %#x", b.Value, m.c.KeyName(b.Key), want)
				break
			}
		}
	}
}
