package hazard

import "github.com/gosplice/gosplice/elfdiff/object"

// A Shift is how much oftener a function of post takes or gives back references of a kind than its twin of pre,
// by the places that do it, with those of what it calls in its object.
type Shift struct {
	Kind         string
	Taken, Given int
}

// ShiftsOf lists those where one of the two differs. References that instructions count are not told by their places.
func ShiftsOf(pre, post *Counts, p, q object.AtomID) (list []Shift) {
	a, b := pre.of(p), post.of(q)
	for _, kind := range kindsOf(a, b) {
		x, y := a[kind], b[kind]
		s := Shift{kind, y.taken - x.taken, y.given - x.given}
		if max(x.what, y.what) == Reference && (s.Taken == 0) != (s.Given == 0) {
			list = append(list, s)
		}
	}
	return list
}

// MovesTo reports whether what one function does less is what another one does more: post gives back there, or takes there,
// what pre did here.
func (s Shift) MovesTo(x Shift) bool {
	return s.Kind == x.Kind && (s.Given < 0 && x.Given > 0 || s.Taken < 0 && x.Taken > 0)
}
