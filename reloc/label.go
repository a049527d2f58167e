package reloc

import (
	"fmt"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// label names an atom in messages.
func (m *names) label(id object.AtomID) string {
	a := m.pre.Atom(id)
	if a.Name != "" {
		return a.Name
	}
	return fmt.Sprintf("%v %s+%#x", a.Kind, m.pre.File.Sections[a.Section].Name, a.Offset)
}

// keyName names an unknown in messages.
func (m *names) keyName(k key) string {
	switch k.space {
	case inAtom, inTPAtom, inTLSAtom, inRuntime:
		name := m.label(object.AtomID(k.id))
		if k.off != 0 {
			name += fmt.Sprintf("+%#x", k.off)
		}
		return name
	case inPLT:
		return "the PLT entry of " + m.pre.Symbols()[k.id].Name
	case inGOT, inTLSSlot:
		return "the GOT slot of " + m.pre.Symbols()[k.id].Name
	}
	return m.pre.Symbols()[k.id].Name
}
