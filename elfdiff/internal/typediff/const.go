package typediff

import (
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// constants compares the constants of enumerations without any name, and
// variables of which debug information has the value, since they take no
// memory.
func constants(c *dtypes.Comparer) []Found {
	enums := !sameEnums(c)
	pre, post := numbers(c.Side[0], enums), numbers(c.Side[1], enums)
	names := map[string]int64{}
	for _, m := range post {
		names[m.Name] = m.Value
	}
	var list []Found
	for _, m := range pre {
		v, ok := names[m.Name]
		if !ok || v == m.Value {
			continue
		}
		delete(names, m.Name)
		n := m
		n.Value = v
		t := Found{}
		t.Kind, t.Name = types.ConstantChanged, m.Name
		t.Pre.Members, t.Post.Members = []types.Member{m}, []types.Member{n}
		t.Members = []types.MemberChange{{What: types.MemberMoved, Pre: &t.Pre.Members[0], Post: &t.Post.Members[0]}}
		list = append(list, t)
	}
	return list
}

// sameEnums reports whether the enumerations without a name are the same, in the
// same order, as they are most often.
func sameEnums(c *dtypes.Comparer) bool {
	a, b := c.Side[0].Index.Enums, c.Side[1].Index.Enums
	if len(a) != len(b) {
		return false
	}
	var p, q dwarf.Entry
	for i := range a {
		if !c.Side[0].Data.Entry(&p, a[i]) || !c.Side[1].Data.Entry(&q, b[i]) || !c.SameBody(&p, &q, 0) {
			return false
		}
	}
	return true
}

// numbers lists the constants that stand for themselves, with those of
// enumerations on demand. Names that two have are left out.
func numbers(s *dtypes.Side, enums bool) []types.Member {
	var list []types.Member
	var e dwarf.Entry
	for _, off := range s.Index.Enums {
		if !enums || !s.Data.Entry(&e, off) {
			continue
		}
		for _, m := range s.Enumerators(&e) {
			list = append(list, m.Member)
		}
	}
	for _, off := range s.Index.Variables {
		if !s.Data.Entry(&e, off) {
			continue
		}
		if v, ok := e.Int(dwarf.AttrConstValue); ok && e.Has(dwarf.AttrName) {
			list = append(list, types.Member{Name: e.Name(), Type: s.Text(dtypes.TypeOf(&e)), Value: v})
		}
	}
	if len(list) == 0 {
		return nil
	}
	seen := map[string]int{}
	for i := range list {
		seen[list[i].Name]++
	}
	return slices.DeleteFunc(list, func(m types.Member) bool { return seen[m.Name] > 1 })
}
