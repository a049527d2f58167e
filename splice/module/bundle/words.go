package bundle

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/dwarf"
)

// Words are the names in the source of new code: of all that the patch changes, and of functions and
// variables whose code differs.
type Words struct {
	// Names are all but those of members, and but what the patch brings along and local labels.
	Names []string `json:"names"`
	// Members are behind -> and ., and Loose those of them whose object is no name: (x)->y.
	Members []string `json:"members"`
	Loose   []string `json:"loose"`
	// Whole are names of what may be copied or counted with as a whole; Sized says that any
	// expression may be.
	Whole []string `json:"whole"`
	Sized bool     `json:"sized"`
	// Functions are those whose variables they are about, by their names in debug information.
	Functions []string `json:"functions"`
	// Uses are the functions of the object without the patch that use a name too.
	Uses map[string][]string `json:"uses"`
}

// side is an object with the items of its sources.
type side struct {
	o     *object.Object
	data  *dwarf.Data
	index *dwarf.Index
	items map[string][]item  // by path
	paths []string           // sorted
	code  map[string][]*item // of items, all but directives: by lines, none in another
}

// sideOf reads the sources of one side. ok is false where one can't be told apart, or there is no
// debug information.
func sideOf(o *object.Object, sources []Source, text func(*Source) []byte) (s *side, ok bool) {
	s = &side{o: o, data: dwarf.New(o.File), items: map[string][]item{}, code: map[string][]*item{}}
	var err error
	if s.index, err = s.data.Index(); err != nil {
		return nil, false
	}
	for i := range sources {
		if s.items[sources[i].Path], ok = itemsOf(text(&sources[i])); !ok {
			return nil, false
		}
	}
	s.paths = slices.Sorted(maps.Keys(s.items))
	for _, name := range s.paths {
		for i := range s.items[name] {
			if it := &s.items[name][i]; !it.directive {
				s.code[name] = append(s.code[name], it)
			}
		}
	}
	return s, len(sources) > 0
}

// wordsOf returns the words of an object, nil where they can't be told.
func wordsOf(it *Item) *Words {
	pre, ok := sideOf(it.Diff.Pre, it.Sources, func(s *Source) []byte { return s.Pre })
	if !ok {
		return nil
	}
	post, ok := sideOf(it.Diff.Post, it.Sources, func(s *Source) []byte { return s.Post })
	if !ok {
		return nil
	}
	w := &collector{pre: pre, post: post, chosen: map[*item]bool{}, all: newWords()}
	w.changedText()
	if !w.changedCode(it) {
		return nil
	}
	return w.words()
}

// collector collects the words of new code.
type collector struct {
	pre, post *side
	chosen    map[*item]bool
	all       words
	own       map[string]bool // macros that the patch defines
}

// choose takes an item's words.
func (w *collector) choose(i *item) {
	if !w.chosen[i] {
		w.chosen[i] = true
		w.all.add(&i.words)
	}
}

// changedText chooses what the sources have now and had not before.
func (w *collector) changedText() {
	w.own = map[string]bool{}
	for path, list := range w.post.items {
		had := map[string]bool{}
		for i := range w.pre.items[path] {
			had[string(w.pre.items[path][i].text)] = true
		}
		for i := range list {
			if had[string(list[i].text)] {
				continue
			}
			w.choose(&list[i])
			if list[i].directive && list[i].defines != "" {
				w.own[list[i].defines] = true
			}
		}
	}
}

// changedCode chooses the functions and variables that differ, and reports whether all are found.
func (w *collector) changedCode(it *Item) bool {
	d := it.Diff
	for i := range d.Functions {
		ch := &d.Functions[i]
		if ch.Status == verdict.Same || ch.Post == object.NoAtom || !d.Included(ch.Post) {
			continue
		}
		if a := d.Post.Atom(ch.Post); a.Owner == object.NoAtom && !w.chooseFunction(a) {
			return false
		}
	}
	for i := range d.Data {
		ch := &d.Data[i]
		if ch.Status == verdict.Same || ch.Post == object.NoAtom || !d.Included(ch.Post) {
			continue
		}
		if !w.chooseData(d.Post.Atom(ch.Post)) {
			return false
		}
	}
	return true
}

func (w *collector) chooseFunction(a *object.Atom) bool {
	e, ok := w.post.index.FunctionAt(dwarf.Addr{Section: a.Section, Offset: a.Offset})
	if !ok {
		return false
	}
	f := w.post.data.Function(e)
	i := w.post.itemAt(f.File, f.Line)
	if i == nil {
		return false
	}
	w.choose(i)
	return true
}

// chooseData takes a variable of the source: literals and what macros make have no words of their
// own, and a variable inside a function has those of the function.
func (w *collector) chooseData(a *object.Atom) bool {
	if a.IsLiteral() || a.Place || a.Name == "" || strings.HasPrefix(a.Name, "__UNIQUE_ID_") {
		return true
	}
	name, _, _ := strings.Cut(a.Name, ".")
	var e dwarf.Entry
	for _, off := range w.post.index.Variables {
		if !w.post.data.Entry(&e, off) || e.Name() != name {
			continue
		}
		line, _ := e.Int(dwarf.AttrDeclLine)
		if i := w.post.itemAt(e.File(dwarf.AttrDeclFile), int(line)); i != nil {
			w.choose(i)
			return true
		}
	}
	return w.all.names[name]
}

// itemAt returns what stands at a line of a source, nil where that is not known.
func (s *side) itemAt(file string, line int) *item {
	for _, name := range s.paths {
		if !samePath(file, name) {
			continue
		}
		list := s.code[name]
		i, _ := slices.BinarySearchFunc(list, line, func(it *item, line int) int { return cmp.Compare(it.end, line) })
		if i < len(list) && list[i].start <= line {
			return list[i]
		}
	}
	return nil
}

// samePath reports whether one path is the end of the other.
func samePath(a, b string) bool {
	a, b = path.Clean("/"+strings.TrimPrefix(a, "./")), path.Clean("/"+strings.TrimPrefix(b, "./"))
	return strings.HasSuffix(a, b) || strings.HasSuffix(b, a)
}

// words are what was chosen, without what needs no proof.
func (w *collector) words() *Words {
	out := &Words{Uses: map[string][]string{}, Members: sorted(w.all.members), Loose: sorted(w.all.loose), Whole: sorted(w.all.whole), Sized: w.all.sized, Functions: []string{}}
	functions := map[string]bool{}
	local, own := map[string]bool{}, w.own
	w.post.functions(func(f *dwarf.Function, e *dwarf.Entry) {
		if i := w.post.itemAt(f.File, f.Line); i != nil && w.chosen[i] {
			functions[f.Name] = true
			eachVariable(w.post.data, e, func(name string, _ uint64) { local[name] = true })
		}
	})
	for name := range w.post.defined() {
		own[name] = true
	}
	for name := range w.pre.defined() {
		delete(own, name)
	}
	names, known := map[string]bool{}, fixed()
	for name := range w.all.names {
		if !local[name] && !own[name] && !w.all.labels[name] && !known[name] {
			names[name] = true
		}
	}
	out.Names, out.Functions = sorted(names), sorted(functions)
	w.uses(out)
	return out
}

// uses notes who had the names before.
func (w *collector) uses(out *Words) {
	by := map[string]map[string]bool{}
	for _, a := range w.pre.o.Functions() {
		e, ok := w.pre.index.FunctionAt(dwarf.Addr{Section: a.Section, Offset: a.Offset})
		if !ok || a.Name == "" || a.Owner != object.NoAtom {
			continue
		}
		f := w.pre.data.Function(e)
		i := w.pre.itemAt(f.File, f.Line)
		if i == nil {
			continue
		}
		for name := range i.words.names {
			if by[name] == nil {
				by[name] = map[string]bool{}
			}
			by[name][a.Name] = true
		}
	}
	for _, name := range out.Names {
		if len(by[name]) > 0 {
			out.Uses[name] = sorted(by[name])
		}
	}
}

// functions yields the functions that debug information has code or text of.
func (s *side) functions(yield func(f *dwarf.Function, e *dwarf.Entry)) {
	var e dwarf.Entry
	for _, off := range s.index.Functions {
		if s.data.Entry(&e, off) && !e.Flag(dwarf.AttrDeclaration) {
			f := s.data.Function(off)
			yield(&f, &e)
		}
	}
}

// defined are the functions and variables that a unit defines.
func (s *side) defined() map[string]bool {
	out := map[string]bool{}
	var e dwarf.Entry
	for _, list := range [][]uint64{s.index.Functions, s.index.Variables} {
		for _, off := range list {
			if s.data.Entry(&e, off) && !e.Flag(dwarf.AttrDeclaration) && e.Name() != "" {
				out[e.Name()] = true
			}
		}
	}
	return out
}

// eachVariable yields the parameters and variables of a function, and its result with no name, but
// nothing of what is inlined into it.
func eachVariable(d *dwarf.Data, f *dwarf.Entry, yield func(name string, typ uint64)) {
	if _, typ, ok := named(d, f); ok {
		yield("", typ)
	}
	var e dwarf.Entry
	r := dwarf.ChildrenOf(f)
	for depth := 1; depth > 0 && f.Children && r.Next(&e); {
		switch e.Tag {
		case dwarf.TagNull:
			depth--
			continue
		case dwarf.TagFormalParameter, dwarf.TagVariable:
			if name, typ, ok := named(d, &e); ok {
				yield(name, typ)
			}
		}
		switch {
		case !e.Children:
		case e.Tag == dwarf.TagLexicalBlock:
			depth++
		default:
			r.Skip(&e)
		}
	}
}

// named returns the name and the type of an entry, which may stand at its origin.
func named(d *dwarf.Data, e *dwarf.Entry) (name string, typ uint64, ok bool) {
	x := *e
	for range maxDepth {
		if name == "" {
			name = x.Name()
		}
		if typ, ok = x.Ref(dwarf.AttrType); ok {
			return name, typ, true
		}
		to, more := x.Ref(dwarf.AttrOrigin)
		if !more {
			to, more = x.Ref(dwarf.AttrSpecification)
		}
		if !more || !d.Entry(&x, to) {
			return name, 0, false
		}
	}
	return name, 0, false
}

func sorted(set map[string]bool) []string {
	return append([]string{}, slices.Sorted(maps.Keys(set))...)
}
