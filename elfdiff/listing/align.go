package listing

import (
	"cmp"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/align"
)

// align pairs the rows of both sides.
func (l *lister) align() {
	l.match = slices.Repeat([]int{-1}, len(l.side[0]))
	l.other = slices.Repeat([]int{-1}, len(l.side[1]))
	ids := map[string]int32{}
	keys := func(r *row) string { return r.key }
	pre, post := number(ids, l.side[0], keys), number(ids, l.side[1], keys)
	align.Sequences(pre, post, func(i, j int) { l.match[i], l.other[j] = j, i })
}

// incidental notes where a difference that does not matter starts.
func (l *lister) incidental(r *verdict.Reason) {
	for s, off := range [2]uint64{r.PreOffset, r.PostOffset} {
		rows := l.side[s]
		i, ok := slices.BinarySearchFunc(rows, off, func(r row, off uint64) int { return cmp.Compare(r.off, off) })
		if ok {
			rows[i].quiet = r.Code
		}
	}
}

// lines puts the rows side by side.
func (l *lister) lines() []Line {
	var out []Line
	for i, j := 0, 0; i < len(l.side[0]) || j < len(l.side[1]); {
		n, m := unpaired(l.match[i:]), unpaired(l.other[j:])
		out = l.gap(out, l.side[0][i:i+n], l.side[1][j:j+m])
		if i, j = i+n, j+m; i < len(l.side[0]) {
			a, b := &l.side[0][i], &l.side[1][j]
			out = append(out, line(l.verdict(a, b), a, b))
			i, j = i+1, j+1
		}
	}
	return out
}

// unpaired returns how many rows are left over before the next pair.
func unpaired(match []int) int {
	n := 0
	for n < len(match) && match[n] < 0 {
		n++
	}
	return n
}

// gap puts rows side by side that have no equals: those that do the same with
// other operands, and what is between these in order.
func (l *lister) gap(out []Line, pre, post []row) []Line {
	i, j := 0, 0
	upTo := func(p, q int) {
		for i < p || j < q {
			switch {
			case i < p && j < q:
				out = append(out, line(Changed, &pre[i], &post[j]))
				i, j = i+1, j+1
			case i < p:
				out = append(out, line(Pre, &pre[i], nil))
				i++
			default:
				out = append(out, line(Post, nil, &post[j]))
				j++
			}
		}
	}
	ids := map[string]int32{}
	kinds := func(r *row) string { return r.kind }
	align.Sequences(number(ids, pre, kinds), number(ids, post, kinds), func(p, q int) {
		upTo(p, q)
		upTo(p+1, q+1)
	})
	upTo(len(pre), len(post))
	return out
}

// number gives rows with equal keys equal numbers.
func number(ids map[string]int32, rows []row, key func(*row) string) []int32 {
	seq := make([]int32, len(rows))
	for i := range rows {
		k := key(&rows[i])
		id, ok := ids[k]
		if !ok {
			id = int32(len(ids))
			ids[k] = id
		}
		seq[i] = id
	}
	return seq
}

func (r *row) lineSide() Side {
	return Side{Size: r.size, Refs: r.refs[:min(len(r.refs), insn.MaxRefsShown)], Branch: r.target, Member: r.member}
}

func line(m Mark, a, b *row) Line {
	n := Line{Mark: m, PreSide: Side{Branch: -1}, PostSide: Side{Branch: -1}}
	quiet := true
	if a != nil {
		n.Pre, n.PreOffset, n.PreSide = a.text, a.off, a.lineSide()
		quiet, n.Why = a.quiet != "", a.quiet
	}
	if b != nil {
		n.Post, n.PostOffset, n.PostSide = b.text, b.off, b.lineSide()
		quiet, n.Why = quiet && b.quiet != "", b.quiet
	}
	if quiet && m != Same {
		n.Mark = Incidental
	} else {
		n.Why = ""
	}
	return n
}

// verdict looks closer at two rows with the same key.
func (l *lister) verdict(a, b *row) Mark {
	for i := range a.refs {
		if i >= len(b.refs) || !l.same(&a.refs[i], &b.refs[i]) {
			return Changed
		}
	}
	if a.target < 0 && b.target < 0 {
		return Same
	}
	i, ok1 := rowAt(l.side[0], a.target)
	j, ok2 := rowAt(l.side[1], b.target)
	if ok1 && ok2 && (l.match[i] == j || i > 0 && j > 0 && l.match[i-1] == j-1) {
		return Same // also where what differs begins at the same place
	}
	return Changed
}

func rowAt(rows []row, off int64) (int, bool) {
	return slices.BinarySearchFunc(rows, off, func(r row, off int64) int {
		switch {
		case int64(r.off) < off:
			return -1
		case int64(r.off) > off:
			return 1
		}
		return 0
	})
}
