package reloc

import "github.com/gosplice/gosplice/reloc/internal/prove"

// A compiler puts the functions of a file one behind the other, with or without
// -ffunction-sections, and a kernel is linked from files as wholes: what stands
// between two functions of a file that are matched are the functions that stand
// between them in pre, and padding. That decides where the small ones are, and
// which of many copies of a static function is this file's.
//
// The order holds for each output section on its own: cold parts of all files
// are gathered in one place, and so is code that only starting needs.

// chains are the functions of pre by chain, in file order.
type chains struct {
	chains [][]int32
	link   []chainPos // by function: its place in the chains
}

// makeChains returns the functions of pre by chain, in file order.
func (m *solver) makeChains() [][]int32 {
	if m.chains.chains == nil {
		index := make(map[string]int)
		bySection := make(map[int]int)
		m.chains.chains = [][]int32{}
		m.link = make([]chainPos, len(m.funcs))
		for i := range m.funcs {
			s := int(m.funcs[i].atom.Section)
			k, ok := bySection[s]
			if !ok {
				name := prove.ChainOf(m.c.Pre.File.Sections[s].Name)
				if k, ok = index[name]; !ok {
					k = len(m.chains.chains)
					index[name] = k
					m.chains.chains = append(m.chains.chains, nil)
				}
				bySection[s] = k
			}
			m.link[i] = chainPos{int32(k), int32(len(m.chains.chains[k]))}
			m.chains.chains[k] = append(m.chains.chains[k], int32(i))
		}
	}
	return m.chains.chains
}

// byOrder places functions behind and in front of those of the same chain that
// are matched.
func (m *solver) byOrder() bool {
	if !m.c.Image.IsKernel() {
		return false // linkers may drop or sort sections
	}
	changed := false
	for _, chain := range m.makeChains() {
		if m.openIn(chain) == 0 {
			continue
		}
		anchors := m.anchors(chain)
		for k, at := range anchors {
			last, limit := len(chain), ^uint64(0)
			if k+1 < len(anchors) {
				last = anchors[k+1]
				limit = m.funcs[chain[last]].done.Addr
			}
			if k == 0 {
				m.backward(chain, at, 0, 0, &changed)
			}
			reached := m.forward(chain, at, last, limit, &changed)
			if k+1 < len(anchors) && reached < last {
				m.backward(chain, last, reached, m.end(chain[at]), &changed)
			}
		}
	}
	return changed
}

func (m *solver) openIn(chain []int32) int {
	n := 0
	for _, i := range chain {
		if m.funcs[i].open {
			n++
		}
	}
	return n
}

// end returns the run address behind a matched function.
func (m *solver) end(i int32) uint64 { return m.funcs[i].done.Addr + m.funcs[i].done.Size }

// forward places the functions behind the one at place at of a chain, up to
// place last, which begins at limit. It returns the first that it could not
// place.
func (m *solver) forward(chain []int32, at, last int, limit uint64, changed *bool) int {
	before := m.funcs[chain[at]].atom
	cursor := m.end(chain[at])
	for k := at + 1; k < last; k++ {
		f := &m.funcs[chain[k]]
		if !f.open && !f.weak {
			return k
		}
		start := m.behind(before.Section == f.atom.Section, before.End(), f, cursor)
		t, ok := m.fitsAt(m.tried, f, start, cursor, limit)
		if !ok {
			return k
		}
		if !m.isReplaced(f, start) {
			*changed = m.restrictTo(chain[k], start) || *changed
		}
		before, cursor = f.atom, start+t.Size
	}
	return last
}

// behind returns where a function starts behind another one that ends at cursor:
// in one section at the same distance as in pre, else where its section may
// start.
func (m *solver) behind(same bool, preEnd uint64, f *fn, cursor uint64) uint64 {
	if same && f.atom.Offset >= preEnd {
		align := m.alignOf(f)
		if d := f.atom.Offset - preEnd; d >= align {
			return cursor + d
		}
		return (cursor + align - 1) &^ (align - 1)
	}
	align := m.alignOf(f)
	return (cursor+align-1)&^(align-1) + f.atom.Offset
}

// alignOf returns the alignment of a function's section.
func (m *solver) alignOf(f *fn) uint64 {
	align := m.c.Pre.File.Sections[f.atom.Section].Addralign
	if align == 0 || align&(align-1) != 0 || align > 4096 {
		return 1
	}
	return align
}

// fitsAt reports whether a function matches at an address, with nothing but
// padding between it and cursor, and in front of limit.
func (m *solver) fitsAt(in *attempts, f *fn, start, cursor, limit uint64) (*attempt, bool) {
	if start >= limit || start-cursor > 4096 || !m.inHome(start) || !m.c.IsFilled(cursor, start) || !m.mayStandAt(f, start) {
		return nil, false
	}
	t := in.check(f.atom.ID, start)
	if t.err != nil || m.contradiction(in, f, t) != nil || start+t.Size > limit {
		return nil, false
	}
	return t, true
}

// backward places functions in front of the one at place at of a chain, down to
// place first, none of which starts before floor.
func (m *solver) backward(chain []int32, at, first int, floor uint64, changed *bool) {
	next := m.funcs[chain[at]].atom
	limit := m.funcs[chain[at]].done.Addr
	for k := at - 1; k >= first; k-- {
		f := &m.funcs[chain[k]]
		if !f.open && !f.weak {
			return
		}
		start, ok := m.inFront(f, next.Section == f.atom.Section, next.Offset, limit, floor)
		if !ok {
			return
		}
		if !m.isReplaced(f, start) {
			*changed = m.restrictTo(chain[k], start) || *changed
		}
		next, limit = f.atom, start
	}
}

// inFront returns where a function starts in front of another one. Jumps that
// became shorter make it start further behind than its length says.
func (m *solver) inFront(f *fn, same bool, offset, limit, floor uint64) (uint64, bool) {
	const tries = 4
	align := m.alignOf(f)
	from := limit - f.atom.Size
	if same {
		from = limit - (offset - f.atom.Offset)
		align = 1
		if offset < f.atom.Offset {
			return 0, false
		}
	} else {
		from -= min(offset, limit)
	}
	start := (from-f.atom.Offset)&^(align-1) + f.atom.Offset
	for range tries {
		if start < floor || start >= limit {
			return 0, false
		}
		if t := m.check(f.atom.ID, start); t.err == nil && m.mayStandAt(f, start) && start+t.Size <= limit && m.inHome(start) && m.c.IsFilled(start+t.Size, limit) && m.contradiction(m.tried, f, t) == nil {
			return start, true
		}
		start += max(align, 16)
	}
	return 0, false
}

// restrictTo makes an address the only candidate of a function. It reports whether
// that is new.
func (m *solver) restrictTo(i int32, addr uint64) bool {
	f := &m.funcs[i]
	if m.chosen(i) {
		return false
	}
	f.cands, f.more, f.small = []cand{{addr: addr, by: ByLayout}}, false, false
	m.queue(i)
	return true
}

// mayStandAt reports whether run's symbols allow that a function is at an
// address: they know a weak one where its replacement is.
func (m *solver) mayStandAt(f *fn, addr uint64) bool {
	return f.weak || m.c.MayBe(f.atom.ID, addr)
}

// isReplaced reports whether a weak function, whose code stands at an address, is
// not what its name means there: another definition has replaced it, and what it
// was compiled to is still there, but nothing uses it.
func (m *solver) isReplaced(f *fn, addr uint64) bool {
	other, ok := m.replacement(f)
	return ok && other != addr
}

// replacement returns where run has the definition of a weak function: what its
// symbols say, or the references to it.
func (m *solver) replacement(f *fn) (uint64, bool) {
	if !f.weak {
		return 0, false
	}
	for _, p := range m.c.AtomPlaces(f.atom.ID) {
		return p.Addr, !m.isWeakAt(f.atom.Name, p.Addr)
	}
	for _, i := range f.atom.Symbols {
		if s := m.c.Sym(i); s.Value == f.atom.Offset && s.IsWeak() {
			if v := m.known(prove.Key{Space: prove.InAddress, ID: int32(i)}); v != nil {
				return v.value, true
			}
		}
	}
	return 0, false
}

// isWeakAt reports whether run has a weak symbol of a name at an address: what a
// weak definition was linked to, and not what replaced it.
func (m *solver) isWeakAt(name string, addr uint64) bool {
	if m.c.NoSymbols {
		return false
	}
	for _, s := range m.c.Image.SymbolsAt(addr) {
		if s.Name == name && s.Weak {
			return true
		}
	}
	return false
}
