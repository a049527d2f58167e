package elfdiff

import (
	"debug/elf"
	"hash/maphash"
	"sort"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/symname"
)

// traits are what the rules look at.
type traits struct {
	name    string
	stem    string
	file    string // of the STT_FILE symbol before it; "" for a global
	section string
	class   byte // what may pair at all: functions, objects, thread-local objects
	global  bool
	number  bool  // the name has a compiler's number
	place   int32 // of an anonymous atom, among those of its section; from 1
	of      int32 // how many anonymous atoms its section has
}

// A rung turns the traits of an atom into a key; atoms of pre and post whose
// key is unique on both sides are twins. Rungs run in order, each over what
// is still single.
type rung struct {
	rule verdict.Rule
	weak bool // numbered variables need a user in common, see consistent
	// key is false when the rule does not apply.
	key func(c *correlation, o *object.Object, id object.AtomID, t *traits) (rungKey, bool)
}

// A rungKey is what two atoms have to have in common for one rung.
type rungKey struct {
	name, file, section string
	numbers             [2]uint64
	class               byte
}

var ladder = []rung{
	{verdict.RuleGlobal, false, func(_ *correlation, _ *object.Object, _ object.AtomID, t *traits) (rungKey, bool) {
		return rungKey{class: t.class, name: t.name}, t.global
	}},
	{verdict.RuleSection, false, func(_ *correlation, _ *object.Object, _ object.AtomID, t *traits) (rungKey, bool) {
		return rungKey{class: t.class, name: t.name, file: t.file, section: t.section}, !t.number && t.place == 0
	}},
	{verdict.RuleFile, false, func(_ *correlation, _ *object.Object, _ object.AtomID, t *traits) (rungKey, bool) {
		return rungKey{class: t.class, name: t.name, file: t.file}, !t.number && t.place == 0
	}},
	{verdict.RuleLocal, false, func(_ *correlation, _ *object.Object, _ object.AtomID, t *traits) (rungKey, bool) {
		return rungKey{class: t.class, name: t.name}, !t.number && t.place == 0
	}},
	{verdict.RuleStem, false, func(_ *correlation, _ *object.Object, _ object.AtomID, t *traits) (rungKey, bool) {
		return rungKey{name: t.stem, file: t.file}, t.place == 0 && t.class == classFunc
	}},
	{verdict.RuleStem, true, func(_ *correlation, _ *object.Object, _ object.AtomID, t *traits) (rungKey, bool) {
		return rungKey{class: t.class, name: t.stem, file: t.file}, t.place == 0 && t.class != classFunc
	}},
	{verdict.RulePlace, false, func(_ *correlation, _ *object.Object, _ object.AtomID, t *traits) (rungKey, bool) {
		return rungKey{class: t.class, section: t.section, numbers: [2]uint64{uint64(t.place), uint64(t.of)}}, t.place > 0
	}},
}

// lateLadder runs when the uses are exhausted.
var lateLadder = []rung{
	{verdict.RuleContent, true, func(c *correlation, o *object.Object, id object.AtomID, t *traits) (rungKey, bool) {
		if t.class == classFunc || t.place > 0 {
			return rungKey{}, false
		}
		// what the object holds, without its references
		a := &o.Atoms[id]
		content := [2]uint64{a.Size, maphash.Bytes(c.seed, a.Bytes)}
		return rungKey{class: t.class, name: t.stem, file: t.file, numbers: content}, true
	}},
}

// The classes: only atoms of one class can be twins.
const (
	classFunc   = 'f'
	classObject = 'o'
	classTLS    = 't'
)

func classOf(a *object.Atom) byte {
	switch a.Kind {
	case object.Func:
		return classFunc
	case object.Data, object.Const:
		return classObject
	case object.TLS:
		return classTLS
	}
	return 0
}

// traitsOf computes the traits of all atoms that are paired by name. Others
// keep class 0.
func traitsOf(o *object.Object) []traits {
	files := fileSymbols(o.Symbols())
	out := make([]traits, len(o.Atoms))
	count := make([]int32, len(o.File.Sections)) // of nameless atoms
	for i := range o.Atoms {
		a := &o.Atoms[i]
		class := classOf(a)
		if class == 0 || a.IsLiteral() {
			continue
		}
		t := &out[i]
		if a.Anonymous() {
			count[a.Section]++
			t.place = count[a.Section]
		}
		t.class, t.name = class, symname.Unpromoted(a.Name)
		t.stem = symname.Stem(t.name)
		t.number = t.name != t.stem
		t.section = symname.Stem(o.SectionName(a.Section))
		t.global = t.place == 0 && t.name == a.Name
		for _, s := range a.Symbols {
			if sym := &o.Symbols()[s]; sym.Name == a.Name && sym.Bind() == elf.STB_LOCAL {
				t.global, t.file = false, files.scope(o.Symbols(), s)
			}
		}
	}
	for i := range out {
		out[i].of = count[o.Atoms[i].Section]
	}
	return out
}

// A fileList is the STT_FILE symbols of an object (gABI chapter 4, symbol
// types).
type fileList []elfobj.SymbolIndex

func fileSymbols(syms []elfobj.Symbol) fileList {
	var l fileList
	for i := range syms {
		if syms[i].Type() == elf.STT_FILE {
			l = append(l, elfobj.SymbolIndex(i))
		}
	}
	return l
}

// scope returns the name of the STT_FILE symbol before a local symbol, or of
// itself when it is one: the scope of its name in what ld -r has joined.
func (l fileList) scope(syms []elfobj.Symbol, local elfobj.SymbolIndex) string {
	i := sort.Search(len(l), func(i int) bool { return l[i] > local })
	if i == 0 {
		return ""
	}
	return syms[l[i-1]].Name
}
