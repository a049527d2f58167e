package hazard

import (
	"maps"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
)

// allocators are functions of the kernel that allocate memory, and those that free what they have allocated: to free it by
// others damages what is in use. What ends in * stands for all names that begin so.
var allocators = []struct {
	kind       string
	take, give []string
}{
	{"kmalloc", []string{"__kmalloc*", "kmalloc_*", "kmem_cache_alloc_trace", "kmem_cache_alloc_node_trace", "kmemdup*", "kstrdup", "kstrdup_const", "kstrndup", "kasprintf", "memdup_user", "memdup_user_nul"}, []string{"kfree", "kfree_sensitive", "kfree_const"}},
	{"kvmalloc", []string{"kvmalloc*", "__kvmalloc*", "kvmemdup*", "vmemdup_user"}, []string{"kvfree", "kvfree_sensitive"}},
	{"vmalloc", []string{"vmalloc*", "vzalloc*", "__vmalloc*"}, []string{"vfree", "vfree_atomic"}},
	{"kmem_cache_alloc", []string{"kmem_cache_alloc", "kmem_cache_alloc_*"}, []string{"kmem_cache_free"}},
	{"pages", []string{"__get_free_pages*", "get_zeroed_page*"}, []string{"free_pages", "free_pages_exact"}},
	{"alloc_percpu", []string{"__alloc_percpu*", "pcpu_alloc*"}, []string{"free_percpu"}},
}

// Allocations says how functions of an object allocate memory, and free it.
type Allocations struct{ balances }

// AllocationsOf prepares it for an object.
func AllocationsOf(o *object.Object) *Allocations {
	return &Allocations{newBalances(o, func(_ *object.Atom, _ int, name string) (string, balance) {
		for i := range allocators {
			k := &allocators[i]
			b := balance{takes: slices.ContainsFunc(k.take, func(p string) bool { return matches(p, name) }), gives: slices.Contains(k.give, name), what: Memory}
			if b.takes || b.gives {
				return k.kind, b
			}
		}
		return "", balance{}
	})}
}

// Realloc is another way to allocate, or to free: what pre does, and post does instead.
type Realloc struct{ Pre, Post string }

// Reallocs lists by which other ways a function of post allocates memory than its twin of pre, and frees it.
func Reallocs(pre, post *Allocations, p, q object.AtomID) (takes, gives []Realloc) {
	a, b := pre.of(p), post.of(q)
	for _, was := range slices.Sorted(maps.Keys(a)) {
		for _, is := range slices.Sorted(maps.Keys(b)) {
			if a[was].takes && !b[was].takes && b[is].takes && !a[is].takes {
				takes = append(takes, Realloc{was, is})
			}
			if a[was].gives && !b[was].gives && b[is].gives && !a[is].gives {
				gives = append(gives, Realloc{was, is})
			}
		}
	}
	return takes, gives
}

// FreedBefore lists what a function of post frees before the place that a pointer leads to, by how far before, where its twin of pre,
// which frees too, has no such distance.
func FreedBefore(pre, post *Allocations, p, q object.AtomID) (list []string) {
	was, frees := pre.before(p)
	if !frees {
		return nil
	}
	is, _ := post.before(q)
	for place := range is {
		if !was[place] {
			list = append(list, place)
		}
	}
	slices.Sort(list)
	return list
}

// before tells the distances at which a function frees what lies before the place of a pointer, and whether it frees at all.
func (l *Allocations) before(id object.AtomID) (list map[string]bool, frees bool) {
	a := &l.o.Atoms[id]
	var c *code
	for i := range a.Refs {
		r := &a.Refs[i]
		if r.Target != object.NoAtom || !object.IsCall(a, r) {
			continue
		}
		if _, b := l.direct(a, i, l.o.Symbol(r.Sym).Name); !b.gives {
			continue
		}
		if frees = true; c == nil {
			if c, list = codeOf(l.o, a), map[string]bool{}; c == nil {
				return nil, true
			}
		}
		if at, ok := c.index[r.Offset-1]; ok {
			if place := c.place(at); strings.HasPrefix(place, "-") {
				list[place] = true
			}
		}
	}
	return list, frees
}

// Allocates reports whether a function allocates memory.
func (l *Allocations) Allocates(id object.AtomID) bool {
	for _, b := range l.of(id) {
		if b.takes {
			return true
		}
	}
	return false
}
