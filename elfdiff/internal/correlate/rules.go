package correlate

import (
	"bytes"
	"debug/elf"
	"fmt"
	"hash/maphash"
	"sort"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/symname"
)

// traits are what the rules look at.
type traits struct {
	name    string
	Stem    string
	File    string // of the STT_FILE symbol before it; "" for a global
	section string
	Class   byte // what may pair at all: functions, objects, thread-local objects
	global  bool
	number  bool  // the name has a compiler's number
	line    bool  // or that of a line, see numberLines
	place   int32 // of an anonymous atom, among those of its section; from 1
	of      int32 // how many anonymous atoms its section has
	// says is what a record about a message leads to, its texts: that of another message is
	// another one, wherever it stands. "" for what is no such record.
	says string
}

// A rung turns the traits of an atom into a key; atoms of pre and post whose
// key is unique on both sides are twins. Rungs run in order, each over what
// is still single.
type rung struct {
	rule verdict.Rule
	weak bool // numbered variables need a user in common, see consistent
	// key is false when the rule does not apply.
	key func(c *Correlation, o *object.Object, id object.AtomID, t *traits) (RungKey, bool)
}

// A RungKey is what two atoms have to have in common for one rung.
type RungKey struct {
	Name, File, section, says string
	numbers                   [2]uint64
	Class                     byte
}

var ladder = []rung{
	{verdict.RuleGlobal, false, func(_ *Correlation, _ *object.Object, _ object.AtomID, t *traits) (RungKey, bool) {
		return RungKey{Class: t.Class, Name: t.name}, t.global
	}},
	{verdict.RuleSection, false, func(_ *Correlation, _ *object.Object, _ object.AtomID, t *traits) (RungKey, bool) {
		return RungKey{Class: t.Class, Name: t.name, File: t.File, section: t.section}, !t.number && t.place == 0
	}},
	{verdict.RuleFile, false, func(_ *Correlation, _ *object.Object, _ object.AtomID, t *traits) (RungKey, bool) {
		return RungKey{Class: t.Class, Name: t.name, File: t.File}, !t.number && t.place == 0
	}},
	{verdict.RuleLocal, false, func(_ *Correlation, _ *object.Object, _ object.AtomID, t *traits) (RungKey, bool) {
		return RungKey{Class: t.Class, Name: t.name}, !t.number && t.place == 0
	}},
	{verdict.RuleStem, false, func(_ *Correlation, _ *object.Object, _ object.AtomID, t *traits) (RungKey, bool) {
		return RungKey{Name: t.Stem, File: t.File}, t.place == 0 && t.Class == classFunc
	}},
	{verdict.RuleStem, true, func(_ *Correlation, _ *object.Object, _ object.AtomID, t *traits) (RungKey, bool) {
		return RungKey{Class: t.Class, Name: t.Stem, File: t.File, says: t.says}, t.place == 0 && t.Class != classFunc
	}},
	{verdict.RulePlace, false, func(_ *Correlation, _ *object.Object, _ object.AtomID, t *traits) (RungKey, bool) {
		return RungKey{Class: t.Class, section: t.section, numbers: [2]uint64{uint64(t.place), uint64(t.of)}}, t.place > 0
	}},
}

// lateLadder runs when the uses are exhausted.
var lateLadder = []rung{
	{verdict.RuleContent, true, func(c *Correlation, o *object.Object, id object.AtomID, t *traits) (RungKey, bool) {
		if t.Class == classFunc || t.place > 0 {
			return RungKey{}, false
		}
		// what the object holds, without its references
		a := &o.Atoms[id]
		content := [2]uint64{a.Size, maphash.Bytes(c.seed, a.Bytes)}
		return RungKey{Class: t.Class, Name: t.Stem, File: t.File, says: t.says, numbers: content}, true
	}},
}

// The classes: only atoms of one class can be twins.
const (
	classFunc   = 'f'
	classObject = 'o'
	classTLS    = 't'
)

// ClassOf returns what atoms must have in common to be paired, by kind; 0 for those that
// are not paired.
func ClassOf(a *object.Atom) byte {
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
	files := FileSymbols(o.Symbols())
	out := make([]traits, len(o.Atoms))
	count := make([]int32, len(o.File.Sections)) // of nameless atoms
	for i := range o.Atoms {
		a := &o.Atoms[i]
		class := ClassOf(a)
		if class == 0 || a.IsLiteral() {
			continue
		}
		t := &out[i]
		if a.Anonymous() {
			count[a.Section]++
			t.place = count[a.Section]
		}
		t.Class, t.name = class, symname.Unpromoted(a.Name)
		t.Stem = symname.Stem(t.name)
		t.number = t.name != t.Stem
		t.section = symname.Stem(o.SectionName(a.Section))
		t.global = t.place == 0 && t.name == a.Name
		t.says = textsOf(o, a, t.Stem)
		for _, s := range a.Symbols {
			if sym := &o.Symbols()[s]; sym.Name == a.Name && sym.Bind() == elf.STB_LOCAL {
				t.global, t.File = false, files.Scope(o.Symbols(), s)
			}
		}
	}
	for i := range out {
		out[i].of = count[o.Atoms[i].Section]
	}
	return out
}

// textsOf joins the texts that a record about a message leads to, the name of its function among
// them. Without optimization they are no literals, but pieces of one anonymous constant.
func textsOf(o *object.Object, a *object.Atom, stem string) string {
	if _, fresh := object.FreshStem(stem); !fresh || a.Kind != object.Data {
		return ""
	}
	var b strings.Builder
	for i := range a.Refs {
		r := &a.Refs[i]
		if r.Target == object.NoAtom {
			continue
		}
		t := &o.Atoms[r.Target]
		if t.Kind != object.String && (t.Kind != object.Const || !t.IsLiteral()) {
			continue
		}
		tail, _ := object.Tail(t, r.TargetOff)
		text, _, _ := bytes.Cut(tail, []byte{0})
		fmt.Fprintf(&b, "%d %q ", r.Offset, text)
	}
	return b.String()
}

// A FileList is the STT_FILE symbols of an object (gABI chapter 4, symbol
// types).
type FileList []elfobj.SymbolIndex

// FileSymbols lists the STT_FILE symbols of a symbol table.
func FileSymbols(syms []elfobj.Symbol) FileList {
	var l FileList
	for i := range syms {
		if syms[i].Type() == elf.STT_FILE {
			l = append(l, elfobj.SymbolIndex(i))
		}
	}
	return l
}

// Scope returns the name of the STT_FILE symbol before a local symbol, or of
// itself when it is one: the scope of its name in what ld -r has joined.
func (l FileList) Scope(syms []elfobj.Symbol, local elfobj.SymbolIndex) string {
	i := sort.Search(len(l), func(i int) bool { return l[i] > local })
	if i == 0 {
		return ""
	}
	return syms[l[i-1]].Name
}
