package reloc

import "github.com/gosplice/gosplice/elfdiff/object"

// pointers solves the references in data at an address, those that can be.
func (m *comparer) pointers(a *object.Atom, addr uint64) *trial {
	t := &trial{node: node{a.ID, addr}}
	run, err := m.view.Bytes(addr, a.Size)
	if err != nil || m.wellFormed(t, a) != nil {
		return t
	}
	for i := range a.Refs {
		off := a.Refs[i].Offset
		_ = m.solve(t, a, i, run[off:], addr+off) // what is implausible is changed data
	}
	return t
}
