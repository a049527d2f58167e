package correlate

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/symname"
)

// contentDepth is how far the content of an entry goes: to what it leads to, and on.
const contentDepth = 4

// content is a digest of what an object holds and leads to, without numbers of names.
func (c *Correlation) content(side int, id object.AtomID) string {
	return fmt.Sprintf("%x", c.sum(digested{side, id, contentDepth}))
}

// digested is an atom, and how far its digest goes.
type digested struct {
	side  int
	id    object.AtomID
	depth int
}

func (c *Correlation) sum(d digested) uint64 {
	if sum, ok := c.digests[d]; ok {
		return sum
	}
	var h maphash.Hash
	h.SetSeed(c.seed)
	c.digest(&h, d.side, d.id, d.depth)
	if c.digests != nil {
		c.digests[d] = h.Sum64()
	}
	return h.Sum64()
}

func (c *Correlation) digest(h *maphash.Hash, side int, id object.AtomID, depth int) {
	o := c.Objects[side]
	a := &o.Atoms[id]
	fmt.Fprintf(h, "%d %d %x ", a.Kind, a.Size, withoutDistances(a))
	for i := range a.Refs {
		r := &a.Refs[i]
		fmt.Fprintf(h, "%d %d %d ", r.Offset, r.Type, r.TargetOff)
		if r.Target == object.NoAtom {
			fmt.Fprintf(h, "%q ", o.Symbols()[r.Sym].Name)
			continue
		}
		to := &o.Atoms[r.Target]
		t := &c.Traits[side][r.Target]
		switch {
		case to.IsLiteral():
			tail, _ := object.Tail(to, r.TargetOff)
			text, _, _ := bytes.Cut(tail, []byte{0})
			if to.Kind == object.Const {
				text = to.Bytes
			}
			fmt.Fprintf(h, "%q ", text)
		case to.Kind == object.Const && (t.number || t.place > 0) && depth > 0, c.ordered(t) && depth > 0:
			fmt.Fprintf(h, "%x ", c.sum(digested{side, r.Target, depth - 1}))
		default:
			fmt.Fprintf(h, "%q %d ", symname.Unordered(symname.Stem(symname.Unpromoted(to.Name))), to.Kind)
		}
	}
}

// withoutDistances returns the bytes of an atom without the distances that an assembler computed: they are of
// references.
func withoutDistances(a *object.Atom) []byte {
	b := a.Bytes
	for i := range a.Refs {
		if r := &a.Refs[i]; r.Implicit {
			if &b[0] == &a.Bytes[0] {
				b = slices.Clone(b)
			}
			clear(b[r.Offset:min(r.Offset+uint64(amd64.FieldSize(r.Type)), uint64(len(b)))])
		}
	}
	return b
}
