package hazard

import (
	"maps"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// Exchanges says which places in memory functions of an object change by an instruction that exchanges, or compares and
// exchanges: who does so needs no lock.
type Exchanges struct{ balances }

// ExchangesOf prepares it for an object.
func ExchangesOf(o *object.Object) *Exchanges {
	e := &Exchanges{newBalances(o, nil)}
	e.own = exchanged
	return e
}

// exchanged adds the places that the instructions of a function exchange themselves.
func exchanged(o *object.Object, a *object.Atom, m map[string]balance) {
	for k := range instructions(o, a) {
		if exchanges(k) {
			if name, ok := placeOf(k); ok {
				m[name] = balance{takes: true}
			}
		}
	}
}

// exchanges reports whether an instruction is xchg with memory, or cmpxchg that is locked.
func exchanges(k *insn.Cursor) bool {
	const lock, xchg, cmpxchg = 0xf0, 0x86, 0xb0
	b, in := k.Bytes(), &k.Inst
	if in.ModRMOff == 0 || b[in.ModRMOff]>>6 == 3 {
		return false
	}
	switch op := in.Opcode.Byte() &^ 1; in.Opcode.Map() {
	case amd64.MapOne:
		return op == xchg
	case amd64.Map0F:
		return op == cmpxchg && slices.Contains(b[:in.OpOff], lock)
	}
	return false
}

// LockForExchange says which lock a function of post takes where its twin of pre, which did not, exchanged what is in a place that
// post does not exchange any more: nothing keeps the one out of what the other does.
func LockForExchange(pre, post *Locks, was, is *Exchanges, p, q object.AtomID) (lock, place string) {
	lock = gained(pre.Taken(p), post.Taken(q))
	if lock == "" {
		lock = gained(pre.TakenKinds(p), post.TakenKinds(q))
	}
	if lock == "" {
		return "", ""
	}
	a, b := was.of(p), is.of(q)
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if !b[name].takes {
			return lock, name
		}
	}
	return "", ""
}

// gained returns the first of what the second has and the first has not.
func gained(pre, post map[string]bool) string {
	for _, name := range slices.Sorted(maps.Keys(post)) {
		if _, had := pre[name]; !had {
			return name
		}
	}
	return ""
}
