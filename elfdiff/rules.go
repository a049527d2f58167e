package elfdiff

import (
	"debug/elf"
	"hash/maphash"
	"strconv"

	"github.com/gosplice/gosplice/internal/elfobj"
)

// Rule says by which rung of the ladder two atoms were paired.
type Rule string

// The rungs, from certain to weak. Each exists for a kind of symbol:
//
//	global    main: there is only one
//	section   parse (static): same name, file and section
//	file      parse (static), which moved to another section
//	local     parse (static) in a file that was renamed
//	stem      count.0 and count.3: the only one of that stem in the file
//	use       key.1 and key.2 in two functions: paired by who uses them
//	content   table.0 and table.1: the only ones with that content
//	place     data without a name: by its place among the nameless of a section
//	order     what is left of one stem when both sides have as many
const (
	RuleNone    Rule = ""
	RuleGlobal  Rule = "global"
	RuleSection Rule = "section"
	RuleFile    Rule = "file"
	RuleLocal   Rule = "local"
	RuleStem    Rule = "stem"
	RuleUse     Rule = "use"
	RuleContent Rule = "content"
	RulePlace   Rule = "place"
	RuleOrder   Rule = "order"
)

// traits are what the rules look at.
type traits struct {
	name    string
	stem    string
	file    string // of the STT_FILE symbol before it; "" for a global
	section string
	class   byte // what may pair at all: functions, objects, thread-local objects
	global  bool
	number  bool // the name has a compiler's number
	place   int  // of an anonymous atom, among those of its section; from 1
	of      int  // how many anonymous atoms its section has
}

// A rung turns the traits of an atom into a key; atoms of pre and post whose
// key is unique on both sides are twins. Rungs run in order, each over what
// is still single.
type rung struct {
	rule Rule
	weak bool                                                         // numbered variables need a user in common, see consistent
	key  func(c *correlation, o *Object, id AtomID, t *traits) string // "" = the rule does not apply
}

// sep separates the parts of a key; no name contains it, since names end at a
// NUL in the file.
const sep = "\x00"

var ladder = []rung{
	{RuleGlobal, false, func(_ *correlation, _ *Object, _ AtomID, t *traits) string {
		if !t.global {
			return ""
		}
		return string(t.class) + t.name
	}},
	{RuleSection, false, func(_ *correlation, _ *Object, _ AtomID, t *traits) string {
		if t.number || t.place > 0 {
			return ""
		}
		return string(t.class) + t.name + sep + t.file + sep + t.section
	}},
	{RuleFile, false, func(_ *correlation, _ *Object, _ AtomID, t *traits) string {
		if t.number || t.place > 0 {
			return ""
		}
		return string(t.class) + t.name + sep + t.file
	}},
	{RuleLocal, false, func(_ *correlation, _ *Object, _ AtomID, t *traits) string {
		if t.number || t.place > 0 {
			return ""
		}
		return string(t.class) + t.name
	}},
	{RuleStem, false, func(_ *correlation, _ *Object, _ AtomID, t *traits) string {
		if t.place > 0 || t.class != classFunc {
			return ""
		}
		return t.stem + sep + t.file
	}},
	{RuleStem, true, func(_ *correlation, _ *Object, _ AtomID, t *traits) string {
		if t.place > 0 || t.class == classFunc {
			return ""
		}
		return string(t.class) + t.stem + sep + t.file
	}},
	{RulePlace, false, func(_ *correlation, _ *Object, _ AtomID, t *traits) string {
		if t.place == 0 {
			return ""
		}
		return string(t.class) + t.section + sep + strconv.Itoa(t.place) + sep + strconv.Itoa(t.of)
	}},
}

// lateLadder runs when the uses are exhausted.
var lateLadder = []rung{
	{RuleContent, true, func(c *correlation, o *Object, id AtomID, t *traits) string {
		if t.class == classFunc || t.place > 0 {
			return ""
		}
		return string(t.class) + t.stem + sep + t.file + sep + contentKey(c.seed, &o.Atoms[id])
	}},
}

// The classes: only atoms of one class can be twins.
const (
	classFunc   = 'f'
	classObject = 'o'
	classTLS    = 't'
)

func classOf(a *Atom) byte {
	switch a.Kind {
	case Func:
		return classFunc
	case Data, Const:
		return classObject
	case TLS:
		return classTLS
	}
	return 0
}

// traitsOf computes the traits of all atoms that are paired by name. Others
// keep class 0.
func traitsOf(o *Object) []traits {
	files := fileScopes(o.symbols)
	out := make([]traits, len(o.Atoms))
	count := make([]int, len(o.bySection)) // of nameless atoms
	for i := range o.Atoms {
		a := &o.Atoms[i]
		class := classOf(a)
		if class == 0 || isLiteral(a) {
			continue
		}
		t := &out[i]
		if a.Anonymous() {
			count[a.Section]++
			t.place = count[a.Section]
		}
		t.class, t.name, t.stem = class, a.Name, stem(a.Name)
		t.number = t.name != t.stem
		t.section = stem(o.sectionName(a.Section))
		t.global = t.place == 0
		for _, s := range a.Symbols {
			if sym := &o.symbols[s]; sym.Name == a.Name && sym.Bind() == elf.STB_LOCAL {
				t.global, t.file = false, files[s]
			}
		}
	}
	for i := range out {
		out[i].of = count[o.Atoms[i].Section]
	}
	return out
}

// fileScopes returns for each local symbol the name of the STT_FILE symbol
// before it (gABI chapter 4, symbol types): the scope of its name in what
// ld -r has joined.
func fileScopes(syms []elfobj.Symbol) []string {
	out := make([]string, len(syms))
	file := ""
	for i := range syms {
		if syms[i].Type() == elf.STT_FILE {
			file = syms[i].Name
		}
		if syms[i].Bind() == elf.STB_LOCAL {
			out[i] = file
		}
	}
	return out
}

// isLiteral reports whether an atom is compared by content wherever it is
// used, instead of being paired.
func isLiteral(a *Atom) bool {
	return a.Kind.IsLiteral() || a.Kind == Const && (a.Anonymous() || isLiteralName(a.Name))
}

// contentKey is a digest of what an object holds, without its references.
func contentKey(seed maphash.Seed, a *Atom) string {
	return strconv.FormatUint(a.Size, 16) + sep + strconv.FormatUint(maphash.Bytes(seed, a.Bytes), 16)
}
