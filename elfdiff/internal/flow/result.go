package flow

import (
	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// resultOf asks the debug information how many bytes of AX and DX a function returns.
// Without any, both count (psABI section 3.2.3, returning of values).
func (f *Flows) resultOf(root object.AtomID) dtypes.ResultSize {
	if n, ok := f.results[root]; ok {
		return n
	}
	if f.results == nil {
		f.results = map[object.AtomID]dtypes.ResultSize{}
	}
	n := dtypes.ResultSizeOf(f.o, &f.o.Atoms[root])
	f.results[root] = n
	return n
}
