package reloc

import (
	"github.com/gosplice/gosplice/elfdiff/object"
	"strings"
)

// chainOf returns the name of the chain that a section of code belongs to. Behind
// .text.. are names of the kernel's own, which linker scripts place one by one.
func chainOf(section string) string {
	for _, class := range [...]string{".text.unlikely", ".text.hot", ".text.startup", ".text.exit"} {
		if rest, ok := strings.CutPrefix(section, class); ok && (rest == "" || rest[0] == '.') {
			return class
		}
	}
	if strings.HasPrefix(section, mainChain) && !strings.HasPrefix(section, ".text..") {
		return mainChain
	}
	return section
}

// chainName returns the name of the chain that an atom belongs to.
func (m *comparer) chainName(a *object.Atom) string {
	return chainOf(m.pre.File.Sections[a.Section].Name)
}
