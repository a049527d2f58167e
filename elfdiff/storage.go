package elfdiff

import (
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
)

// storage says how code reaches a writable variable of the kernel, and until when it
// may write to it: what the section decides beside the [Kind].
type storage uint8

const (
	plainStorage    storage = iota
	perCPUStorage           // its address is an offset in the area of each processor
	readOnlyStorage         // nobody can write to it once the kernel has started
)

// storages are the sections that make a storage other than the plain one, by the
// beginnings of their names (include/linux/percpu-defs.h, include/linux/cache.h).
var storages = []struct {
	section string
	storage storage
}{
	{perCPUSection, perCPUStorage},
	{".data..ro_after_init", readOnlyStorage},
}

var storageNames = [...]string{"data", "per-CPU data", "data that is read-only after the start"}

func (s storage) String() string { return storageNames[s] }

// storageOf returns the storage of data; that of constants and the like is plain.
func storageOf(o *object.Object, a *object.Atom) storage {
	if a.Kind != object.Data {
		return plainStorage
	}
	name := o.SectionName(a.Section)
	for i := range storages {
		if strings.HasPrefix(name, storages[i].section) {
			return storages[i].storage
		}
	}
	return plainStorage
}

const (
	maxWord       = 8 // bytes that are written at once
	perCPUSection = ".data..percpu"
)
