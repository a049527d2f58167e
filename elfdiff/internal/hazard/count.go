package hazard

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
)

// counted are functions of the kernel that take a reference, and those that give it back.
var counted = []struct {
	kind       string
	take, give []string
}{
	{"device", []string{"get_device", "bus_find_device", "class_find_device", "driver_find_device", "device_find_child", "device_find_child_by_name", "device_find_any_child"}, []string{"put_device"}},
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
	{"memory of a task", []string{"get_task_mm"}, []string{"mmput", "mmput_async"}},
	{"static key", []string{"static_key_slow_inc", "static_key_slow_inc_cpuslocked"}, []string{"static_key_slow_dec", "static_key_slow_dec_cpuslocked", "__static_key_slow_dec_deferred"}},
	{"interrupt", []string{"disable_irq", "disable_irq_nosync"}, []string{"enable_irq"}},
	{"write access", []string{"mnt_want_write", "__mnt_want_write", "mnt_want_write_file"}, []string{"mnt_drop_write", "__mnt_drop_write", "mnt_drop_write_file"}},
	{"frozen queue", []string{"blk_mq_freeze_queue", "blk_freeze_queue_start"}, []string{"blk_mq_unfreeze_queue"}},
	{"quiesced queue", []string{"blk_mq_quiesce_queue", "blk_mq_quiesce_queue_nowait"}, []string{"blk_mq_unquiesce_queue"}},
	{"clock", []string{"clk_enable"}, []string{"clk_disable"}},
	{"prepared clock", []string{"clk_prepare"}, []string{"clk_unprepare"}},
	{"regulator", []string{"regulator_enable"}, []string{"regulator_disable"}},
	{"line discipline", []string{"tty_ldisc_ref", "tty_ldisc_ref_wait"}, []string{"tty_ldisc_deref"}},
	{"request queue", []string{"blk_get_queue"}, []string{"blk_put_queue"}},
	{"disk", nil, []string{"put_disk"}},
	{"terminal", []string{"tty_port_tty_get"}, []string{"tty_kref_put"}},
	{"key", nil, []string{"key_put"}},
	{"route", nil, []string{"dst_release"}},
	{"pinned file system", []string{"simple_pin_fs"}, []string{"simple_release_fs"}},
}

// A reference that is counted by refcount_t is taken and given back inline. What goes wrong with the
// count is reported by a function, whose second argument says what was done: one of the enumerators
// of enum refcount_saturation_type (include/linux/refcount.h), of which the first ones are of what adds.
const (
	inlinedCount  = "refcount_t"
	countReporter = "refcount_warn_saturate"
	lastOfAdding  = 2 // REFCOUNT_ADD_UAF
)

// Counts says what functions of an object do about references, about counters, and about locks in which a task may sleep.
type Counts struct {
	balances
	locks *Locks
}

// lockName goes before the name of a lock.
const lockName = "&"

// CountsOf prepares it for an object, of whose functions it is known what they do about locks.
func CountsOf(locks *Locks) *Counts {
	c := &Counts{locks: locks}
	c.balances = newBalances(locks.o, c.call)
	c.balances.own = counters
	return c
}

// A Half is a function that does one half of what is done about a kind of references, or locks, on one side alone.
type Half struct {
	Kind   string
	What   What
	Takes  bool // or gives back
	Gained bool // by post, or lost
	Alone  bool // the other side has neither half
}

// Completes reports whether one half is the other one of a half: of what is taken, and given back, on one side
// alone. A lock without a name may be each one of its kind.
func (h Half) Completes(x Half) bool {
	if h.What != x.What || h.Takes == x.Takes || h.Gained != x.Gained {
		return false
	}
	kind, name, named := strings.Cut(h.Kind, " "+lockName)
	other, known, also := strings.Cut(x.Kind, " "+lockName)
	return kind == other && (name == known || !named || !also)
}

// CompletesFar is as Completes for a half of another object, which may be of another patch and have to do with nothing
// here: more has to be known of it. Who allocates, and what sleeps or is woken without a name, are many.
func (h Half) CompletesFar(x Half) bool {
	if !h.Alone || !x.Alone || !h.Completes(x) {
		return false
	}
	named := strings.Contains(h.Kind, " "+lockName) || strings.Contains(x.Kind, " "+lockName)
	return h.What != Memory && (h.What != Sleep || named)
}

// HalvesOf compares a function of pre with its twin of post, with what both call in their objects.
func HalvesOf(pre, post *Counts, p, q object.AtomID) (list []Half) {
	a, b := pre.of(p), post.of(q)
	for _, kind := range kindsOf(a, b) {
		x, y := a[kind], b[kind]
		what, alone := max(x.what, y.what), oneHalf(a, b, kind)
		if what != Reference && !alone {
			continue
		}
		switch {
		case x.takes != y.takes && x.gives == y.gives:
			list = append(list, Half{kind, what, true, y.takes, alone})
		case x.gives != y.gives && x.takes == y.takes:
			list = append(list, Half{kind, what, false, y.gives, alone})
		}
	}
	return list
}

// oneHalf reports whether one of two functions does one half, and the other one neither. One that does both, or the
// other half, has mended something. A lock without a name may be each one of its kind.
func oneHalf(a, b map[string]balance, kind string) bool {
	any, name, named := strings.Cut(kind, " "+lockName)
	of := func(m map[string]balance) (sum balance) {
		for other, b := range m {
			if k, known, also := strings.Cut(other, " "+lockName); k == any && (known == name || !named || !also) {
				sum = sum.and(b)
			}
		}
		return sum
	}
	x, y := of(a), of(b)
	return !x.takes && !x.gives && y.half() != "" || !y.takes && !y.gives && x.half() != ""
}

// call says what a call of a function does, by its name: reference r of a. With a spinlock a task does not sleep, and
// it goes over to new code only when it sleeps.
func (c *Counts) call(a *object.Atom, r int, name string) (kind string, b balance) {
	if strings.HasPrefix(name, raw) {
		return "", b
	}
	kind, b.takes, b.gives = lockOf(name)
	b.what = Lock
	if kind == "" {
		kind, b = otherPair(name)
	}
	if kind == "" {
		return countedBy(a, r, name)
	}
	if names := c.locks.argument(a, r); names != nil && b.what != Memory {
		kind += " " + lockName + names[0]
	}
	return kind, b
}

// countedBy says what a call of a function does about references.
func countedBy(a *object.Atom, r int, name string) (kind string, b balance) {
	if name == countReporter {
		if what, ok := secondArgument(a.Bytes[:a.Refs[r].Offset-1]); ok {
			return inlinedCount, balance{takes: what <= lastOfAdding, gives: what > lastOfAdding}
		}
		return "", b
	}
	for _, k := range counted {
		switch {
		case slices.Contains(k.take, name):
			return k.kind, balance{takes: true, taken: 1}
		case slices.Contains(k.give, name):
			return k.kind, balance{gives: true, given: 1}
		}
	}
	return "", b
}

// secondArgument returns the number that code which ends in front of a call puts into ESI.
func secondArgument(code []byte) (n uint32, ok bool) { return loadedBefore(code, 6) }

// loadedBefore returns the number that code puts into a register, one of the first eight, where one of its last few
// instructions does: mov $n,%esi, or xor %esi,%esi.
func loadedBefore(code []byte, reg int) (n uint32, ok bool) {
	if reg < 0 || reg > 7 {
		return 0, false
	}
	const (
		near   = 4  // instructions
		window = 32 // bytes
	)
	for size := 1; size <= min(window, len(code)); size++ {
		b := code[len(code)-size:]
		switch {
		case size >= 5 && b[0] == 0xb8|byte(reg):
			n = binary.LittleEndian.Uint32(b[1:])
		case size >= 2 && b[0] == 0x31 && b[1] == 0xc0|byte(reg)<<3|byte(reg):
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
