package elfobj

import (
	"slices"
	"strings"
	"unsafe"
)

// A stringWriter makes a string table in two steps: add all names, then finish
// and ask for offsets.
//
// It begins with the bytes of an existing table, if there is one. Names that
// were cut from these bytes are recognised by their address and keep their
// offset. So a file that is written back has the same string tables, whoever
// made them and in whatever order, without a search.
type stringWriter struct {
	seed    []byte
	offsets map[string]uint32
	added   []string // in order of addition, each once
	table   []byte   // seed and what was added
}

// in returns the offset in the seed of a name that was cut from it. It
// compares addresses only; the bytes at the same address are the same.
func (w *stringWriter) in(name string) (uint32, bool) {
	if len(w.seed) == 0 { // an empty table is enough for empty names
		return 0, name == "" && w.seed != nil
	}
	base := uintptr(unsafe.Pointer(unsafe.SliceData(w.seed)))
	off := uintptr(unsafe.Pointer(unsafe.StringData(name))) - base
	end := off + uintptr(len(name))
	if off < uintptr(len(w.seed)) && end < uintptr(len(w.seed)) && w.seed[end] == 0 {
		return uint32(off), true
	}
	return 0, name == "" && w.seed[0] == 0
}

func (w *stringWriter) add(name string) {
	if _, ok := w.in(name); ok {
		return
	}
	if _, ok := w.offsets[name]; ok {
		return
	}
	if w.offsets == nil {
		w.offsets = make(map[string]uint32)
	}
	w.offsets[name] = 0
	w.added = append(w.added, name)
}

// finish appends the added names to the table, in the order of addition, or
// sorted by their ends if tails are shared.
func (w *stringWriter) finish(shareTails bool) {
	w.table = w.seed[:len(w.seed):len(w.seed)]
	if len(w.table) == 0 && (w.seed == nil || len(w.added) > 0) {
		w.table = []byte{0}
	}
	if shareTails {
		slices.SortFunc(w.added, compareTails)
	}
	last, at := "", 0
	for _, name := range w.added {
		switch {
		case name == "" && w.table[0] == 0: // at 0
		case shareTails && last != "" && strings.HasSuffix(last, name):
			w.offsets[name] = uint32(at + len(last) - len(name))
		default:
			last, at = name, len(w.table)
			w.offsets[name] = uint32(at)
			w.table = append(append(w.table, name...), 0)
		}
	}
}

func (w *stringWriter) offset(name string) uint32 {
	if off, ok := w.in(name); ok {
		return off
	}
	return w.offsets[name]
}

// compareTails orders strings by their reversed bytes, descending, so that a
// string comes before all that are its tail.
func compareTails(a, b string) int {
	for i, j := len(a)-1, len(b)-1; i >= 0 && j >= 0; i, j = i-1, j-1 {
		if a[i] != b[j] {
			return int(b[j]) - int(a[i])
		}
	}
	return len(b) - len(a)
}
