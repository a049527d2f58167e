package kernel

import (
	"encoding/binary"
	"strings"

	"github.com/gosplice/gosplice/internal/kerneltab"
)

// coreParameters is who has the parameters without the name of a module in front (kernel/params.c,
// param_sysfs_builtin).
const coreParameters = "kernel"

// HasParameters reports whether sysfs shows parameters of built-in code under a name, as
// /sys/module/NAME. The loader takes no module of that name (mod_sysfs_init of kernel/module/sysfs.c).
// It is false where that can't be told.
func (k *Image) HasParameters(name string, l Layout) bool {
	span, ok := k.Bounds(kerneltab.Named(kerneltab.Parameters))
	entry := l["kernel_param"]
	if !ok || entry.Size == 0 {
		return false
	}
	table, err := k.Read(span[0], span[1]-span[0])
	if err != nil {
		return false
	}
	read := k.chunks()
	for ; uint64(len(table)) >= entry.Size; table = table[entry.Size:] {
		if binary.LittleEndian.Uint16(table[entry.Offsets["perm"]:]) == 0 {
			continue // no file shows it
		}
		text, err := k.text(read, binary.LittleEndian.Uint64(table[entry.Offsets["name"]:]))
		if err != nil {
			return false
		}
		owner, _, ok := strings.Cut(text, ".")
		if !ok {
			owner = coreParameters
		}
		if owner == name {
			return true
		}
	}
	return false
}
