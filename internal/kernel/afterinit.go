package kernel

import (
	"encoding/binary"

	"github.com/gosplice/gosplice/internal/kerneltab"
)

// afterInit is the list of sections that the loader makes read-only once a module is
// initialised (kernel/module/strict_rwx.c, module_mark_ro_after_init): which there are is another
// from version to version, so that the kernel's own list is read.
const afterInit = "ro_after_init"

// maxAfterInit bounds that list.
const maxAfterInit = 16

// afterInit reads the list of the image's, as a structure whose members are the names of the
// sections. ok is false when it has none, or one that is not understood.
func (k *Image) afterInit() (l Struct, ok bool) {
	list := k.Symbols(afterInit)
	if len(list) != 1 {
		return Struct{}, false
	}
	read := k.chunks()
	l = Struct{Name: afterInit, Offsets: map[string]uint64{}}
	for i := range uint64(maxAfterInit) {
		b, err := k.Read(list[0].Addr+8*i, 8)
		if err != nil {
			break
		}
		name, err := k.text(read, binary.LittleEndian.Uint64(b))
		if err != nil || kerneltab.Of(name) == nil {
			break // what lies behind the list
		}
		l.Offsets[name] = i
	}
	_, ok = l.Offsets[kerneltab.ROAfterInit]
	return l, ok
}

// isAfterInit reports whether the loader of a kernel puts a section into the memory that becomes
// read-only.
func (l Layout) isAfterInit(name string) bool {
	if own, ok := l[afterInit]; ok {
		_, ok = own.Offsets[name]
		return ok
	}
	return kerneltab.MemoryOf(name) == kerneltab.MemoryAfterInit
}
