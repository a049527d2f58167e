package elfdiff

import (
	"debug/elf"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// symbols compares the names under which others can reach the twins: an alias
// or a binding is no code, but whoever links against post can tell.
func (j *judge) symbols() {
	for i := range j.list {
		a, b := &j.Pre.Atoms[j.list[i].Pre], &j.Post.Atoms[j.list[i].Post]
		if len(a.Symbols) == 1 && len(b.Symbols) == 1 && j.Pre.global(a.Symbols[0]) == j.Post.global(b.Symbols[0]) {
			continue // the name alone, by which they were paired
		}
		p, q := j.Pre.globals(a), j.Post.globals(b)
		for _, name := range q {
			if !slices.Contains(p, name) {
				j.report(j.Post.finding(CodeSymbols, b.ID, 0, "post makes it known as %s, pre does not", name))
			}
		}
		for _, name := range p {
			if !slices.Contains(q, name) {
				j.report(j.Pre.finding(CodeSymbols, a.ID, 0, "pre makes it known as %s, post does not", name))
			}
		}
	}
}

// maxAliases bounds the names of one atom that are compared.
const maxAliases = 64

func (o *Object) global(i elfobj.SymbolIndex) bool { return o.symbols[i].Bind() != elf.STB_LOCAL }

// globals lists the names of an atom that others can link to; what ThinLTO made
// known is for one link only.
func (o *Object) globals(a *Atom) []string {
	var names []string
	for _, i := range a.Symbols[:min(len(a.Symbols), maxAliases)] {
		if name := o.symbols[i].Name; o.global(i) && unpromoted(name) == name {
			names = append(names, o.symbols[i].Name)
		}
	}
	return names
}
