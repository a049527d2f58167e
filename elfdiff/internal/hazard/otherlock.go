package hazard

import (
	"maps"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/symname"
)

// single are kinds of locks of which there is one.
var single = []string{"RTNL", "lock of processors", "lock of the console"}

// Taken are the locks that a function takes, with those that it calls in its object, by the names that the source has for
// them.
func (l *Locks) Taken(id object.AtomID) map[string]bool {
	set := map[string]bool{}
	for kind, b := range l.of(id) {
		if !b.takes {
			continue
		}
		for _, name := range b.names {
			set[symname.Variable(name)] = true
		}
		if slices.Contains(single, kind) {
			set[kind] = true
		}
	}
	return set
}

// TakenKinds are the kinds of locks that a function takes, with those that it calls in its object, of which one is as another
// one that keeps others out: a lock for reading is the one for writing. true is for those of which the code has the names.
func (l *Locks) TakenKinds(id object.AtomID) map[string]bool {
	set := map[string]bool{}
	for kind, b := range l.of(id) {
		if b.takes && kind != rcu && kind != srcu {
			kind = strings.TrimSuffix(strings.TrimSuffix(kind, " for reading"), " for writing")
			named, met := set[kind]
			set[kind] = len(b.names) > 0 && (named || !met)
		}
	}
	return set
}

// TakesAny reports whether a function of the object takes a lock, by its name or its kind.
func (l *Locks) TakesAny(name string) bool {
	for id := range l.o.Functions() {
		if _, kind := l.TakenKinds(id)[name]; kind || l.Taken(id)[name] {
			return true
		}
	}
	return false
}

// Kinds of what readers take who keep nobody out.
const rcu, srcu = "RCU", "SRCU"

// ToRCU says which kind of lock a function of pre takes, where its twin of post does not, but reads under RCU instead; "" for
// none.
func ToRCU(pre, post *Locks, p, q object.AtomID) string {
	a, b := pre.of(p), post.of(q)
	if a[rcu].takes || !b[rcu].takes {
		return ""
	}
	for _, kind := range slices.Sorted(maps.Keys(a)) {
		if a[kind].takes && !b[kind].takes {
			return kind
		}
	}
	return ""
}

// waiters are functions of the kernel by which who takes something away waits for those who read it under RCU
// (include/linux/rcupdate.h, rcutree.h, netdevice.h).
var waiters = []string{"synchronize_rcu", "synchronize_rcu_expedited", "synchronize_net", "call_rcu", "call_rcu_hurry", "kvfree_call_rcu", "__kfree_rcu"}

// WaitsForReaders reports whether a function waits until nobody reads under RCU any more, or has something done then.
func WaitsForReaders(o *object.Object, id object.AtomID) bool {
	a := &o.Atoms[id]
	return slices.ContainsFunc(a.Refs, func(r object.Ref) bool {
		return r.Target == object.NoAtom && object.IsCall(a, &r) && slices.Contains(waiters, o.Symbol(r.Sym).Name)
	})
}
