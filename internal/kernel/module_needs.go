package kernel

import (
	"bytes"
	"encoding/binary"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// Owner returns the name of the module that exports it, as the kernel has it; "" for vmlinux.
func (e *Export) Owner() string {
	if e.Module == "" {
		return ""
	}
	return strings.ReplaceAll(path.Base(e.Module), "-", "_")
}

// Uses returns what the module has of other modules, one export of each, by the names of these. They
// are loaded as long as it is: the loader refuses it without them, and takes a reference to each
// (resolve_symbol of kernel/module/main.c). A weak symbol asks for nothing.
func (m *Module) Uses(symvers map[string]Export) map[string]Export {
	out := map[string]Export{}
	for i := range m.syms {
		s := &m.syms[i]
		if s.Section != elfobj.SecUndef || s.Name == "" || s.IsWeak() {
			continue
		}
		if e := symvers[s.Name]; e.Module != "" {
			out[e.Owner()] = e
		}
	}
	return out
}

// Rows of __versions are struct modversion_info of include/linux/module.h.
const (
	versionRow  = 64
	versionName = 8
)

// Versions returns the CRCs of the exports that the module was linked with, by their names.
func (m *Module) Versions() map[string]uint32 {
	out := map[string]uint32{}
	for s := range m.File.SectionsNamed(kerneltab.Versions) {
		b, err := s.Data()
		for ; err == nil && len(b) >= versionRow; b = b[versionRow:] {
			name, _, _ := bytes.Cut(b[versionName:versionRow], []byte{0})
			if _, ok := out[string(name)]; !ok {
				out[string(name)] = binary.LittleEndian.Uint32(b)
			}
		}
	}
	return out
}

// Beside returns the path of another module of the tree that the module's own file is in: of
// net/garp/garp, as a Module.symvers says. "" means that it is not there.
func (m *Module) Beside(module string) string {
	for dir := filepath.Dir(m.Path); ; dir = filepath.Dir(dir) {
		name := filepath.Join(dir, filepath.FromSlash(module)+".ko")
		for _, suffix := range []string{"", ".xz", ".zst", ".gz"} { // scripts/Makefile.modinst
			if info, err := os.Stat(name + suffix); err == nil && info.Mode().IsRegular() {
				return name + suffix
			}
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}
