package elfdiff

import (
	"sync"

	"github.com/gosplice/gosplice/internal/dwarf"
)

// debugInfo is the DWARF of an object, which is looked at when the first
// question is asked: most pairs of objects never need it.
type debugInfo struct {
	once sync.Once
	d    *dwarf.Data
}

// dwarf returns the debug information. It is never nil, but may be empty.
func (o *Object) dwarf() *dwarf.Data {
	o.debug.once.Do(func() { o.debug.d = dwarf.New(o.File) })
	return o.debug.d
}

// lines returns the line table, or nil when the object has none that can be
// read.
func (o *Object) lines() *dwarf.Lines {
	l, err := o.dwarf().Lines()
	if err != nil || l.Empty() {
		return nil
	}
	return l
}

// addr is an offset of an atom as debug information has it.
func addr(a *Atom, off uint64) dwarf.Addr {
	return dwarf.Addr{Section: a.Section, Offset: a.Offset + off}
}
