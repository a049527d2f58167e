package explain

import (
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/symname"
)

// renamed explains that a function of pre and post has another name.
func (d *Pair) renamed(ch *verdict.Change) (Explanation, bool) {
	switch ch.Status {
	case verdict.Changed:
		pre, post := d.Pre.Atoms[ch.Pre].Name, d.Post.Atoms[ch.Post].Name
		b, p := symname.Variant(pre)
		c, q := symname.Variant(post)
		if b != c || slices.Equal(p, q) {
			return Explanation{}, false
		}
		return Explanation{Code: Renamed, Symbol: b, Text: fmt.Sprintf("%s became %s%s%s", pre, post, meaning("pre", p, q), meaning("post", q, p))}, true
	case verdict.New, verdict.Removed:
		return d.variantOnly(ch)
	}
	return Explanation{}, false
}

// meaning says what the words mean that only one side has.
func meaning(side string, words, others []string) string {
	s := ""
	for _, w := range words {
		if !slices.Contains(others, w) {
			s += fmt.Sprintf("; %s in %s: %s", w, side, symname.Variants[w])
		}
	}
	return s
}

// variantOnly explains a variant that only one side has, when the other has
// the function.
func (d *Pair) variantOnly(ch *verdict.Change) (Explanation, bool) {
	base, words := symname.Variant(ch.Name)
	side, other := "post", "pre"
	if ch.Status == verdict.Removed {
		side, other = other, side
	}
	for _, c := range d.index().byBase[base] {
		if _, w := symname.Variant(c.Name); c != ch && c.Status != ch.Status && !slices.Equal(w, words) {
			text := fmt.Sprintf("only %s has %s, and %s has %s%s%s", side, ch.Name, other, c.Name, meaning(side, words, w), meaning(other, w, words))
			return Explanation{Code: Renamed, Symbol: base, Text: text}, true
		}
	}
	return Explanation{}, false
}
