package preproc

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Same reports whether a compiler makes the same of two texts, but for debug information and
// the numbers of local names: they are the same, or what differs is not used by anything
// that makes code or data. why says which, or what makes a difference. When in doubt, it does.
func Same(pre, post []byte) (same bool, why string) {
	if bytes.Equal(pre, post) {
		return true, "the preprocessed text is the same"
	}
	front, a, b, back, err := differing(pre, post)
	if err != nil {
		return false, err.Error()
	}
	gone, common := less(a, b)
	come, other := less(b, a)
	if len(common) != len(other) {
		return false, "declarations are there more often"
	}
	for i := range common {
		if common[i].text() != other[i].text() {
			return false, "declarations are in another order"
		}
	}
	if len(gone)+len(come) == 0 {
		return true, "the preprocessed text is the same"
	}
	dirty := map[string]bool{}
	for _, it := range come {
		if it.tokens[0].is("_Static_assert") {
			return false, "an assertion is new"
		}
	}
	for _, it := range append(gone, come...) {
		names, inert := it.names()
		if !inert {
			return false, "it differs: " + it.head()
		}
		for _, n := range names {
			dirty[n] = true
		}
	}
	n := len(dirty)
	if user := spread([][]item{front, common, back}, dirty); user != nil {
		return false, "it uses what differs: " + user.head()
	}
	return true, fmt.Sprintf("nothing in it uses what differs (%d names)", n)
}

// differing cuts two texts into items, and sets those aside that are the same in front of all that
// differs, and behind it. What is the same is read once.
func differing(pre, post []byte) (front, a, b, back []item, err error) {
	all, err := split(pre)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	same, ends := ends(pre, post)
	lo := 0
	for lo < len(all) && all[lo].end < same {
		lo++
	}
	behind := item{fresh: true}
	if lo > 0 {
		behind = all[lo-1]
	}
	hi := lo // the first item behind those that differ
	b, stopped, err := splitFrom(post, behind, func(it *item) bool {
		at := it.end - len(post) + len(pre)
		if it.end < len(post)-ends {
			return false
		}
		for hi < len(all) && all[hi].end < at {
			hi++
		}
		return hi < len(all) && all[hi].end == at && all[hi].fresh == it.fresh
	})
	if err != nil {
		return nil, nil, nil, nil, err
	}
	if hi++; !stopped {
		hi = len(all)
	}
	return all[:lo], all[lo:hi], b, all[hi:], nil
}

// ends are how many bytes are the same in front, and behind that at the end.
func ends(pre, post []byte) (front, back int) {
	n := min(len(pre), len(post))
	for front < n && pre[front] == post[front] {
		front++
	}
	for n -= front; back < n && pre[len(pre)-1-back] == post[len(post)-1-back]; {
		back++
	}
	return front, back
}

// less returns the items of a list that another list does not have, and the others.
func less(list, from []item) (without, common []item) {
	count := make(map[string]int, len(from))
	for i := range from {
		count[from[i].text()]++
	}
	for i := range list {
		if text := list[i].text(); count[text] > 0 {
			count[text]--
			common = append(common, list[i])
		} else {
			without = append(without, list[i])
		}
	}
	return without, common
}

// spread adds to some names those of all items that use one, until there are no more. It
// returns an item that uses one and makes code or data, if there is one.
func spread(lists [][]item, dirty map[string]bool) *item {
	var is [][]bool
	for _, list := range lists {
		is = append(is, make([]bool, len(list)))
	}
	for more := true; more; {
		more = false
		for k, list := range lists {
			for i := range list {
				if is[k][i] || !list[i].uses(dirty) {
					continue
				}
				names, inert := list[i].names()
				if !inert {
					return &list[i]
				}
				is[k][i], more = true, true
				for _, n := range names {
					dirty[n] = true
				}
			}
		}
	}
	return nil
}

// uses reports whether an item has one of some names: by itself, as a string, which attributes have
// it as, or in a directive.
func (it *item) uses(names map[string]bool) bool {
	for _, t := range it.tokens {
		switch {
		case names[string(t)]:
			return true
		case t[0] == '"' && len(t) > 2 && names[string(t[1:len(t)-1])]:
			return true
		case t[0] == '#' && len(t) > 1 && slices.ContainsFunc(strings.FieldsFunc(string(t), notName), func(w string) bool { return names[w] }):
			return true
		}
	}
	return false
}

func notName(r rune) bool { return r < 0x80 && !isName(byte(r)) }

// head is how an item begins, for people.
func (it *item) head() string {
	const longest = 60
	text := strings.TrimSpace(it.text())
	if len(text) > longest {
		text = text[:longest] + "..."
	}
	return text
}
