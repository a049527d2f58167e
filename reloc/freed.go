package reloc

import (
	"slices"

	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/internal/prove"
)

// wasFreed reports whether a running kernel has freed a function, by where run's
// symbols have it, or by its section. Of one that only starting needs, what is
// left of its name is another file's.
func (m *solver) wasFreed(f *fn, places []prove.Place) bool {
	if !m.c.Image.IsKernel() || !m.c.Image.IsRunning() {
		return false
	}
	starts := kerneltab.Of(m.c.Pre.File.Sections[f.atom.Section].Name).Has(kerneltab.Freed)
	freed := slices.ContainsFunc(places, func(p prove.Place) bool { return m.c.IsFreed(p.Addr) })
	switch {
	case starts && (freed || len(places) == 0):
		return true
	case len(places) == 0:
		return false
	}
	return len(f.cands) == 0 // none is left
}
