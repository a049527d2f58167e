// Package align puts two sequences side by side.
package align

// Sequences finds a longest common subsequence of a and b, and calls pair
// for each of its elements, in order. The algorithm is the greedy one of Myers
// ("An O(ND) Difference Algorithm and Its Variations", Algorithmica 1, 1986).
//
// Its cost is the number of differences squared. Where that would exceed a
// bound, the best path so far is taken and the search starts anew behind it:
// the result is then a common subsequence, but perhaps not a longest one.
func Sequences(a, b []int32, pair func(i, j int)) {
	i, j := 0, 0
	for i < len(a) && j < len(b) && a[i] == b[j] {
		pair(i, j)
		i, j = i+1, j+1
	}
	n, m := len(a), len(b)
	for n > i && m > j && a[n-1] == b[m-1] {
		n, m = n-1, m-1
	}
	tail := len(a) - n
	for i < n && j < m {
		di, dj := greedy(a[i:n], b[j:m], func(p, q int) { pair(i+p, j+q) })
		i, j = i+di, j+dj
	}
	for k := range tail {
		pair(n+k, m+k)
	}
}

// maxEdits bounds the edits that greedy looks for in one go.
const maxEdits = 1024

// greedy walks the edit graph of a and b, and returns how far it came. It
// always comes further than nothing.
func greedy(a, b []int32, pair func(i, j int)) (x, y int) {
	n, m := len(a), len(b)
	limit := min(n+m, maxEdits)
	v := make([]int32, 2*limit+2) // the furthest x on diagonal k = x-y, at k+limit
	var trace [][]int32           // v[-d..d] before step d
	bestK, bestD, best := 0, 0, -1
	for d := 0; d <= limit; d++ {
		trace = append(trace, append([]int32(nil), v[limit-d:limit+d+1]...))
		for k := -d; k <= d; k += 2 {
			x := int32(0)
			switch {
			case d == 0:
			case k == -d || k != d && v[limit+k-1] < v[limit+k+1]:
				x = v[limit+k+1]
			default:
				x = v[limit+k-1] + 1
			}
			for int(x) < n && int(x)-k < m && int(x)-k >= 0 && a[x] == b[int(x)-k] {
				x++
			}
			v[limit+k] = x
			y := int(x) - k
			if int(x) > n || y > m {
				continue
			}
			if s := int(x) + y; s > best {
				best, bestK, bestD = s, k, d
			}
			if int(x) == n && y == m {
				backtrack(trace, d, k, n, pair)
				return n, m
			}
		}
	}
	x = (best + bestK) / 2
	backtrack(trace, bestD, bestK, x, pair)
	return x, x - bestK
}

// backtrack reports the diagonal steps of the path that reached x on diagonal
// k with d edits.
func backtrack(trace [][]int32, d, k, x int, pair func(i, j int)) {
	type run struct{ x, y, n int }
	var runs []run
	for ; d >= 0; d-- {
		v, start := trace[d], 0
		switch { // trace[d] holds diagonals -d..d of step d-1
		case d == 0:
		case k == -d || k != d && v[k-1+d] < v[k+1+d]:
			start = int(v[k+1+d])
			runs = append(runs, run{start, start - k, x - start})
			x, k = start, k+1
			continue
		default:
			start = int(v[k-1+d]) + 1
			runs = append(runs, run{start, start - k, x - start})
			x, k = start-1, k-1
			continue
		}
		runs = append(runs, run{0, 0, x})
	}
	for i := len(runs) - 1; i >= 0; i-- {
		for s := range runs[i].n {
			pair(runs[i].x+s, runs[i].y+s)
		}
	}
}
