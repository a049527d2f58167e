package hazard

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/internal/debug"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// What is stored in a container is where a comparison or a hash said. One that says something else
// does not find it, and stores it twice.

// containers are the classes of the C++ library that store by a key, with the methods that say where
// (bits/stl_tree.h, bits/hashtable.h and bits/hashtable_policy.h of libstdc++). Methods that do more
// than that are told where they change themselves, whatever they call.
var containers = []container{
	{"St8_Rb_treeI",
		[]string{"_M_get_insert_unique_pos", "_M_get_insert_equal_pos", "_M_get_insert_hint_unique_pos", "_M_get_insert_hint_equal_pos", "_M_lower_bound", "_M_upper_bound", "find", "count", "lower_bound", "upper_bound", "equal_range"},
		[]string{"_M_insert_unique", "_M_insert_equal"}},
	{"St10_HashtableI", []string{"_M_find_before_node", "_M_find_node", "_M_bucket_index", "find", "count", "equal_range"}, []string{"_M_insert_unique", "_M_emplace_uniq"}},
	{"St8__detail15_Hash_code_baseI", []string{"_M_hash_code", "_M_bucket_index"}, nil},
	{"St8__detail9_Map_baseI", nil, []string{"ix", "at"}},
}

type container struct {
	class       string // as a mangled name begins it
	look, place []string
}

// searches are functions of C libraries that store by a comparison or a hash that they are given,
// and find by it again; sorts and finds are halves of that.
var (
	searches = []string{"tsearch", "tfind", "tdelete", "g_tree_new", "g_tree_new_with_data", "g_tree_new_full", "g_hash_table_new", "g_hash_table_new_full"}
	sorts    = []string{"qsort", "qsort_r", "heapsort", "mergesort", "g_ptr_array_sort", "g_array_sort"}
	finds    = []string{"bsearch", "g_array_binary_search"}
)

// An Lookup is a function by which what is stored is found again.
type Lookup struct {
	Function object.AtomID // of post; one that changed
	Offset   uint64        // in it
	By       string        // who goes by it, for people
}

// Lookups lists the functions of post by which containers that are there already find what they have. changed
// has where each that changed begins to differ.
func Lookups(post *object.Object, changed map[object.AtomID]uint64) (list []Lookup) {
	called := lookups(post, changed)
	for _, id := range slices.Sorted(maps.Keys(changed)) {
		a, off := &post.Atoms[id], changed[id]
		own := ""
		if containerMethod(a.Name) != notPlacing {
			own = a.Name
		}
		if by := cmp.Or(called[id], own, functor(post, a.Name), handedTo(post, id), inlinedLookup(post, a, off)); by != "" {
			list = append(list, Lookup{id, off, by})
		}
	}
	return list
}

type placing uint8

const (
	notPlacing placing = iota
	looks              // it says where something is, and no more
	places             // it does that, and stores it
)

// containerMethod says what a function is to a container, by its mangled name.
func containerMethod(name string) placing {
	for _, c := range containers {
		i := strings.Index(name, c.class)
		if i < 0 || i > len("_ZNK") {
			continue // of another class, which has a container for its argument
		}
		has := func(list []string) bool {
			return slices.ContainsFunc(list, func(m string) bool {
				return strings.Contains(name, "E"+mangled(m))
			})
		}
		switch {
		case has(c.look):
			return looks
		case has(c.place):
			return places
		}
	}
	return notPlacing
}

// mangled returns a name of the source as a mangled one has it, and an operator (ix) as it is.
func mangled(name string) string {
	if name == "ix" {
		return name + "E"
	}
	return fmt.Sprintf("%d%s", len(name), name)
}

// lookDepth bounds how many calls behind a method of a container a comparison is looked for.
const lookDepth = 4

// lookups says of changed functions which methods of containers call them to find something.
func lookups(o *object.Object, changed map[object.AtomID]uint64) map[object.AtomID]string {
	by := map[object.AtomID]string{}
	for i := range o.Atoms {
		a := &o.Atoms[i]
		if a.Kind != object.Func || containerMethod(a.Name) != looks {
			continue
		}
		met := map[object.AtomID]bool{a.ID: true}
		for work, depth := []object.AtomID{a.ID}, 0; len(work) > 0 && depth < lookDepth; depth++ {
			var next []object.AtomID
			for _, id := range work {
				b := &o.Atoms[id]
				for k := range b.Refs {
					to := b.Refs[k].Target
					if to == object.NoAtom || met[to] || !object.IsCall(b, &b.Refs[k]) || o.Atoms[to].Kind != object.Func {
						continue
					}
					met[to] = true
					next = append(next, to)
					if _, ok := changed[to]; ok && by[to] == "" {
						by[to] = a.Name
					}
				}
			}
			work = next
		}
	}
	return by
}

// functor says which container of the object has a class for its comparison or its hash whose call
// (operator()) a function is; "" for none.
func functor(o *object.Object, name string) string {
	class, ok := strings.CutPrefix(name, "_ZNK")
	i := strings.LastIndex(class, "cl")
	if !ok || i <= 0 {
		return ""
	}
	if class = class[:i]; strings.HasPrefix(class, "St4hashI") {
		return "containers with the hash of a type"
	}
	for k := range o.Atoms {
		a := &o.Atoms[k]
		has := func(c container) bool { return strings.Contains(a.Name, c.class) }
		if a.Kind == object.Func && strings.Contains(a.Name, class) && slices.ContainsFunc(containers, has) {
			return a.Name
		}
	}
	return ""
}

// handedTo says which function of a library gets the address of one, to store by it.
func handedTo(o *object.Object, id object.AtomID) string {
	var sorted, found bool
	for _, u := range o.Users(id) {
		a := &o.Atoms[u]
		if a.Kind != object.Func {
			continue
		}
		for i := range a.Refs {
			if a.Refs[i].Target != id || object.IsCall(a, &a.Refs[i]) {
				continue
			}
			name := nextCall(o, a, i+1)
			if slices.Contains(searches, name) {
				return name
			}
			sorted, found = sorted || slices.Contains(sorts, name), found || slices.Contains(finds, name)
		}
	}
	if sorted && found {
		return "what sorts by it, and what searches by it,"
	}
	return ""
}

// nextCall returns the name of what the next call goes to, from a reference on.
func nextCall(o *object.Object, a *object.Atom, from int) string {
	for i := from; i < len(a.Refs); i++ {
		if r := &a.Refs[i]; r.Target == object.NoAtom && !r.Implicit && isCallOf(a, r) {
			return o.Symbol(r.Sym).Name
		} else if object.IsCall(a, r) {
			return ""
		}
	}
	return ""
}

// isCallOf reports whether a reference is a call, by a displacement or through a slot (-fno-plt).
func isCallOf(a *object.Atom, r *object.Ref) bool {
	const indirect, call, jump = 0xff, 0x15, 0x25 // and the ModRM of a place relative to RIP
	if object.IsCall(a, r) {
		return true
	}
	return r.Offset >= 2 && r.Offset <= uint64(len(a.Bytes)) && a.Bytes[r.Offset-2] == indirect && (a.Bytes[r.Offset-1] == call || a.Bytes[r.Offset-1] == jump)
}

// inlinedLookup says which method of a container is inlined where a function begins to differ.
func inlinedLookup(o *object.Object, a *object.Atom, at uint64) string {
	m := debug.InlineMapOf(o, a)
	if m == nil {
		return ""
	}
	for _, c := range m.Chain(at) {
		name, _, _ := strings.Cut(c.Name, "<")
		for _, k := range containers {
			if strings.HasPrefix(name, "_M_") && slices.Contains(k.look, strings.TrimSuffix(name, "_tr")) { // for keys of other types
				return c.Name + ", which is inlined in it,"
			}
		}
	}
	return ""
}
