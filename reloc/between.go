package reloc

// chainPos is the place of a function in the chains.
type chainPos struct{ chain, pos int32 }

// neighbours bounds how far away in a chain matched functions are looked for.
const neighbours = 64

// outOfOrder reports whether a place of a function is in front of a matched one
// that stands in front of it in pre, or behind one that stands behind it: a copy
// to the byte, that belongs to another file.
func (m *solver) outOfOrder(i int32, addr uint64) bool {
	if !m.c.Image.IsKernel() {
		return false
	}
	lo, hi, ok := m.between(i)
	return ok && (addr < lo || addr >= hi || !m.touches(i, addr))
}

// touches reports whether nothing but padding is between a place of a function and
// the functions next to it in pre, those that are matched.
func (m *solver) touches(i int32, addr uint64) bool {
	chain := m.makeChains()[m.link[i].chain]
	pos := int(m.link[i].pos)
	end := addr + m.check(m.funcs[i].atom.ID, addr).Size
	if pos > 0 && m.isAnchor(chain[pos-1]) && m.follows(chain[pos-1], i) && !m.c.IsFilled(m.end(chain[pos-1]), addr) {
		return false
	}
	if pos+1 < len(chain) && m.isAnchor(chain[pos+1]) && m.follows(i, chain[pos+1]) && !m.c.IsFilled(end, m.funcs[chain[pos+1]].done.Addr) {
		return false
	}
	return true
}

// follows reports whether a function stands right behind another one in pre.
func (m *solver) follows(before, i int32) bool {
	a, b := m.funcs[before].atom, m.funcs[i].atom
	if a.Section == b.Section {
		return b.Offset >= a.End() && b.Offset-a.End() < m.alignOf(&m.funcs[i])
	}
	return b.Offset == 0 && a.End() == m.c.Pre.File.Sections[a.Section].Size
}

// between returns where a function may start, as far as those tell that are
// matched: behind the next one in front of it, and in front of the next one behind
// it, and no further from these than what stands between them in pre may take up.
// Where these contradict each other they tell nothing.
func (m *solver) between(i int32) (lo, hi uint64, ok bool) {
	chains := m.makeChains()
	at := m.link[i]
	chain := chains[at.chain]
	hi = ^uint64(0)
	taken := uint64(0) // by what is between
	for k := at.pos - 1; k >= max(0, at.pos-neighbours); k-- {
		if m.isAnchor(chain[k]) {
			lo = m.end(chain[k])
			hi = lo + taken + m.room(0, chain[k]) + 1
			break
		}
		taken += m.room(m.funcs[chain[k]].atom.Size, chain[k])
	}
	taken = m.room(m.funcs[i].atom.Size, i)
	for k := at.pos + 1; k < min(int32(len(chain)), at.pos+neighbours); k++ {
		if m.isAnchor(chain[k]) {
			end := m.funcs[chain[k]].done.Addr
			lo, hi = max(lo, end-min(taken, end)), min(hi, end)
			break
		}
		taken += m.room(m.funcs[chain[k]].atom.Size, chain[k])
	}
	return lo, hi, lo <= hi
}
