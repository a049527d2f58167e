package hazard

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// counted are functions of the kernel that take a reference, and those that give it back.
var counted = []struct {
	kind       string
	take, give []string
}{
	{"device", []string{"get_device"}, []string{"put_device"}},
	{"kobject", []string{"kobject_get", "kobject_get_unless_zero"}, []string{"kobject_put"}},
	{"module", []string{"try_module_get", "__module_get"}, []string{"module_put"}},
	{"file", []string{"fget", "fget_raw", "fget_task"}, []string{"fput"}},
	{"inode", []string{"igrab", "ihold"}, []string{"iput"}},
	{"dentry", []string{"lockref_get", "lockref_get_not_dead", "dget_parent"}, []string{"dput"}},
	{"mount", []string{"mntget"}, []string{"mntput"}},
	{"path", []string{"path_get"}, []string{"path_put"}},
	{"of_node", []string{"of_node_get"}, []string{"of_node_put"}},
	{"fwnode", []string{"fwnode_handle_get"}, []string{"fwnode_handle_put"}},
	{"PCI device", []string{"pci_dev_get"}, []string{"pci_dev_put"}},
	{"USB device", []string{"usb_get_dev"}, []string{"usb_put_dev"}},
	{"USB interface", []string{"usb_get_intf"}, []string{"usb_put_intf"}},
	{"BPF program", []string{"bpf_prog_inc", "bpf_prog_inc_not_zero"}, []string{"bpf_prog_put"}},
	{"BPF map", []string{"bpf_map_inc", "bpf_map_inc_with_uref", "bpf_map_inc_not_zero"}, []string{"bpf_map_put", "bpf_map_put_with_uref"}},
	{inlinedCount, nil, []string{"put_pid"}},
}

// A reference that is counted by refcount_t is taken and given back inline. What goes wrong with the
// count is reported by a function, whose second argument says what was done: one of the enumerators
// of enum refcount_saturation_type (include/linux/refcount.h), of which the first ones are of what adds.
const (
	inlinedCount  = "refcount_t"
	countReporter = "refcount_warn_saturate"
	lastOfAdding  = 2 // REFCOUNT_ADD_UAF
)

// Counts says what functions of an object do about references.
type Counts struct{ balances }

// CountsOf prepares it.
func CountsOf(o *object.Object) *Counts { return &Counts{newBalances(o, countedBy)} }

// A Half is a function that does one half of what is done about a kind of references, on one side alone.
type Half struct {
	Kind   string
	Takes  bool // or gives back
	Gained bool // by post, or lost
}

// HalvesOf compares a function of pre with its twin of post, with what both call in their objects.
func HalvesOf(pre, post *Counts, p, q object.AtomID) (list []Half) {
	a, b := pre.of(p), post.of(q)
	kinds := maps.Clone(a)
	maps.Copy(kinds, b)
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		switch x, y := a[kind], b[kind]; {
		case x.takes != y.takes && x.gives == y.gives:
			list = append(list, Half{kind, true, y.takes})
		case x.gives != y.gives && x.takes == y.takes:
			list = append(list, Half{kind, false, y.gives})
		}
	}
	return list
}

// countedBy says what a call of a function does, by its name: reference r of a.
func countedBy(a *object.Atom, r int, name string) (kind string, b balance) {
	if name == countReporter {
		if what, ok := secondArgument(a.Bytes[:a.Refs[r].Offset-1]); ok {
			return inlinedCount, balance{takes: what <= lastOfAdding, gives: what > lastOfAdding}
		}
		return "", b
	}
	for _, k := range counted {
		if b := (balance{takes: slices.Contains(k.take, name), gives: slices.Contains(k.give, name)}); b.takes || b.gives {
			return k.kind, b
		}
	}
	return "", b
}

// secondArgument returns the number that code which ends in front of a call puts into ESI, where one of the
// few instructions before it does: mov $n,%esi, or xor %esi,%esi.
func secondArgument(code []byte) (n uint32, ok bool) {
	const (
		near   = 4  // instructions
		window = 32 // bytes
	)
	for size := 1; size <= min(window, len(code)); size++ {
		b := code[len(code)-size:]
		switch {
		case size >= 5 && b[0] == 0xbe:
			n = binary.LittleEndian.Uint32(b[1:])
		case size >= 2 && b[0] == 0x31 && b[1] == 0xf6:
			n = 0
		default:
			continue
		}
		if decodes(b, near) {
			return n, true
		}
	}
	return 0, false
}

// decodes reports whether code is a few whole instructions, none of which branches.
func decodes(b []byte, most int) bool {
	for ; len(b) > 0 && most > 0; most-- {
		in, err := amd64.Decode(b)
		if err != nil || int(in.Len) > len(b) || in.IsBranch() {
			return false
		}
		b = b[in.Len:]
	}
	return len(b) == 0
}
