package dtypes

import (
	"bytes"

	"github.com/gosplice/gosplice/internal/dwarf"
)

// nameMatcher compares names of pre and post. Both sides have nearly the same
// strings in the same order, so that they are equal in long runs: what is known
// of a run need not be compared again.
type nameMatcher struct {
	Text [2][]byte // .debug_str
	runs []textRun
}

// textRun says that the strings that begin in [lo, hi) of pre are those of post,
// delta further on.
type textRun struct {
	lo, hi uint64
	delta  uint64 // modulo 2^64
}

// maxRuns bounds the runs that are looked through. When there are more, pre and
// post are not alike, and names are compared one by one.
const maxRuns = 64

// same reports whether two entries have the same name, or both have none.
func (m *nameMatcher) same(x, y *dwarf.Entry) bool {
	a, ok1 := x.StringOffset(dwarf.AttrName)
	b, ok2 := y.StringOffset(dwarf.AttrName)
	if !ok1 || !ok2 || a >= uint64(len(m.Text[0])) || b >= uint64(len(m.Text[1])) {
		return bytes.Equal(x.Text(dwarf.AttrName), y.Text(dwarf.AttrName))
	}
	delta := b - a
	for i := range m.runs {
		if r := &m.runs[i]; r.delta == delta && a >= r.lo && a < r.hi {
			if i > 0 {
				m.runs[i], m.runs[i/2] = m.runs[i/2], m.runs[i]
			}
			return true
		}
	}
	if len(m.runs) < maxRuns {
		return m.extend(a, b)
	}
	p, q := m.Text[0][a:], m.Text[1][b:]
	n := bytes.IndexByte(p, 0) + 1
	return n > 0 && n <= len(q) && bytes.Equal(p[:n], q[:n])
}

// extend finds the run that two strings are in. It returns false when they
// differ.
func (m *nameMatcher) extend(a, b uint64) bool {
	p, q := m.Text[0][a:], m.Text[1][b:]
	n := prefixLen(p, q)
	n = bytes.LastIndexByte(p[:n], 0) + 1 // strings with their ends
	if n == 0 {
		return false
	}
	lo := a
	for lo > 0 && lo+b-a > 0 && m.Text[0][lo-1] == m.Text[1][lo-1+b-a] {
		lo--
	}
	m.runs = append(m.runs, textRun{lo, a + uint64(n), b - a})
	return true
}

// prefixLen returns the length of the common prefix.
func prefixLen(p, q []byte) int {
	n := min(len(p), len(q))
	const step = 256
	i := 0
	for i+step <= n && bytes.Equal(p[i:i+step], q[i:i+step]) {
		i += step
	}
	for i < n && p[i] == q[i] {
		i++
	}
	return i
}
