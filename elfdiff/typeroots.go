package elfdiff

import (
	"debug/elf"

	"github.com/gosplice/gosplice/internal/dwarf"
)

// variables finds the variables that atoms use, by debug information.
type variables struct {
	s *typeSide
	// byPlace and byName hold the entries of variables: of those in this object,
	// and of those that it declares.
	byPlace map[dwarf.Addr]uint64
	byName  map[string]uint64
}

// read indexes the outermost variables.
func (v *variables) read() {
	if v.byPlace != nil {
		return
	}
	v.byPlace, v.byName = map[dwarf.Addr]uint64{}, map[string]uint64{}
	var e dwarf.Entry
	for _, off := range v.s.x.Variables {
		if !v.s.d.Entry(&e, off) {
			continue
		}
		if at, ok := e.Place(); ok {
			v.byPlace[at] = off
		}
		if name := e.Name(); name != "" {
			v.byName[name] = off
		}
	}
}

// roots yields the names and types of the variables and parameters of a
// function, of its result, and of the variables that it refers to. For a
// variable it yields its own type.
func (v *variables) roots(a *Atom, yield func(name string, typ uint64)) {
	v.read()
	if a.Kind != Func {
		if off, ok := v.byPlace[addr(a, 0)]; ok {
			v.variable(off, yield)
		}
		return
	}
	v.locals(a, yield)
	seen := map[uint64]bool{}
	for i := range a.Refs {
		r := &a.Refs[i]
		off := uint64(0)
		if r.Target != NoAtom {
			off = v.byPlace[addr(&v.s.o.Atoms[r.Target], 0)]
		} else if sym := &v.s.o.symbols[r.Sym]; sym.Type() != elf.STT_FUNC {
			off = v.byName[sym.Name]
		}
		if off != 0 && !seen[off] {
			seen[off] = true
			v.variable(off, yield)
		}
	}
}

// variable yields one variable. What one entry lacks stands in the one that it
// refers to.
func (v *variables) variable(off uint64, yield func(name string, typ uint64)) {
	var e dwarf.Entry
	name, typ := "", uint64(0)
	for range 8 {
		if !v.s.d.Entry(&e, off) {
			break
		}
		if name == "" {
			name = e.Name()
		}
		if typ = typeOf(&e); typ != 0 {
			break
		}
		next, ok := e.Ref(dwarf.AttrOrigin)
		if !ok {
			next, ok = e.Ref(dwarf.AttrSpecification)
		}
		if !ok {
			break
		}
		off = next
	}
	if typ != 0 {
		yield(name, typ)
	}
}

// locals yields what is declared in a function and in what is inlined into it.
func (v *variables) locals(a *Atom, yield func(name string, typ uint64)) {
	f, ok := v.s.x.FunctionAt(addr(a, 0))
	if !ok {
		return
	}
	d := v.s.d
	var e dwarf.Entry
	if origin := d.Function(f).Entry; d.Entry(&e, origin) && typeOf(&e) != 0 {
		yield(resultName, typeOf(&e))
	}
	if !d.Entry(&e, f) {
		return
	}
	r := dwarf.ChildrenOf(&e)
	for depth := 1; depth > 0 && r.Next(&e); {
		switch e.Tag {
		case dwarf.TagNull:
			depth--
			continue
		case dwarf.TagVariable, dwarf.TagFormalParameter:
			if typ := typeOf(&e); typ != 0 {
				yield(e.Name(), typ)
			} else {
				v.variable(e.Offset, yield)
			}
		}
		switch {
		case !e.Children:
		case e.Tag == dwarf.TagLexicalBlock || e.Tag == dwarf.TagInlined:
			depth++
		default:
			r.Skip(&e)
		}
	}
}

// noTypes is the error for an object without types.
func noTypes(o *Object, err error) error { return &noTypesError{o.name, err} }

type noTypesError struct {
	name string
	err  error
}

func (e *noTypesError) Error() string {
	s := ErrNoTypes.Error() + ": " + e.err.Error()
	if e.name != "" {
		s = e.name + ": " + s
	}
	return s
}

func (e *noTypesError) Is(target error) bool { return target == ErrNoTypes }
func (e *noTypesError) Unwrap() error        { return e.err }
