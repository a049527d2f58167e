package object

import (
	"strings"

	"github.com/gosplice/gosplice/internal/symname"
)

// literalStems names compiler-made constants: objects with a symbol, but no
// identity in the source. They are compared by content wherever they are
// referred to, like anonymous data.
var literalStems = map[string]string{
	"CSWTCH":              "switch turned into a table",
	"__func__":            "name of the function",
	"__FUNCTION__":        "name of the function",
	"__PRETTY_FUNCTION__": "name of the function",
	"C":                   "constant aggregate",
}

// IsLiteralName reports whether a constant with this name is a literal.
func IsLiteralName(name string) bool {
	if !symname.IsNumbered(name) {
		return false
	}
	_, ok := literalStems[symname.Stem(name)]
	return ok
}

// isUnnamable reports whether no source computes the end of an object, so that
// a reference to its border means the neighbour.
func isUnnamable(a *Atom) bool {
	if a.IsLiteral() {
		return !a.Anonymous() && symname.Stem(a.Name) != "C"
	}
	_, single := FreshStem(a.Name)
	return single || symname.IsWhole(a.Name) || strings.HasPrefix(a.Name, symname.BTFPrefix)
}

// IsLiteral reports whether an atom is compared by content wherever it is
// used, instead of being paired.
func (a *Atom) IsLiteral() bool {
	return a.Kind.IsLiteral() || a.Place || a.Kind == Const && (a.Anonymous() || IsLiteralName(a.Name))
}

// freshStems names static variables of the kernel whose state matters for
// messages and for debugging only: a second one, with its initial value, does no
// harm.
var freshStems = map[string]string{
	"descriptor":                "a message of dynamic debug",
	"__UNIQUE_ID_ddebug":        "a message of dynamic debug",
	"__already_done":            "a message that is shown once",
	"__warned":                  "a message that is shown once",
	"__print_once":              "a message that is shown once",
	"__key":                     "a class of locks",
	"_rs":                       "the rate of a message",
	"___tp_str":                 "a name for tracing",
	"__tpstrtab_":               "a name for tracing",
	"__UNIQUE_ID___addressable": "it keeps a symbol from being dropped",
}

// FreshStem reports whether a name, or its stem, is that of a static variable of the kernel of
// which a second one, with its initial value, does no harm, and says what it is for.
func FreshStem(name string) (why string, ok bool) {
	why, ok = freshStems[symname.Variable(name)]
	return why, ok
}
