package prove

// minConsts is how many constants a trial has room for at first.
const minConsts = 4

// slab is memory that trials share: each appends to what is left, and leaves what
// it doesn't need.
type slab[T any] struct {
	left []T // of length 0
	want int // how many are expected that there is no memory for yet
	size int // how many the latest memory had room for
}

// maxSlab is how many are made room for at a time.
const maxSlab = 512

// take returns an empty list with room for n.
func (s *slab[T]) take(n int) []T {
	if cap(s.left) >= n {
		return s.left
	}
	if s.want > 0 {
		s.size = min(maxSlab, s.want)
	} else {
		s.size = min(maxSlab, 16+2*s.size)
	}
	s.size = max(n, s.size)
	s.want -= s.size
	return make([]T, 0, s.size)
}

// keep returns a list, to which nothing can be appended in place.
func (s *slab[T]) keep(list []T) []T {
	n := len(list)
	s.give(list[n:n])
	return list[:n:n]
}

// give takes back memory that nobody needs.
func (s *slab[T]) give(left []T) {
	s.left = left[:0]
}
