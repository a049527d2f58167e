package hazard

import (
	"slices"

	"github.com/gosplice/gosplice/elfdiff/internal/dtypes"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// lockTypes are the structures that locks of the kernel are, or have in them, also on one processor, or where tasks
// always preempt each other (include/linux/spinlock_types_raw.h, rwlock_types.h, mutex.h, rwsem.h, semaphore.h,
// rtmutex.h; include/asm-generic/qspinlock_types.h, qrwlock_types.h). What tasks wait at has one of them.
var lockTypes = []string{"qspinlock", "qrwlock", "raw_spinlock", "spinlock", "rwbase_rt", "rwlock", "mutex", "rw_semaphore", "semaphore", "rt_mutex_base"}

// maxLockTypes bounds the types that are looked at for one variable.
const maxLockTypes = 1 << 12

// HasLock reports whether a type is a lock, or has one in it.
func HasLock(s *dtypes.Side, typ uint64) bool {
	met := map[uint64]bool{}
	for work := []uint64{typ}; len(work) > 0 && len(met) < maxLockTypes; {
		typ, work = work[len(work)-1], work[:len(work)-1]
		if met[typ] {
			continue
		}
		met[typ] = true
		var t dtypes.Resolved
		if !s.Resolve(&t, typ) {
			continue
		}
		switch {
		case t.Tag == dwarf.TagArray:
			work = append(work, dtypes.TypeOf(&t.Entry))
		case dtypes.IsClass(t.Tag) || t.Tag == dwarf.TagUnion:
			if slices.Contains(lockTypes, t.Name()) {
				return true
			}
			r := dwarf.ChildrenOf(&t.Entry)
			var x dwarf.Entry
			for dtypes.NextOf(&r, &x, dwarf.TagMember) {
				work = append(work, dtypes.TypeOf(&x))
			}
		}
	}
	return false
}

// Locked reports whether functions of the object take a variable as a lock, or give it back.
func (l *Locks) Locked(variable object.AtomID) bool {
	name := l.o.Atoms[variable].Name
	return name != "" && slices.ContainsFunc(l.o.Users(variable), func(u object.AtomID) bool {
		for _, b := range l.of(u) {
			if slices.Contains(b.names, name) {
				return true
			}
		}
		return false
	})
}
