package affected

import (
	"cmp"
	"slices"
)

// spans is a set of stretches of code. It is filled first, then sorted, then asked.
type spans struct{ list [][2]uint64 } // half-open

func (s *spans) add(addr, size uint64) { s.list = append(s.list, [2]uint64{addr, addr + max(size, 1)}) }

// sort joins what overlaps.
func (s *spans) sort() {
	slices.SortFunc(s.list, func(a, b [2]uint64) int { return cmp.Compare(a[0], b[0]) })
	out := s.list[:0]
	for _, x := range s.list {
		if n := len(out); n > 0 && x[0] <= out[n-1][1] {
			out[n-1][1] = max(out[n-1][1], x[1])
			continue
		}
		out = append(out, x)
	}
	s.list = out
}

// meets reports whether a stretch has an address of the set.
func (s *spans) meets(addr, size uint64) bool {
	i, _ := slices.BinarySearchFunc(s.list, addr, func(x [2]uint64, a uint64) int {
		if x[1] <= a {
			return -1
		}
		return 1
	})
	return i < len(s.list) && s.list[i][0]-addr < max(size, 1) || i < len(s.list) && s.list[i][0] <= addr
}
