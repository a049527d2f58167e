package elfdiff

import (
	"bytes"
	"testing"

	"github.com/gosplice/gosplice/elfdiff/internal/flow"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// FuzzFlow follows addresses through damaged code, in a kernel's way too.
func FuzzFlow(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b, uint32(70), byte(1))
		f.Add(b, uint32(0x140), byte(9))
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint32, x byte) {
		c := bytes.Clone(b)
		if len(c) > 0 {
			c[at%uint32(len(c))] ^= x
		}
		o, err := NewObject(bytes.NewReader(c))
		if err != nil {
			return
		}
		q := &flow.Query{Functions: func(*object.Atom) bool { return true }, Atoms: func(a *object.Atom) bool { return a.Kind != object.Meta }}
		n := allocated(func() { flow.New(o).Trace(q) })
		if limit := uint64(memoryFactor*memoryFactor*len(b) + memoryBase); n > limit {
			t.Errorf("%d bytes allocated for %d", n, len(b))
		}
		pre, err := NewObject(bytes.NewReader(b))
		if err != nil {
			return
		}
		if d, err := Compare(pre, o, Options{Tables: true, InPlace: true}); err == nil {
			Extract(d)
		}
	})
}
