package hazard

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// An Order is two locks of which a function takes the second while it has the first. They are told by their kind, and by
// their names, or by where they are in an object.
type Order struct{ First, Second string }

// Reversed is the order that goes with it to where two tasks wait for each other.
func (o Order) Reversed() Order { return Order{o.Second, o.First} }

// Compare sorts them by their names.
func (o Order) Compare(x Order) int {
	return cmp.Or(strings.Compare(o.First, x.First), strings.Compare(o.Second, x.Second))
}

// Orders says in which order functions of an object take locks.
type Orders struct {
	locks *Locks
	done  map[object.AtomID]*taken
}

// taken are the locks that a function takes, with those that it calls in its object, and in which order, each by the offset where
// it takes the second.
type taken struct {
	locks   map[string]bool
	orders  map[Order]uint64
	unnamed map[string]bool // kinds of which it takes one that nothing tells from others
	given   map[string]bool // what it gives back; a kind, with a space behind it, where nothing tells which
}

// OrdersOf prepares it for an object, of whose functions it is known what they do about locks.
func OrdersOf(locks *Locks) *Orders {
	return &Orders{locks, map[object.AtomID]*taken{}}
}

// Of lists in which orders a function takes locks.
func (o *Orders) Of(id object.AtomID) map[Order]uint64 { return o.of(id).orders }

// Elsewhere lists the locks in objects that a function of post takes at one place, where its twin of pre takes one of the same
// kind at another place.
func Elsewhere(pre, post *Orders, p, q object.AtomID) (list []Order) {
	a, b := pre.of(p), post.of(q)
	for _, lost := range slices.Sorted(maps.Keys(a.locks)) {
		for _, gained := range slices.Sorted(maps.Keys(b.locks)) {
			kind, at := split(lost)
			other, to := split(gained)
			if kind == other && inObject(at) && inObject(to) && !b.locks[lost] && !a.locks[gained] && !a.unnamed[kind] && !b.unnamed[kind] {
				list = append(list, Order{lost, gained})
			}
		}
	}
	return list
}

// split takes the name of a lock apart.
func split(lock string) (kind, at string) {
	i := strings.LastIndexByte(lock, ' ')
	return lock[:max(i, 0)], lock[i+1:]
}

// inObject reports whether a place is one behind a pointer.
func inObject(at string) bool { return strings.HasPrefix(at, "+") || strings.HasPrefix(at, "-") }

// what is done about a lock at an instruction.
type lockStep struct {
	lock  string // of one that is given back, a kind with a space behind it where nothing tells which
	takes bool
	calls object.AtomID // a function of the object instead
}

func (o *Orders) of(id object.AtomID) *taken {
	if t, ok := o.done[id]; ok {
		return t // of a call in a circle, what is known so far
	}
	t := &taken{map[string]bool{}, map[Order]uint64{}, map[string]bool{}, map[string]bool{}}
	o.done[id] = t
	a := &o.locks.o.Atoms[id]
	steps := o.steps(a, t)
	if len(steps) == 0 {
		return t
	}
	for _, s := range steps {
		if s.takes {
			t.locks[s.lock] = true
		} else if s.calls != object.NoAtom {
			maps.Copy(t.locks, o.of(s.calls).locks)
			maps.Copy(t.unnamed, o.of(s.calls).unnamed)
			maps.Copy(t.given, o.of(s.calls).given)
		} else {
			t.given[s.lock] = true
		}
	}
	if len(t.locks) > 1 {
		o.follow(a, steps, t)
	}
	return t
}

// steps lists what the instructions of a function do about locks, by their offsets.
func (o *Orders) steps(a *object.Atom, t *taken) map[uint64]lockStep {
	steps := map[uint64]lockStep{}
	var c *code
	for i := range a.Refs {
		r := &a.Refs[i]
		if r.Implicit || !object.IsCall(a, r) || object.IsShort(r) {
			continue
		}
		if r.Target != object.NoAtom {
			if b := &o.locks.o.Atoms[r.Target]; b.Kind == object.Func && b.Root() != a.Root() && len(o.of(b.ID).locks)+len(o.of(b.ID).given) > 0 {
				steps[r.Offset-1] = lockStep{calls: b.ID}
			}
			continue
		}
		name := o.locks.o.Symbol(r.Sym).Name
		kind, takes, gives := lockOf(name)
		if kind == "" || kind == rcu || kind == srcu || strings.Contains(name, "trylock") || strings.HasPrefix(name, raw) && !o.locks.named[givers.Replace(name)] {
			continue
		}
		if c == nil {
			if c = codeOf(o.locks.o, a); c == nil {
				return nil
			}
		}
		kind = strings.TrimSuffix(strings.TrimSuffix(kind, " for reading"), " for writing")
		at, ok := c.index[r.Offset-1]
		if !ok {
			continue // a jump of two bytes
		}
		lock := kind + " " + c.place(at)
		if slices.Contains(single, kind) {
			lock = kind
		}
		told := !strings.HasSuffix(lock, " ")
		switch {
		case takes && told:
			steps[r.Offset-1] = lockStep{lock: lock, takes: true, calls: object.NoAtom}
		case takes:
			t.unnamed[kind] = true
		case gives:
			steps[r.Offset-1] = lockStep{lock: lock, calls: object.NoAtom}
		}
	}
	return steps
}

// maxLocks bounds the locks that are followed through a function, and maxSteps the work for it.
const (
	maxLocks = 64
	maxSteps = 1 << 18
)

// follow finds the locks that a function has on each way to where it takes another one.
func (o *Orders) follow(a *object.Atom, steps map[uint64]lockStep, t *taken) {
	c := codeOf(o.locks.o, a)
	names := slices.Sorted(maps.Keys(t.locks))
	if c == nil || len(names) > maxLocks || len(c.list) == 0 {
		return
	}
	have := make([]uint64, len(c.list)) // on every way
	met := make([]bool, len(c.list))
	work := []int{0}
	met[0] = true
	for n := 0; len(work) > 0 && n < maxSteps; n++ {
		i := work[len(work)-1]
		work = work[:len(work)-1]
		held := have[i]
		s, ok := steps[c.list[i].Off]
		switch {
		case !ok:
		case s.takes:
			held |= bitsOf(names, s.lock)
		case s.calls != object.NoAtom:
			for lock := range o.of(s.calls).given {
				held &^= bitsOf(names, lock)
			}
		default:
			held &^= bitsOf(names, s.lock)
		}
		lead := func(k int) {
			had := held
			if met[k] {
				had &= have[k]
			}
			if !met[k] || had != have[k] {
				met[k], have[k] = true, had
				work = append(work, k)
			}
		}
		in := &c.list[i].Inst
		if to, ok := c.branch(i); ok {
			if k, ok := c.index[to]; ok {
				lead(k)
			}
		}
		if i+1 < len(c.list) && (!in.EndsFlow() || in.Class == amd64.Call) {
			lead(i + 1)
		}
	}
	for i := range c.list {
		s, ok := steps[c.list[i].Off]
		if !ok || !met[i] {
			continue
		}
		second := []string{s.lock}
		if s.calls != object.NoAtom {
			second = slices.Sorted(maps.Keys(o.of(s.calls).locks))
		} else if !s.takes {
			continue
		}
		for held := have[i]; held != 0; held &= held - 1 {
			first := names[bits.TrailingZeros64(held)]
			for _, lock := range second {
				if x := (Order{first, lock}); first != lock && t.orders[x] == 0 {
					t.orders[x] = c.list[i].Off
				}
			}
		}
	}
}

// bitsOf returns the bits of the locks that one means, by their places in a list.
func bitsOf(names []string, lock string) (set uint64) {
	for i, name := range names {
		if name == lock || strings.HasSuffix(lock, " ") && strings.HasPrefix(name, lock) {
			set |= 1 << i
		}
	}
	return set
}
