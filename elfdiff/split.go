package elfdiff

import (
	"debug/elf"
	"sync"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/internal/compare"
	"github.com/gosplice/gosplice/elfdiff/internal/correlate"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/symname"
)

// splits judges names that share a place on one side only: aliases, and functions
// or objects that the compiler folded (gcc -fipa-icf). What is redirected is an
// address, with all names that stand there: a name that leads to one thing in the
// running program, and to another than its twin in post, can't have what post wants.
func (j *judge) splits() {
	s := &splitter{judge: j}
	for i := range j.Pre.Atoms {
		a := &j.Pre.Atoms[i]
		if correlate.ClassOf(a) == 0 || a.IsLiteral() || isPrefixPadding(a) || s.alone(a) {
			continue
		}
		s.called, s.compared = nil, 0
		for _, n := range a.Symbols {
			if nameIs(j.Pre, a, n) {
				s.name(a, n)
			}
		}
	}
}

// splitter is the state of splits.
type splitter struct {
	*judge
	post *nameIndex // of post; made when needed
	twin *nameIndex // of pre, likewise
	// called says whether only direct calls lead to the present atom of pre, and
	// compared how often its code was compared with that of others.
	called   *bool
	compared int
}

// alone reports whether an atom and its twin have one name, which is the same.
func (s *splitter) alone(a *object.Atom) bool {
	twin := s.twins.Post[a.ID]
	if twin == object.NoAtom || len(a.Symbols) != 1 {
		return false
	}
	b := &s.Post.Atoms[twin]
	return len(b.Symbols) == 1 && s.Pre.Symbols()[a.Symbols[0]].Name == s.Post.Symbols()[b.Symbols[0]].Name
}

// nameIs reports whether a symbol names the whole of an atom, by a name of the
// source: numbers of the compiler's are not the same in pre and post.
func nameIs(o *object.Object, a *object.Atom, i elfobj.SymbolIndex) bool {
	s := &o.Symbols()[i]
	if s.Value != a.Offset || symname.IsLocalLabel(s.Name) || symname.IsNumbered(s.Name) || symname.Unpromoted(s.Name) != s.Name {
		return false
	}
	return s.Type() != elf.STT_NOTYPE || s.Bind() != elf.STB_LOCAL
}

// name compares what one name of an atom of pre is in post.
func (s *splitter) name(a *object.Atom, n elfobj.SymbolIndex) {
	m, ok := s.inPost(n)
	if !ok {
		return // it is gone from post, and nothing there can mean it
	}
	twin := s.twins.Post[a.ID]
	b := s.Post.Atom(s.Post.AtomOf(m))
	switch {
	case b == nil && (twin == object.NoAtom || s.same(twin)), s.isPast(a, b):
		return
	case b != nil && s.other(s.Pre, a, s.Pre.Symbols()[n].Name) == "" && s.other(s.Post, b, s.Pre.Symbols()[n].Name) == "":
		return // it shares its place with nothing
	case b != nil && (b.ID == twin && s.Post.Symbols()[m].Value == b.Offset || correlate.ClassOf(b) != correlate.ClassOf(a)):
		return
	case b != nil && s.harmless(a, n, b, twin):
		return
	}
	s.report(findingAt(s.Pre, CodeSharedAddress, a.ID, 0, "%s", s.tell(s.Pre.Symbols()[n].Name, a, b, twin)))
}

// tell says what a name shares its place with, and on which side.
func (s *splitter) tell(name string, a, b *object.Atom, twin object.AtomID) string {
	other, side, elsewhere := s.other(s.Pre, a, name), "pre", "post has it elsewhere"
	switch {
	case b == nil:
		elsewhere = "post has it in another object"
	case other == "" || twin == object.NoAtom:
		other, side, elsewhere = s.other(s.Post, b, name), "post", "pre has it elsewhere, with another content"
	}
	return name + " is another name for " + other + " in " + side + ", and " + elsewhere
}

// other returns another name of an atom than the one given, or "".
func (s *splitter) other(o *object.Object, a *object.Atom, name string) string {
	for _, i := range a.Symbols[:min(len(a.Symbols), object.MaxAliases)] {
		if n := o.Symbols()[i].Name; n != name && o.Symbols()[i].Value == a.Offset && !symname.IsLocalLabel(n) {
			return n
		}
	}
	return ""
}

func (s *splitter) isPast(a, b *object.Atom) bool {
	return s.past(s.Pre, a.ID) != nil || b != nil && s.past(s.Post, b.ID) != nil
}

// same reports whether nothing changes about an atom of post that has a twin.
func (s *splitter) same(post object.AtomID) bool {
	i := s.index[post]
	return i >= 0 && s.list[i].Status == verdict.Same
}

// harmless reports whether whoever uses a name of a gets what b of post has: since
// both are the same and what is at the name's place stays, or since only direct
// calls of functions lead there, which count as changed.
func (s *splitter) harmless(a *object.Atom, n elfobj.SymbolIndex, b *object.Atom, twin object.AtomID) bool {
	local := !s.Pre.IsGlobal(n)
	switch {
	case a.Kind == object.Func && b.Kind == object.Func:
		stays := twin == object.NoAtom || s.same(twin)
		return local && s.isCalled(a) || stays && s.sameCode(a, b)
	case a.Kind == object.Const && b.Kind == object.Const:
		return local || (twin == object.NoAtom || s.same(twin)) && data(s.c, a, b) == nil
	}
	return false
}

// isCalled reports whether only direct calls lead to the present atom of pre.
func (s *splitter) isCalled(a *object.Atom) bool {
	if s.called == nil {
		only := s.onlyCalled(s.Pre, a.ID)
		s.called = &only
	}
	return *s.called
}

// sameCode compares two functions that are no twins.
func (s *splitter) sameCode(a, b *object.Atom) bool {
	if s.compared++; s.compared > object.MaxAliases {
		return false
	}
	r, _ := s.c.Function(a, b)
	return r == nil
}

// inPost returns the symbol of post that has the name of a symbol of pre, in the
// scope of the same file where it is local and there are several.
func (s *splitter) inPost(n elfobj.SymbolIndex) (elfobj.SymbolIndex, bool) {
	if s.post == nil {
		s.post, s.twin = indexOf(s.Post), indexOf(s.Pre)
	}
	name := s.Pre.Symbols()[n].Name
	if m, ok := s.post.single[name]; ok && m != 0 {
		_, twice := s.twin.single[name]
		return m, twice && s.twin.single[name] != 0
	}
	if s.Pre.IsGlobal(n) {
		return 0, false
	}
	m, ok := s.post.scoped[scopedName{name, s.twin.files.Scope(s.Pre.Symbols(), n)}]
	return m, ok && m != 0
}

// A nameIndex finds the symbols of an object by their names: 0 stands for several.
type nameIndex struct {
	single map[string]elfobj.SymbolIndex
	scoped map[scopedName]elfobj.SymbolIndex // local ones, by the file they are of
	files  correlate.FileList
}

type scopedName struct{ name, file string }

func indexOf(o *object.Object) *nameIndex {
	x := &nameIndex{map[string]elfobj.SymbolIndex{}, map[scopedName]elfobj.SymbolIndex{}, correlate.FileSymbols(o.Symbols())}
	for i := range o.Symbols() {
		s, n := &o.Symbols()[i], elfobj.SymbolIndex(i)
		if s.Name == "" || s.Type() == elf.STT_FILE || s.Type() == elf.STT_SECTION || symname.IsLocalLabel(s.Name) {
			continue
		}
		put(x.single, s.Name, n)
		if s.Bind() == elf.STB_LOCAL {
			put(x.scoped, scopedName{s.Name, x.files.Scope(o.Symbols(), n)}, n)
		}
	}
	return x
}

// put enters a symbol, or that there are several.
func put[K comparable](m map[K]elfobj.SymbolIndex, key K, n elfobj.SymbolIndex) {
	if _, twice := m[key]; twice {
		n = 0
	}
	m[key] = n
}

// SameCode reports whether two functions of post do the same, by code that is equal
// but for what [Compare] takes for no change. Functions with cold parts, and those
// that call themselves, never are.
func (d *Diff) SameCode(a, b object.AtomID) bool {
	if a < 0 || b < 0 || a == b {
		return a == b && a >= 0
	}
	d.alike.once.Do(d.prepareAlike)
	if d.alike.cold[a] || d.alike.cold[b] {
		return false
	}
	x, y := &d.Post.Atoms[a], &d.Post.Atoms[b]
	r, incidental := compare.NewComparer(d.Post, d.Post, d.alike.self).Function(x, y)
	return r == nil && len(incidental) == 0
}

// alike is what [Diff.SameCode] needs, once it was asked.
type alike struct {
	once sync.Once
	self correlate.Twins        // each atom of post is its own
	cold map[object.AtomID]bool // functions that have cold parts
}

func (d *Diff) prepareAlike() {
	n := len(d.Post.Atoms)
	d.alike.self = correlate.Twins{Post: make([]object.AtomID, n), Pre: make([]object.AtomID, n)}
	for i := range n {
		d.alike.self.Post[i], d.alike.self.Pre[i] = object.AtomID(i), object.AtomID(i)
	}
	d.alike.cold = map[object.AtomID]bool{}
	for _, f := range d.Post.Functions() {
		if f.Owner != object.NoAtom {
			d.alike.cold[f.Owner] = true
		}
	}
}
