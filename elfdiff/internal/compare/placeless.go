package compare

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/places"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
)

// Placeless returns both atoms without the places that records of their form keep.
func (c *Comparer) Placeless(a, b *object.Atom) (x, y *object.Atom) {
	p, q := c.prePlaces[a.ID], c.postPlaces[b.ID]
	if !slices.Equal(p, q) {
		return a, b
	}
	return places.Without(c.Pre, a, p), places.Without(c.Post, b, q)
}

// SetAside notes the places in which two records differ that are the same otherwise.
func (c *Comparer) SetAside(a, b *object.Atom) []verdict.Reason {
	fields := c.postPlaces[b.ID]
	if len(fields) == 0 || !slices.Equal(c.prePlaces[a.ID], fields) {
		return nil
	}
	var list []verdict.Reason
	for _, f := range fields {
		p, q := placeText(a, f), placeText(b, f)
		if p != q {
			list = append(list, verdict.Reason{Code: verdict.ReasonLine, PreOffset: f.Offset, PostOffset: f.Offset, PreText: p, PostText: q, Detail: "a record about a place in the source"})
		}
	}
	return list
}

func placeText(a *object.Atom, f places.Field) string {
	var v [8]byte
	if f.Offset < uint64(len(a.Bytes)) {
		copy(v[:], a.Bytes[f.Offset:])
	}
	n := binary.LittleEndian.Uint64(v[:]) & f.Mask
	if f.Mask == places.LineAndColumn {
		return fmt.Sprintf("line %d, column %d", n&places.WholeLine, n>>32)
	}
	return fmt.Sprint("line ", n)
}
