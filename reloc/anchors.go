package reloc

import "slices"

// Anchors are matched functions that tell where others of their file are.

// isAnchor reports whether a function stands where its file was linked: it is
// matched, and no weak one that another definition may have replaced, which can be
// anywhere.
func (m *solver) isAnchor(i int32) bool {
	f := &m.funcs[i]
	return f.done != nil && (!f.weak || f.by == ByLayout || m.isWeakAt(f.atom.Name, f.done.Addr))
}

// room returns the most bytes that code of a size takes up in run, with the padding
// next to it: jumps may be wider.
func (m *solver) room(size uint64, i int32) uint64 {
	return 2*size + 64 + m.alignOf(&m.funcs[i])
}

// anchors returns the places in a chain of the matched functions that are in
// order: the longest such series. One that is out of order is a weak function
// whose replacement looks the same; where there are only weak ones it takes a few
// that are as close to each other as in pre.
func (m *solver) anchors(chain []int32) []int {
	var places []int
	var addrs []uint64
	sure := false
	for k, i := range chain {
		if m.funcs[i].done != nil {
			places, addrs = append(places, k), append(addrs, m.funcs[i].done.Addr)
			sure = sure || m.isAnchor(i)
		}
	}
	out := rising(addrs)
	for k := range out {
		out[k] = places[out[k]]
	}
	if !sure {
		out = m.closest(chain, out)
	}
	return out
}

// minWeak is how many weak functions in a row tell where a file is.
const minWeak = 3

// closest returns the longest run of matched functions of a chain that are no
// further from each other than what is between them in pre may take up; nil when
// there is only a short one, and two don't stand in one row with others.
func (m *solver) closest(chain []int32, places []int) []int {
	var best []int
	for from, n := 0, 1; n <= len(places); n++ {
		if n < len(places) && m.isClose(chain, places[n-1], places[n]) {
			continue
		}
		if n-from > len(best) {
			best = places[from:n]
		}
		from = n
	}
	if len(best) >= minWeak || len(best) == 2 && m.isSequence(chain[best[0]:best[1]+1]) {
		return best
	}
	return nil
}

// isSequence reports whether the functions of a piece of a chain, of which the first and
// the last one are matched, and others are between them, stand in a row.
func (m *solver) isSequence(piece []int32) bool {
	last := m.funcs[piece[len(piece)-1]].done
	row := m.fit(m.tried, piece, m.funcs[piece[0]].done.Addr, last.Addr+last.Size)
	return len(piece) > 2 && row != nil && row[len(row)-1].Addr == last.Addr
}

// isClose reports whether the matched functions at two places of a chain are no
// further from each other than what is between them in pre may take up.
func (m *solver) isClose(chain []int32, before, behind int) bool {
	room := uint64(0)
	for k := before; k < behind; k++ {
		room += m.room(m.funcs[chain[k]].atom.Size, chain[k])
	}
	return m.funcs[chain[behind]].done.Addr-m.funcs[chain[before]].done.Addr <= room
}

// rising returns the indices of the longest series of values that rise.
func rising(values []uint64) []int {
	var tails []int // by length of a series less one: the index of its last
	prev := make([]int, len(values))
	for k, v := range values {
		n, _ := slices.BinarySearchFunc(tails, v, func(t int, v uint64) int {
			if values[t] < v {
				return -1
			}
			return 1
		})
		prev[k] = -1
		if n > 0 {
			prev[k] = tails[n-1]
		}
		if n == len(tails) {
			tails = append(tails, k)
		} else {
			tails[n] = k
		}
	}
	if len(tails) == 0 {
		return nil
	}
	out := make([]int, len(tails))
	for k, n := tails[len(tails)-1], len(tails)-1; n >= 0; k, n = prev[k], n-1 {
		out[n] = k
	}
	return out
}
