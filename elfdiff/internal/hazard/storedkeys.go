package hazard

import (
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/internal/members"
	"github.com/gosplice/gosplice/elfdiff/object"
)

// keyMembers are the members of tables of operations whose functions say where something is stored, and found again, in
// what lives on (include/linux/assoc_array.h, rhashtable-types.h, dcache.h; include/net/neighbour.h;
// security/selinux/ss/hashtab.h).
var keyMembers = []struct {
	in   string
	name []string
}{
	{"struct assoc_array_ops", []string{"get_key_chunk", "get_object_key_chunk", "diff_objects"}},
	{"struct rhashtable_params", []string{"hashfn", "obj_hashfn"}},
	{"struct dentry_operations", []string{"d_hash"}},
	{"struct neigh_table", []string{"hash"}},
	{"struct hashtab_key_params", []string{"hash"}},
}

// leastTable is below the size of each of these tables, in bytes. A single pointer, as what exports and starts functions is, has no
// debug information that would be looked for.
const leastTable = 16

// KeyMember says for which member of what variable a function says where something is stored; "" for none.
func KeyMember(o *object.Object, function object.AtomID) string {
	for _, id := range o.Users(function) {
		a := &o.Atoms[id]
		if a.Kind != object.Data && a.Kind != object.Const || a.Size < leastTable {
			continue
		}
		for i := range a.Refs {
			if a.Refs[i].Target != function {
				continue
			}
			m, _ := members.At(o, id, a.Refs[i].Offset*8)
			name := m.Path[strings.LastIndexByte(m.Path, '.')+1:]
			for _, k := range keyMembers {
				if k.in == m.In && slices.Contains(k.name, name) {
					return a.Name + m.Path
				}
			}
		}
	}
	return ""
}
