package prove

import (
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/object"
)

// Label names an atom in messages.
func (m *names) Label(id object.AtomID) string {
	a := m.Pre.Atom(id)
	if a.Name != "" {
		return a.Name
	}
	return fmt.Sprintf("%v %s+%#x", a.Kind, m.Pre.File.Sections[a.Section].Name, a.Offset)
}

// KeyName names an unknown in messages.
func (m *names) KeyName(k Key) string {
	switch k.Space {
	case InAtom, InTPAtom, InTLSAtom, inRuntime:
		name := m.Label(object.AtomID(k.ID))
		if k.Off != 0 {
			name += fmt.Sprintf("+%#x", k.Off)
		}
		return name
	case InPLT:
		return "the PLT entry of " + m.Pre.Symbols()[k.ID].Name
	case InGOT, InTLSSlot:
		return "the GOT slot of " + m.Pre.Symbols()[k.ID].Name
	}
	return m.Pre.Symbols()[k.ID].Name
}
