package elfdiff

import (
	"debug/elf"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
)

// exported is what a name means to other objects that are linked with one: a place in
// an atom, or a number.
type exported struct {
	sym  *elfobj.Symbol
	atom AtomID // NoAtom for an absolute symbol
	off  uint64 // in the atom, bytes; the value of an absolute symbol
}

// exportedNames maps the names that others can link to to what they mean.
func (o *Object) exportedNames() map[string]exported {
	m := map[string]exported{}
	for i := range o.symbols {
		if s := &o.symbols[i]; s.Section == elfobj.SecAbs && o.global(elfobj.SymbolIndex(i)) {
			m[s.Name] = exported{s, NoAtom, s.Value}
		}
	}
	for i := range o.Atoms {
		a := &o.Atoms[i]
		for _, n := range a.Symbols {
			if s := &o.symbols[n]; o.global(n) && s.Name != "" && unpromoted(s.Name) == s.Name {
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
	pre, post := j.Pre.exportedNames(), j.Post.exportedNames()
	for i := range j.Post.symbols { // in the order of the file
		name := j.Post.symbols[i].Name
		q, ok := post[name]
		p, both := pre[name]
		if !ok || !both || q.sym != &j.Post.symbols[i] || j.carriesTables && strings.HasPrefix(name, crcPrefix) || j.past(j.Post, q.atom) != nil {
			continue
		}
		if what := j.means(p, q); what != "" {
			f := j.Post.finding(CodeExported, q.atom, q.off, "the name %s that other objects can use %s", clip(name), what)
			f.Symbol = name
			if q.atom == NoAtom {
				f.Offset = 0
			}
			j.report(f)
		}
	}
}

// means says how two symbols of one name differ for who links to them.
func (j *judge) means(p, q exported) string {
	switch {
	case (p.atom == NoAtom) != (q.atom == NoAtom):
		return "is a number on one side and a place on the other"
	case p.atom == NoAtom && p.off != q.off:
		return "has another value"
	case weakness(p.sym) != weakness(q.sym):
		return "is weak on one side only: linkers choose between definitions by that"
	case isIFunc(p.sym) != isIFunc(q.sym):
		return "is resolved when the program starts on one side only"
	case p.atom == NoAtom || j.twins.post[p.atom] == NoAtom || j.twins.pre[q.atom] == NoAtom:
		return "" // what is new or removed has a verdict of its own, see splits
	case j.twins.post[p.atom] != q.atom:
		return "means something else in post"
	case !j.samePlace(p, q):
		return "means another place in it"
	}
	return ""
}

// samePlace compares places in twins. In a function that is the same, filling and the
// width of jumps move them.
func (j *judge) samePlace(p, q exported) bool {
	if p.off == q.off && (p.off == 0 || j.Post.Atoms[q.atom].Kind != Func) {
		return true
	}
	if j.Post.Atoms[q.atom].Kind != Func {
		return false
	}
	return j.c.corresponds(&interior{p.atom, q.atom, int64(p.off), int64(q.off)})
}

// weakness reports whether a linker prefers another definition.
func weakness(s *elfobj.Symbol) bool { return s.Bind() == elf.STB_WEAK }

// isIFunc reports whether a function chooses what the name means (psABI, STT_GNU_IFUNC).
func isIFunc(s *elfobj.Symbol) bool { return s.Type() == elf.STT_GNU_IFUNC }
