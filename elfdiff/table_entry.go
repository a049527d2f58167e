package elfdiff

import (
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/object"
)

// isWalked reports whether a section is a table that code can go through: for one
// whose name is an identifier in C, linkers make the symbols __start_NAME and
// __stop_NAME (GNU ld, "Input section example").
func isWalked(section string) bool {
	for i := range len(section) {
		c := section[i]
		if c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return section != ""
}

// kernelTables lists tables of which the kernel also reads those of a module that
// is loaded, or whose new entries are for tracing and debugging only (kernel/
// module/main.c of Linux 6.1 and 6.12: find_module_sections).
var kernelTables = []string{
	"__dyndbg", "__verbose", "__tracepoint", "__bpf_raw_tp_map", "_ftrace_e", "__trace_printk_fmt",
	"__syscalls_metadata", "_error_injection_whitelist", "_kprobe_blacklist", "___srcu_struct_ptrs",
	"alloc_tags", "_ftrace_annotated_branch", "_ftrace_branch",
}

// tableEntries reports entries of tables that only pre or only post has, by the
// objects that they are: whoever goes through a table does so from its start to its
// end, and what travels is at neither.
func (j *judge) tableEntries() {
	for i := range j.Data {
		ch := &j.Data[i]
		switch {
		case ch.Status == New && j.carriesTables && strings.HasPrefix(j.Post.SectionName(j.Post.Atoms[ch.Post].Section), probeless):
			j.probeless(ch)
		case ch.Status == New && j.isEntry(j.Post, ch.Post) && !j.isHook(ch.Post):
			j.report(findingAt(j.Post, CodeTableEntry, ch.Post, 0, "it is new in a table that goes by its section"))
		case ch.Status == Removed && j.isEntry(j.Pre, ch.Pre):
			j.report(findingAt(j.Pre, CodeTableEntry, ch.Pre, 0, "post has no such entry in a table that goes by its section"))
		}
	}
}

// probeless is the list of functions that no kprobe may be put on (include/asm-generic/
// kprobes.h).
const probeless = "_kprobe_blacklist"

// probeless says that the mark of a new function is not carried.
func (j *judge) probeless(ch *Change) {
	f := findingAt(j.Post, CodeTableEntry, ch.Post, 0, "it is not carried, so that kprobes can be put on the function that it is about")
	f.Severity, f.Accept = Ignored, ""
	j.report(f)
}

// isEntry reports whether an object seems to be in memory as an entry of a table:
// by the name of its section, or since nothing else tells where it is.
func (j *judge) isEntry(o *object.Object, id object.AtomID) bool {
	a := &o.Atoms[id]
	section := o.SectionName(a.Section)
	if isPlain(section) || a.Kind == object.TLS || a.Size == 0 || j.past(o, id) != nil {
		return false
	}
	if j.carriesTables && isKernelTable(section) {
		return false
	}
	return isWalked(section) || o.IsLocal(a) && len(o.Users(id)) == 0
}

// isKernelTable reports whether a section is in the list of kernelTables.
func isKernelTable(section string) bool {
	return slices.ContainsFunc(kernelTables, func(t string) bool { return strings.HasPrefix(section, t) })
}
