package hazard

import (
	"slices"
	"strings"
)

// otherPairs are functions of the kernel by which a task sleeps, and those that wake it; those that allocate memory, and
// those that free it. What ends in * stands for all names that begin so.
var otherPairs = []struct {
	kind       string
	what       What
	take, give []string
}{
	{"completion", Sleep, []string{"wait_for_completion*"}, []string{"complete", "complete_all"}},
	{"queue", Sleep, []string{"prepare_to_wait*", "add_wait_queue*"}, []string{"__wake_up*"}},
	{"bit", Sleep, []string{"out_of_line_wait_on_bit*"}, []string{"wake_up_bit"}},
	{"variable", Sleep, []string{"init_wait_var_entry"}, []string{"wake_up_var"}},
	{"memory", Memory,
		[]string{"__kmalloc*", "kmalloc_*", "kmem_cache_alloc*", "kmemdup*", "kstrdup", "kstrndup", "kasprintf", "kvmalloc*", "__kvmalloc*", "vmalloc*", "vzalloc*", "memdup_user*", "__get_free_pages*", "get_zeroed_page*"},
		[]string{"kfree", "kfree_sensitive", "kvfree", "kvfree_*", "vfree", "kmem_cache_free", "free_pages"}},
}

// otherPair says what a function does, by its name.
func otherPair(name string) (kind string, b balance) {
	is := func(pattern string) bool { return matches(pattern, name) }
	for i := range otherPairs {
		p := &otherPairs[i]
		b = balance{takes: slices.ContainsFunc(p.take, is), gives: slices.ContainsFunc(p.give, is), what: p.what}
		if b.takes || b.gives {
			return p.kind, b
		}
	}
	return "", balance{}
}

// matches reports whether a name is what a pattern says, which may end in *.
func matches(pattern, name string) bool {
	prefix, all := strings.CutSuffix(pattern, "*")
	return name == prefix || all && strings.HasPrefix(name, prefix)
}
