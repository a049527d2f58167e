package prove

import "github.com/gosplice/gosplice/elfdiff/object"

// Pointers solves the references in data at an address, those that can be.
func (m *Comparer) Pointers(a *object.Atom, addr uint64) *Trial {
	t := &Trial{Node: Node{a.ID, addr}}
	run, err := m.View.Bytes(addr, a.Size)
	if err != nil || m.wellFormed(t, a) != nil {
		return t
	}
	for i := range a.Refs {
		off := a.Refs[i].Offset
		_ = m.solve(t, a, i, run[off:], addr+off) // what is implausible is changed data
	}
	return t
}
