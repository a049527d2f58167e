package hazard

import (
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// Members are the places of pointers behind other pointers that functions of an object load, or store, by how far behind.
type Members struct{ load, store balances }

// MembersOf prepares it for an object.
func MembersOf(o *object.Object) *Members {
	m := &Members{newBalances(o, nil), newBalances(o, nil)}
	m.load.own = func(o *object.Object, a *object.Atom, set map[string]balance) { pointers(o, a, set, 0x8b) }
	m.store.own = func(o *object.Object, a *object.Atom, set map[string]balance) { pointers(o, a, set, 0x89) }
	return m
}

// pointers adds the places that instructions of a function move eight bytes from, or to, by their opcode.
func pointers(o *object.Object, a *object.Atom, set map[string]balance, opcode byte) {
	for k := range instructions(o, a) {
		in := &k.Inst
		if in.Opcode.Map() == amd64.MapOne && in.Opcode.Byte() == opcode && in.Prefixes.Has(amd64.PrefixREXW) && in.DispLen > 0 && len(k.Refs) == 0 && in.Prefixes&segments == 0 {
			if x := in.Operands(k.Bytes()); x.Memory && x.Base != stackReg && x.Base != amd64.NoReg && x.Index == amd64.NoReg {
				set[offset(number(k.Bytes()[in.DispOff:], in.DispLen))] = balance{takes: true}
			}
		}
	}
}

// segments are the prefixes of what is not behind a pointer.
const segments = amd64.PrefixSegFS | amd64.PrefixSegGS

// Attaches lists the places where a function of post stores a pointer that its twin of pre does not, where it allocates memory that
// the twin does not either.
func (m *Members) Attaches(pre *Members, was, is *Allocations, p, q object.AtomID) (list []string) {
	if was.Allocates(p) || !is.Allocates(q) {
		return nil
	}
	for place := range m.store.of(q) {
		if !pre.store.of(p)[place].takes && !pre.load.of(p)[place].takes {
			list = append(list, place)
		}
	}
	slices.Sort(list)
	return list
}

// Follows reports whether a function of post loads a pointer from a place which its twin of pre neither loads nor stores.
func (m *Members) Follows(pre *Members, p, q object.AtomID, place string) bool {
	return m.load.of(q)[place].takes && !pre.load.of(p)[place].takes && !pre.store.of(p)[place].takes
}
