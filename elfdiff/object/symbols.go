package object

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/symname"
)

// MaxAliases bounds the names of one atom that are compared.
const MaxAliases = 64

// IsGlobal reports whether others can link to a symbol.
func (o *Object) IsGlobal(i elfobj.SymbolIndex) bool { return o.Symbol(i).Bind() != elf.STB_LOCAL }

// Globals lists the names of an atom that others can link to; what ThinLTO made
// known is for one link only.
func (o *Object) Globals(a *Atom) []string {
	if a == nil {
		return nil
	}
	var names []string
	for _, i := range a.Symbols[:min(len(a.Symbols), MaxAliases)] {
		if name := o.symbols[i].Name; o.IsGlobal(i) && symname.Unpromoted(name) == name {
			names = append(names, o.symbols[i].Name)
		}
	}
	return names
}

// IsLocal reports whether only this object can name the atom.
func (o *Object) IsLocal(a *Atom) bool {
	if a == nil {
		return false
	}
	for _, s := range a.Symbols {
		if o.symbols[s].Bind() != elf.STB_LOCAL {
			return false
		}
	}
	return true
}
