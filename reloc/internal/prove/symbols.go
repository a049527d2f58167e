package prove

import (
	"debug/elf"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// IsWeakAtom reports whether another definition may have replaced an atom: it
// has a weak name, and no other that the linker knew, or that run knows.
func (m *names) IsWeakAtom(a *object.Atom) bool {
	weak := false
	for _, i := range a.Symbols {
		switch s := m.Sym(i); {
		case s.Value != a.Offset:
		case s.IsWeak():
			weak = true
		case s.Bind() != elf.STB_LOCAL, s.Type() == elf.STT_FUNC && len(m.Places(s)) > 0:
			return false
		}
	}
	return weak
}

var noSymbol elfobj.Symbol

// Sym returns a symbol of pre; implicit references have none.
func (m *names) Sym(i elfobj.SymbolIndex) *elfobj.Symbol {
	if int(i) >= len(m.Pre.Symbols()) {
		return &noSymbol
	}
	return m.Pre.Symbol(i)
}

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
