package listing

import "github.com/gosplice/gosplice/elfdiff/types"

// TypeRow is one row of pre and post side by side: a member, a constant or a
// parameter. A side that has nothing is nil.
type TypeRow struct {
	Mark Mark
	What types.What    // "" for what is the same
	Pre  *types.Member // of TypeChange.Pre
	Post *types.Member
}

// RowsOf puts both layouts side by side, in the order of post; what only pre has
// stands where it was.
func RowsOf(t *types.Change) []TypeRow {
	if t == nil {
		return nil
	}
	byPost := map[*types.Member]*types.MemberChange{}
	removed := map[*types.Member]bool{}
	for i := range t.Members {
		m := &t.Members[i]
		if m.Post != nil {
			byPost[m.Post] = m
		} else {
			removed[m.Pre] = true
		}
	}
	twins := sameMembers(t)
	var rows []TypeRow
	next := 0 // of pre, where removed members are looked for
	flush := func(to int) {
		for ; next < to; next++ {
			if m := &t.Pre.Members[next]; removed[m] {
				rows = append(rows, TypeRow{Pre, types.MemberRemoved, m, nil})
			}
		}
	}
	for j := range t.Post.Members {
		m := &t.Post.Members[j]
		switch ch := byPost[m]; {
		case ch == nil:
			i := twins[m]
			flush(i)
			rows = append(rows, TypeRow{Same, "", &t.Pre.Members[i], m})
		case ch.Pre == nil:
			rows = append(rows, TypeRow{Post, ch.What, nil, m})
		default:
			rows = append(rows, TypeRow{Changed, ch.What, ch.Pre, m})
		}
	}
	flush(len(t.Pre.Members))
	return rows
}

// sameMembers finds for each member of post that did not change the one of pre:
// what is left on both sides corresponds in order of its place and name.
func sameMembers(t *types.Change) map[*types.Member]int {
	type key struct {
		name  string
		off   uint64
		bit   uint8
		value int64
		n     int // of those that are alike
	}
	count := map[key]int{}
	keyOf := func(m *types.Member) key {
		k := key{m.Name, m.Offset, m.Bit, m.Value, 0}
		count[k]++
		k.n = count[k]
		return k
	}
	pre := map[key]int{}
	for i := range t.Pre.Members {
		pre[keyOf(&t.Pre.Members[i])] = i
	}
	clear(count)
	twins := map[*types.Member]int{}
	for j := range t.Post.Members {
		m := &t.Post.Members[j]
		if i, ok := pre[keyOf(m)]; ok {
			twins[m] = i
		} else if t.Kind == types.SignatureChanged { // other names of parameters are no change
			twins[m] = min(j, len(t.Pre.Members)-1)
		}
	}
	return twins
}
