package elfdiff

import (
	"debug/elf"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/internal/compare"
	"github.com/gosplice/gosplice/elfdiff/internal/insn"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/symname"
)

// exported is what a name means to other objects that are linked with one: a place in
// an atom, or a number.
type exported struct {
	sym  *elfobj.Symbol
	atom object.AtomID // NoAtom for an absolute symbol
	off  uint64        // in the atom, bytes; the value of an absolute symbol
}

// exportedNames maps the names that others can link to to what they mean.
func exportedNames(o *object.Object) map[string]exported {
	m := map[string]exported{}
	for i := range o.Symbols() {
		if s := &o.Symbols()[i]; s.Section == elfobj.SecAbs && o.IsGlobal(elfobj.SymbolIndex(i)) {
			m[s.Name] = exported{s, object.NoAtom, s.Value}
		}
	}
	for i := range o.Atoms {
		a := &o.Atoms[i]
		for _, n := range a.Symbols {
			if s := &o.Symbols()[n]; o.IsGlobal(n) && s.Name != "" && symname.Unpromoted(s.Name) == s.Name {
				m[s.Name] = exported{s, a.ID, s.Value - a.Offset}
			}
		}
	}
	return m
}

// crcPrefix begins the names of absolute symbols that hold the version of an export
// (scripts/mod/modpost.c of Linux 6.1), which modules are checked against when they
// are loaded.
const crcPrefix = "__crc_"

// exports compares what names mean that both sides give to others.
func (j *judge) exports() {
	pre, post := exportedNames(j.Pre), exportedNames(j.Post)
	for i := range j.Post.Symbols() { // in the order of the file
		name := j.Post.Symbols()[i].Name
		q, ok := post[name]
		p, both := pre[name]
		if !ok || !both || q.sym != &j.Post.Symbols()[i] || j.carried.Tables && strings.HasPrefix(name, crcPrefix) || j.past(j.Post, q.atom) != nil {
			continue
		}
		if what := j.means(p, q); what != "" {
			f := findingAt(j.Post, CodeExported, q.atom, q.off, "the name %s that other objects can use %s", insn.Clip(name), what)
			f.Symbol = name
			if q.atom == object.NoAtom {
				f.Offset = 0
			}
			j.report(f)
		}
	}
}

// means says how two symbols of one name differ for who links to them.
func (j *judge) means(p, q exported) string {
	switch {
	case (p.atom == object.NoAtom) != (q.atom == object.NoAtom):
		return "is a number on one side and a place on the other"
	case p.atom == object.NoAtom && p.off != q.off:
		return "has another value"
	case weakness(p.sym) != weakness(q.sym):
		return "is weak on one side only: linkers choose between definitions by that"
	case isIFunc(p.sym) != isIFunc(q.sym):
		return "is resolved when the program starts on one side only"
	case p.atom == object.NoAtom || j.twins.Post[p.atom] == object.NoAtom || j.twins.Pre[q.atom] == object.NoAtom:
		return "" // what is new or removed has a verdict of its own, see splits
	case j.twins.Post[p.atom] != q.atom:
		return "means something else in post"
	case !j.samePlace(p, q):
		return "means another place in it"
	}
	return ""
}

// samePlace compares places in twins. In a function that is the same, filling and the
// width of jumps move them.
func (j *judge) samePlace(p, q exported) bool {
	if p.off == q.off && (p.off == 0 || j.Post.Atoms[q.atom].Kind != object.Func) {
		return true
	}
	if j.Post.Atoms[q.atom].Kind != object.Func {
		return false
	}
	return j.c.Corresponds(&compare.Interior{Pre: p.atom, Post: q.atom, PreOff: int64(p.off), PostOff: int64(q.off)})
}

// weakness reports whether a linker prefers another definition.
func weakness(s *elfobj.Symbol) bool { return s.Bind() == elf.STB_WEAK }

// isIFunc reports whether a function chooses what the name means (psABI, STT_GNU_IFUNC).
func isIFunc(s *elfobj.Symbol) bool { return s.Type() == elf.STT_GNU_IFUNC }

// symbols compares the names under which others can reach the twins: an alias
// or a binding is no code, but whoever links against post can tell.
func (j *judge) symbols() {
	for i := range j.list {
		a, b := &j.Pre.Atoms[j.list[i].Pre], &j.Post.Atoms[j.list[i].Post]
		if len(a.Symbols) == 1 && len(b.Symbols) == 1 && j.Pre.IsGlobal(a.Symbols[0]) == j.Post.IsGlobal(b.Symbols[0]) {
			continue // the name alone, by which they were paired
		}
		p, q := j.Pre.Globals(a), j.Post.Globals(b)
		for _, name := range q {
			if !slices.Contains(p, name) {
				j.report(findingAt(j.Post, CodeSymbols, b.ID, 0, "post makes it known as %s, pre does not", name))
			}
		}
		for _, name := range p {
			if !slices.Contains(q, name) {
				j.report(findingAt(j.Pre, CodeSymbols, a.ID, 0, "pre makes it known as %s, post does not", name))
			}
		}
	}
}
