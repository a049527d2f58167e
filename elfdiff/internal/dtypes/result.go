package dtypes

import (
	"github.com/gosplice/gosplice/elfdiff/internal/debug"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// ResultSizeOf asks the debug information of an object in how many bytes of general
// registers a function returns.
func ResultSizeOf(o *object.Object, a *object.Atom) ResultSize {
	s, err := Of(o)
	if err != nil {
		return anyResult
	}
	off, ok := s.Index.FunctionAt(debug.Addr(a, 0))
	var e dwarf.Entry
	for range debug.MaxNesting {
		if !ok || !s.Data.Entry(&e, off) {
			return anyResult
		}
		if t, typed := e.Ref(dwarf.AttrType); typed {
			return s.registers(t)
		}
		if off, ok = e.Ref(dwarf.AttrOrigin); ok {
			continue
		}
		if off, ok = e.Ref(dwarf.AttrSpecification); !ok {
			return noResult
		}
	}
	return anyResult
}

// encodingFloat is DW_ATE_float, of numbers that are returned in a vector register.
const encodingFloat = 4

// registers returns how many bytes of general registers a value of a type takes.
func (s *Side) registers(off uint64) ResultSize {
	var t Resolved
	if !s.Resolve(&t, off) {
		return anyResult
	}
	if enc, ok := t.Int(dwarf.AttrEncoding); ok && enc == encodingFloat {
		return noResult
	}
	if n := s.Size(off, 0); n > 0 {
		return ResultSize(min(n, uint64(anyResult)))
	}
	return anyResult
}

// ResultSize is how a function returns: in how many bytes of general registers.
type ResultSize uint64

const (
	noResult   ResultSize = 0
	HalfResult ResultSize = 4  // no address fits
	anyResult  ResultSize = 16 // AX and DX
)
