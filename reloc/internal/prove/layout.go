package prove

import (
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// MainChain is the chain of most functions.
const MainChain = kerneltab.Text

// ChainOf returns the name of the chain that a section of code belongs to. Behind
// .text.. are names of the kernel's own, which linker scripts place one by one.
func ChainOf(section string) string {
	for _, class := range [...]string{".text.unlikely", ".text.hot", ".text.startup", ".text.exit"} {
		if rest, ok := strings.CutPrefix(section, class); ok && (rest == "" || rest[0] == '.') {
			return class
		}
	}
	if strings.HasPrefix(section, MainChain) && !strings.HasPrefix(section, ".text..") {
		return MainChain
	}
	return section
}

// ChainName returns the name of the chain that an atom belongs to.
func (m *Comparer) ChainName(a *object.Atom) string {
	return ChainOf(m.Pre.File.Sections[a.Section].Name)
}

// maxFilled bounds what is taken for padding.
const maxFilled = 1 << 20

// IsFilled reports whether nothing but padding stands in [lo, hi) of run.
func (m *Comparer) IsFilled(lo, hi uint64) bool { return IsFilled(m.View, lo, hi) }

// IsFilled reports whether nothing but padding stands in [lo, hi).
func IsFilled(v *image.View, lo, hi uint64) bool {
	if lo == hi {
		return true
	}
	if lo > hi || hi-lo > maxFilled {
		return false
	}
	b, err := v.Bytes(lo, hi-lo)
	return err == nil && rewrite.IsPadding(b)
}
