package hazard

import (
	"slices"

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

// TakesAny reports whether a function of the object takes a lock, by its name.
func (l *Locks) TakesAny(name string) bool {
	for id := range l.o.Functions() {
		if l.Taken(id)[name] {
			return true
		}
	}
	return false
}
