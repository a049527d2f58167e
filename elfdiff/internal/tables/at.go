package tables

import "github.com/gosplice/gosplice/elfdiff/object"

// entryKey is where an entry is.
type entryKey struct {
	table object.AtomID
	off   uint64
}

// entryPlaces has the indices of entries in [Index].Entries.
type entryPlaces map[entryKey]int32

func readPlaces(o *object.Object) entryPlaces {
	x := Of(o)
	m := make(entryPlaces, len(x.Entries))
	for i := range x.Entries {
		m[entryKey{x.Entries[i].Table.ID, x.Entries[i].Off}] = int32(i)
	}
	return m
}

// At returns the entry about code that a reference leads to: in Linux 7.3 code that warns
// loads the address of its entry of __bug_table (arch/x86/include/asm/bug.h, __WARN_bug_entry).
func At(o *object.Object, r *object.Ref) (*Entry, bool) {
	t := o.Atom(r.Target)
	if t == nil || t.Kind != object.Special || r.TargetOff < 0 {
		return nil, false
	}
	i, ok := object.Memo(o, readPlaces)[entryKey{t.ID, uint64(r.TargetOff)}]
	if !ok {
		return nil, false
	}
	return &Of(o).Entries[i], true
}

// IsOwn reports whether an entry is about a function.
func (e *Entry) IsOwn(id object.AtomID) bool { return e.Site().Target == id }
