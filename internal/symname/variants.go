package symname

import (
	"strings"
)

// Variants says what compilers do to a function before they add a word to its
// name.
var Variants = map[string]string{
	"isra":        "parameters split or dropped, or a result that nobody uses",
	"constprop":   "a copy for constant arguments",
	"part":        "the rest of a function whose beginning is inlined",
	"cold":        "the unlikely part",
	"localalias":  "another name for calls within the file",
	"lto_priv":    "made unique among files that are linked together",
	"llvm":        "a static function that another file needs",
	"__uniq":      "made unique among files",
	"specialized": "a copy for constant arguments",
}

// Variant takes a symbol apart: foo.isra.0.cold is foo, with isra and cold.
func Variant(symbol string) (base string, what []string) {
	base, rest, found := strings.Cut(symbol, ".")
	if !found || base == "" {
		return symbol, nil
	}
	for part := range strings.SplitSeq(rest, ".") {
		if _, known := Variants[part]; known {
			what = append(what, part)
		}
	}
	return base, what
}
