package kofile

import (
	"bytes"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// Imports returns the names of the symbols that the kernel or other modules have to give, sorted.
// Weak ones, and those that livepatch itself looks for (SHN_LIVEPATCH), are left out.
func (f *File) Imports() []string {
	var out []string
	for i := range f.symbols {
		s := &f.symbols[i]
		if s.Section == elfobj.SecUndef && s.Name != "" && !s.IsWeak() {
			out = append(out, s.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Rows of __versions are struct modversion_info of include/linux/module.h.
const (
	versionRow  = 64
	versionName = 8
)

// Versions returns the names of the symbols that the file has a version (CRC) of, and whether it
// has such a table at all.
func (f *File) Versions() (names map[string]bool, ok bool) {
	names = map[string]bool{}
	for s := range f.obj.SectionsNamed(kerneltab.Versions) {
		ok = true
		b := f.bytes(s.Index)
		for ; len(b) >= versionRow; b = b[versionRow:] {
			name, _, _ := bytes.Cut(b[versionName:versionRow], []byte{0})
			names[string(name)] = true
		}
	}
	return names, ok
}
