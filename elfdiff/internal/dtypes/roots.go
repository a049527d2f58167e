package dtypes

import (
	"debug/elf"
	"errors"
	"sync"

	"github.com/gosplice/gosplice/elfdiff/internal/debug"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// Variables finds the variables that atoms use, by debug information.
type Variables struct {
	s *Side
	// byPlace and byName hold the entries of the outermost variables: of those in
	// this object, and of those that it declares.
	byPlace map[dwarf.Addr]uint64
	byName  map[string]uint64
	// statics are the variables inside functions, read when they are asked for.
	once    sync.Once
	statics map[dwarf.Addr]uint64
	Owners  map[uint64]string // the functions that they are in, by their entries
}

// typeInfo is what an object's debug information says about types.
type typeInfo struct {
	s   *Side
	err error
}

// Of returns the types of the object.
func Of(o *object.Object) (*Side, error) {
	t := object.Memo(o, func(o *object.Object) (t typeInfo) {
		t.s = &Side{Object: o, Data: debug.Info(o)}
		if t.s.Index, t.err = t.s.Data.Index(); t.err != nil {
			t.err = noTypes(o, t.err)
		} else if t.s.Data.HasTypeUnits() {
			t.err = noTypes(o, errTypeUnits)
		}
		return t
	})
	return t.s, t.err
}

// VariablesOf returns the variables of an object whose types can be read.
func VariablesOf(o *object.Object) *Variables {
	return object.Memo(o, func(o *object.Object) *Variables {
		s, _ := Of(o)
		v := &Variables{s: s, byPlace: map[dwarf.Addr]uint64{}, byName: map[string]uint64{}}
		var e dwarf.Entry
		for _, off := range v.s.Index.Variables {
			if !v.s.Data.Entry(&e, off) {
				continue
			}
			if at, ok := e.Place(); ok {
				v.byPlace[at] = off
			}
			if name := e.Name(); name != "" {
				v.byName[name] = off
			}
		}
		return v
	})
}

// OfVariable returns the types of an object, and the one that a variable of it has, by debug information; 0 where
// that does not say.
func OfVariable(o *object.Object, a *object.Atom) (s *Side, typ uint64) {
	s, err := Of(o)
	if err != nil {
		return nil, 0
	}
	v := VariablesOf(o)
	if entry, ok := v.At(debug.Addr(a, 0)); ok {
		typ = v.TypeOf(entry)
	}
	return s, typ
}

// At returns the entry of the variable at a place, which may be one inside a
// function.
func (v *Variables) At(place dwarf.Addr) (entry uint64, ok bool) {
	if entry, ok = v.byPlace[place]; ok {
		return entry, true
	}
	v.once.Do(func() {
		v.statics, v.Owners = map[dwarf.Addr]uint64{}, map[uint64]string{}
		for _, f := range v.s.Index.Functions {
			v.readStatics(f)
		}
	})
	entry, ok = v.statics[place]
	return entry, ok
}

// readStatics finds the static variables of a function, and of those that are inlined
// into it.
func (v *Variables) readStatics(f uint64) {
	var e dwarf.Entry
	if !v.s.Data.Entry(&e, f) {
		return
	}
	r := dwarf.ChildrenOf(&e)
	of := []uint64{f} // the function that each open list of children is in
	for len(of) > 0 && r.Next(&e) {
		inner := of[len(of)-1]
		switch e.Tag {
		case dwarf.TagNull:
			of = of[:len(of)-1]
			continue
		case dwarf.TagVariable:
			if at, ok := e.Place(); ok {
				v.statics[at] = e.Offset
				v.Owners[e.Offset] = v.s.Data.Function(inner).Name
			}
		case dwarf.TagInlined:
			if origin, ok := e.Ref(dwarf.AttrOrigin); ok {
				inner = origin
			}
		}
		switch {
		case !e.Children:
		case e.Tag == dwarf.TagLexicalBlock || e.Tag == dwarf.TagInlined:
			of = append(of, inner)
		default:
			r.Skip(&e)
		}
	}
}

// TypeOf returns the type of a variable.
func (v *Variables) TypeOf(entry uint64) (typ uint64) {
	v.Variable(entry, func(_ string, t uint64) { typ = t })
	return typ
}

// Roots yields the names and types of the variables and parameters of a
// function, of its result, and of the variables that it refers to. For a
// variable it yields its own type.
func (v *Variables) Roots(a *object.Atom, yield func(name string, typ uint64)) {
	if a.Kind != object.Func {
		if off, ok := v.At(debug.Addr(a, 0)); ok {
			v.Variable(off, yield)
		}
		return
	}
	v.Locals(a, yield)
	seen := map[uint64]bool{}
	for i := range a.Refs {
		r := &a.Refs[i]
		off := uint64(0)
		if r.Target != object.NoAtom {
			if t := &v.s.Object.Atoms[r.Target]; t.Kind != object.Func && t.Name != "" {
				off, _ = v.At(debug.Addr(t, 0))
			}
		} else if sym := &v.s.Object.Symbols()[r.Sym]; sym.Type() != elf.STT_FUNC {
			off = v.byName[sym.Name]
		}
		if off != 0 && !seen[off] {
			seen[off] = true
			v.Variable(off, yield)
		}
	}
}

// Variable yields one variable. What one entry lacks stands in the one that it
// refers to.
func (v *Variables) Variable(off uint64, yield func(name string, typ uint64)) {
	var e dwarf.Entry
	name, typ := "", uint64(0)
	for range 8 {
		if !v.s.Data.Entry(&e, off) {
			break
		}
		if name == "" {
			name = e.Name()
		}
		if typ = TypeOf(&e); typ != 0 {
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

// Locals yields what is declared in a function and in what is inlined into it.
func (v *Variables) Locals(a *object.Atom, yield func(name string, typ uint64)) {
	f, ok := v.s.Index.FunctionAt(debug.Addr(a, 0))
	if !ok {
		return
	}
	d := v.s.Data
	var e dwarf.Entry
	if origin := d.Function(f).Entry; d.Entry(&e, origin) && TypeOf(&e) != 0 {
		yield(resultName, TypeOf(&e))
	}
	if !d.Entry(&e, f) {
		return
	}
	EachLocal(&e, func(x *dwarf.Entry, _ int) {
		if typ := TypeOf(x); typ != 0 {
			yield(x.Name(), typ)
		} else {
			v.Variable(x.Offset, yield)
		}
	})
}

// EachLocal yields the parameters and variables of a function, and of what is inlined
// into it; depth is 1 for its own parameters.
func EachLocal(f *dwarf.Entry, yield func(x *dwarf.Entry, depth int)) {
	r := dwarf.ChildrenOf(f)
	var e dwarf.Entry
	for depth := 1; depth > 0 && r.Next(&e); {
		switch e.Tag {
		case dwarf.TagNull:
			depth--
			continue
		case dwarf.TagVariable, dwarf.TagFormalParameter:
			yield(&e, depth)
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

// errTypeUnits says why there are no types in debug information that has them in units of their own.
var errTypeUnits = errors.New("its types have units of their own (-fdebug-types-section), which are not read")

// noTypes is the error for an object without types.
func noTypes(o *object.Object, err error) error { return &noTypesError{o.Name(), err} }

type noTypesError struct {
	name string
	err  error
}

func (e *noTypesError) Error() string {
	s := types.ErrNoTypes.Error() + ": " + e.err.Error()
	if e.name != "" {
		s = e.name + ": " + s
	}
	return s
}

func (e *noTypesError) Is(target error) bool { return target == types.ErrNoTypes }
func (e *noTypesError) Unwrap() error        { return e.err }
