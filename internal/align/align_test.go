package align

import (
	"math/rand/v2"
	"testing"
)

func TestSequences(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b string
		want int // elements that pair
	}{
		{"empty", "", "", 0},
		{"one side", "", "abc", 0},
		{"equal", "abc", "abc", 3},
		{"nothing in common", "abc", "xyz", 0},
		{"inserted", "abcd", "abxcd", 4},
		{"removed at both ends", "xabcy", "abc", 3},
		{"the example of Myers", "abcabba", "cbabac", 4},
		{"swapped", "ab", "ba", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			if n := check(t, ids(c.a), ids(c.b)); n != c.want {
				t.Errorf("%d elements paired, want %d", n, c.want)
			}
		})
	}
}

// TestSequencesBounded looks at sequences with more differences than are
// searched for in one go.
func TestSequencesBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	a, b := make([]int32, 4000), make([]int32, 3000)
	for i := range a {
		a[i] = r.Int32N(4)
	}
	for i := range b {
		b[i] = r.Int32N(4)
	}
	if n := check(t, a, b); n < len(b)/2 {
		t.Errorf("only %d of %d elements paired", n, len(b))
	}
}

func ids(s string) []int32 {
	var out []int32
	for _, c := range s {
		out = append(out, c)
	}
	return out
}

// check demands that pairs are equal and in order, and returns their number.
func check(t *testing.T, a, b []int32) int {
	t.Helper()
	n, i, j := 0, -1, -1
	Sequences(a, b, func(p, q int) {
		if p <= i || q <= j || a[p] != b[q] {
			t.Fatalf("%d and %d paired behind %d and %d", p, q, i, j)
		}
		n, i, j = n+1, p, q
	})
	return n
}
