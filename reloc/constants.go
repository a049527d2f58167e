package reloc

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// constants finds constants of a program that no code leads to for certain: those that another one leads to, of which
// others may have the name too, as tables of virtual functions and what describes types; and those that a symbol names. Their
// content has to be that of pre, with all that they refer to where it is known to be.
func (m *solver) constants() error {
	if m.c.Image.IsKernel() || m.home == image.NoModule {
		return nil
	}
	met := map[prove.Node]bool{}
	for more := true; more; {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		more = false
		for i := range m.c.Pre.Atoms {
			a := &m.c.Pre.Atoms[i]
			if a.Kind != object.Const || a.NoBits || a.Jumps || a.Anonymous() {
				continue
			}
			if addr, ok := m.constantAt(a); ok && !met[prove.Node{Atom: a.ID, Addr: addr}] {
				met[prove.Node{Atom: a.ID, Addr: addr}] = true
				more = m.constant(a, addr) || more
			}
		}
	}
	return nil
}

// constantAt returns where a constant may be: where what is known has it, or else the one symbol of its name.
func (m *solver) constantAt(a *object.Atom) (uint64, bool) {
	if v := m.atomAt[a.ID]; v != nil {
		return v.value, v.soft
	}
	for _, i := range a.Symbols {
		s := m.c.Sym(i)
		if s.Value != a.Offset || s.Bind() == elf.STB_LOCAL {
			continue
		}
		if list := m.c.SymbolPlaces(i); len(list) == 1 && list[0].Module == m.home {
			return list[0].Addr, true
		}
	}
	return 0, false
}

// constant takes a constant for found, and what it leads to, where nothing speaks against it.
func (m *solver) constant(a *object.Atom, addr uint64) bool {
	t := m.check(a.ID, addr)
	if t.err != nil || t.committed {
		return false
	}
	binds := m.tried.closure(t)
	for i := range binds {
		if m.against(t, &binds[i]) != nil {
			return false
		}
	}
	t.committed = true
	m.learn(prove.Binding{Key: prove.Key{Space: prove.InAtom, ID: int32(a.ID)}, Value: addr, Soft: true}, a.ID)
	for _, b := range binds {
		if b.Key.Space == prove.InAtom && b.Key.Off == 0 {
			b.Soft = true
			m.learn(b, a.ID)
		}
	}
	return true
}
