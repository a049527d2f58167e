package hazard

import (
	"maps"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// lockNames are how the functions of the kernel that take a lock, and those that give it back,
// begin (include/linux/mutex.h, rwsem.h, semaphore.h, spinlock_api_smp.h, rwlock_api_smp.h, rcupdate.h, srcu.h,
// percpu-rwsem.h, cpu.h, rtnetlink.h, console.h, tty.h, pagemap.h; include/net/sock.h).
var lockNames = []struct{ kind, take, give string }{
	{"mutex", "mutex_lock", "mutex_unlock"},
	{"mutex", "mutex_trylock", "mutex_unlock"},
	{"mutex", "ww_mutex_lock", "ww_mutex_unlock"},
	{"mutex", "ww_mutex_trylock", "ww_mutex_unlock"},
	{"mutex", "rt_mutex_lock", "rt_mutex_unlock"},
	{"mutex", "rt_mutex_trylock", "rt_mutex_unlock"},
	{"spinlock", "_raw_spin_lock", "_raw_spin_unlock"},
	{"spinlock", "_raw_spin_trylock", "_raw_spin_unlock"},
	{"lock for reading", "_raw_read_lock", "_raw_read_unlock"},
	{"lock for writing", "_raw_write_lock", "_raw_write_unlock"},
	{"semaphore for reading", "down_read", "up_read"},
	{"semaphore for writing", "down_write", "up_write"},
	{"semaphore for reading", "__percpu_down_read", "rcuwait_wake_up"}, // the rest is inlined
	{"semaphore for writing", "percpu_down_write", "percpu_up_write"},
	{semaphore, "down_interruptible", ""},
	{semaphore, "down_killable", ""},
	{semaphore, "down_trylock", ""},
	{semaphore, "down_timeout", ""},
	{"RCU", "__rcu_read_lock", "__rcu_read_unlock"},
	{"SRCU", "__srcu_read_lock", "__srcu_read_unlock"},
	{"lock of processors", "cpus_read_lock", "cpus_read_unlock"},
	{"lock of processors", "cpus_read_trylock", "cpus_read_unlock"},
	{"lock of processors", "cpus_write_lock", "cpus_write_unlock"},
	{"RTNL", "rtnl_lock", "rtnl_unlock"},
	{"RTNL", "rtnl_trylock", "rtnl_unlock"},
	{"lock of the console", "console_lock", "console_unlock"},
	{"lock of the console", "console_trylock", "console_unlock"},
	{"lock of a terminal", "tty_lock", "tty_unlock"},
	{"lock of a folio", "__folio_lock", "folio_unlock"},
	{"lock of a socket", "lock_sock_nested", "release_sock"},
}

// semaphore is a kind whose functions with the plainest names, down and up, begin as others do.
const semaphore = "semaphore"

// raw is how the names of the functions of spinlocks begin. Kernels that no task leaves in their middle have those
// that give back in each function (CONFIG_INLINE_SPIN_UNLOCK_IRQ, INLINE_READ_UNLOCK and the like,
// kernel/Kconfig.locks): there nothing tells whether a lock is given back.
const raw = "_raw_"

// givers turns the name of a function that takes a spinlock into that of the one that gives it back.
var givers = strings.NewReplacer("_trylock", "_unlock", "_lock", "_unlock", "_irqsave", "_irqrestore")

// Locks says what functions of an object do about locks.
type Locks struct {
	balances
	named map[string]bool // functions of spinlocks that this object or its twin refers to, or has
}

// LocksOf prepares it for two objects that are compared.
func LocksOf(pre, post *object.Object) (*Locks, *Locks) {
	named := map[string]bool{}
	for _, o := range []*object.Object{pre, post} {
		list := o.Symbols()
		for i := range list {
			if strings.HasPrefix(list[i].Name, raw) {
				named[list[i].Name] = true
			}
		}
	}
	return newLocks(pre, named), newLocks(post, named)
}

func newLocks(o *object.Object, named map[string]bool) *Locks {
	l := &Locks{named: named}
	l.balances = newBalances(o, l.call)
	return l
}

// OtherHalf compares a function of pre with its twin of post: locks that it takes and does not give
// back, or the reverse, with what it calls in its object. Others do the other half, at another time. It
// returns what each side does about the first kind of lock in which they differ, "" for nothing. A
// function that has a half on one side alone is none: it is one that had forgotten the other half, or had it
// done by a function of another object, such as lock_sock_fast.
func OtherHalf(pre, post *Locks, p, q object.AtomID) (was, is string, differ bool) {
	a, b := halves(pre.of(p)), halves(post.of(q))
	if len(a) == 0 || len(b) == 0 {
		return "", "", false
	}
	for _, kind := range slices.Sorted(maps.Keys(a)) {
		x, y := a[kind], b[kind]
		if named := len(x.names) > 0 && len(y.names) > 0; x.half() != y.half() || named && !slices.Equal(x.names, y.names) {
			return x.text(kind), text(b), true
		}
	}
	if len(a) < len(b) {
		return text(a), text(b), true
	}
	return "", "", false
}

// halves are the kinds of which there is but a half.
func halves(m map[string]balance) map[string]balance {
	m = maps.Clone(m)
	maps.DeleteFunc(m, func(_ string, b balance) bool { return b.half() == "" })
	return m
}

// text says what is done by all kinds.
func text(m map[string]balance) string {
	var list []string
	for _, kind := range slices.Sorted(maps.Keys(m)) {
		list = append(list, m[kind].text(kind))
	}
	return strings.Join(list, ", ")
}

func (b balance) text(kind string) string {
	return strings.TrimSpace(b.half() + " a " + kind + " " + strings.Join(b.names, ", "))
}

// call says what a call of a function does, by its name: reference r of a.
func (l *Locks) call(a *object.Atom, r int, name string) (kind string, b balance) {
	if strings.HasPrefix(name, raw) && !l.named[givers.Replace(name)] {
		return "", b
	}
	if kind, takes, gives := lockOf(name); kind != "" {
		return kind, balance{takes: takes, gives: gives, names: l.argument(a, r)}
	}
	return "", b
}

// lockOf says what a function does, by its name.
func lockOf(name string) (kind string, takes, gives bool) {
	if name == "down" || name == "up" {
		return semaphore, name == "down", name == "up"
	}
	for _, k := range lockNames {
		takes, gives = strings.HasPrefix(name, k.take), k.give != "" && strings.HasPrefix(name, k.give)
		if takes || gives {
			return k.kind, takes, gives
		}
	}
	return "", false, false
}

// IsLock reports whether a function does nothing with a variable but pass it to functions that take it as a lock, or
// give it back.
func (l *Locks) IsLock(a *object.Atom, variable object.AtomID) bool {
	both := balance{}
	for i := range a.Refs {
		if a.Refs[i].Target != variable {
			continue
		}
		call := i + 1
		for call < len(a.Refs) && !object.IsCall(a, &a.Refs[call]) {
			call++
		}
		if call == len(a.Refs) || a.Refs[call].Target != object.NoAtom || a.Refs[i].TargetOff != 0 || !slices.Equal(l.argument(a, call), []string{l.o.Atoms[variable].Name}) {
			return false
		}
		kind, takes, gives := lockOf(l.o.Symbol(a.Refs[call].Sym).Name)
		if kind == "" {
			return false
		}
		both = both.and(balance{takes: takes, gives: gives})
	}
	return both.takes && both.gives
}

// argument returns the name of the variable whose address a call has as its first argument, where
// one of a few instructions before says it, and none behind that has to do with the register.
func (l *Locks) argument(a *object.Atom, call int) []string {
	const (
		near = 3 // references, of other arguments
		size = 4 // of a field, and of the one of the call, behind its opcode
	)
	for i := call - 1; i >= max(0, call-near); i-- {
		r := &a.Refs[i]
		end := a.Refs[call].Offset - 1
		if r.Implicit || amd64.FieldSize(r.Type) != size || r.Offset+size > end || !setsFirst(a.Bytes[:r.Offset]) {
			continue
		}
		if !keepsFirst(a.Bytes[r.Offset+size : end]) {
			return nil
		}
		if r.Target != object.NoAtom {
			return []string{l.o.Atoms[r.Target].Name}
		}
		if name := l.o.Symbol(r.Sym).Name; name != "" {
			return []string{name} // of another object
		}
		return nil
	}
	return nil
}

// keepsFirst reports whether code is a few whole instructions, none of which branches, or has to do with RDI.
func keepsFirst(b []byte) bool {
	const most, first = 6, 7
	for n := 0; len(b) > 0; n++ {
		in, err := amd64.Decode(b)
		if err != nil || int(in.Len) > len(b) || in.IsBranch() || in.EndsFlow() || n == most {
			return false
		}
		o := in.Operands(b)
		op := in.Opcode.Byte()
		if o.Reg == first || o.RM == first || o.Low == first && in.ModRMOff == 0 {
			return false
		}
		const moves, stores = 0xa4, 0xaa // with the registers that strings have
		if in.Opcode.Map() == amd64.MapOne && (op&^1 == moves || op&^1 == moves|2 || op&^1 == stores) {
			return false
		}
		b = b[in.Len:]
	}
	return true
}

// setsFirst reports whether code ends in the beginning of an instruction that sets the first argument
// to what a field says: mov to RDI, mov to EDI, or lea.
func setsFirst(b []byte) bool {
	return slices.ContainsFunc([]string{"\x48\xc7\xc7", "\xbf", "\x48\x8d\x3d"}, func(op string) bool { return strings.HasSuffix(string(b[max(0, len(b)-3):]), op) })
}
