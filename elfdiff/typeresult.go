package elfdiff

import (
	"github.com/gosplice/gosplice/elfdiff/internal/debug"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/dwarf"
)

func resultSizeOf(o *object.Object, a *object.Atom) resultSize {
	s, err := typesOf(o)
	if err != nil {
		return anyResult
	}
	off, ok := s.x.FunctionAt(debug.Addr(a, 0))
	var e dwarf.Entry
	for range debug.MaxNesting {
		if !ok || !s.d.Entry(&e, off) {
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
func (s *typeSide) registers(off uint64) resultSize {
	var t resolved
	if !s.resolve(&t, off) {
		return anyResult
	}
	if enc, ok := t.Int(dwarf.AttrEncoding); ok && enc == encodingFloat {
		return noResult
	}
	if n := s.size(off, 0); n > 0 {
		return resultSize(min(n, uint64(anyResult)))
	}
	return anyResult
}

// resultSize is how a function returns: in how many bytes of general registers.
type resultSize uint64

const (
	noResult   resultSize = 0
	halfResult resultSize = 4  // no address fits
	anyResult  resultSize = 16 // AX and DX
)
