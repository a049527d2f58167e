package reloc

import (
	"slices"
	"strings"
)

// isFreed reports whether an address is in memory that a running kernel has
// freed since it started.
func (m *matcher) isFreed(addr uint64) bool {
	r := m.view.RegionAt(addr)
	return r != nil && r.Freed
}

// startSections are those whose code a kernel frees once it has started
// (include/asm-generic/vmlinux.lds.h); x86 keeps .exit.text for as long.
var startSections = []string{".init.", ".exit.", ".meminit.", ".cpuinit."}

// wasFreed reports whether a running kernel has freed a function, by where run's
// symbols have it, or by its section. Of one that only starting needs, what is
// left of its name is another file's.
func (m *matcher) wasFreed(f *fn, places []place) bool {
	if !m.img.IsKernel() || !m.img.IsRunning() {
		return false
	}
	name := m.pre.File.Sections[f.atom.Section].Name
	starts := slices.ContainsFunc(startSections, func(p string) bool { return strings.HasPrefix(name, p) })
	freed := slices.ContainsFunc(places, func(p place) bool { return m.isFreed(p.addr) })
	switch {
	case starts && (freed || len(places) == 0):
		return true
	case len(places) == 0:
		return false
	}
	return len(f.cands) == 0 // none is left
}
