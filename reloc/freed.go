package reloc

import (
	"slices"

	"github.com/gosplice/gosplice/internal/kerneltab"
)

// wasFreed reports whether a running kernel has freed a function, by where run's
// symbols have it, or by its section. Of one that only starting needs, what is
// left of its name is another file's.
func (m *solver) wasFreed(f *fn, places []place) bool {
	if !m.img.IsKernel() || !m.img.IsRunning() {
		return false
	}
	starts := kerneltab.Of(m.pre.File.Sections[f.atom.Section].Name).Has(kerneltab.Freed)
	freed := slices.ContainsFunc(places, func(p place) bool { return m.isFreed(p.addr) })
	switch {
	case starts && (freed || len(places) == 0):
		return true
	case len(places) == 0:
		return false
	}
	return len(f.cands) == 0 // none is left
}
