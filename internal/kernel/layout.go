package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Struct is the layout of one structure.
type Struct struct {
	Name    string
	Size    uint64            // bytes
	Offsets map[string]uint64 // of its members, bytes
	Bits    map[string]uint64 // width of members that are bit fields
}

// member is what the layout of a livepatch module needs of a structure.
type member struct {
	name     string
	members  []string
	optional bool // not in every version
}

// needed lists the structures that a livepatch module contains
// (include/linux/module.h, include/linux/livepatch.h), orc_entry
// (arch/x86/include/asm/orc_types.h), and what leads to the stacks of all tasks
// (include/linux/sched.h, include/linux/sched/signal.h).
var needed = []member{
	{name: "module", members: []string{"name", "init", "exit", "percpu"}},
	{name: "module_layout", members: []string{"base", "text_size", "ro_size", "ro_after_init_size"}, optional: true}, // until Linux 6.3
	{name: "module_memory", members: []string{"base", "size"}, optional: true},                                       // from Linux 6.4 on
	{name: "klp_func", members: []string{"old_name", "new_func", "old_sympos", "old_func", "stack_node"}},
	{name: "klp_ops", members: []string{"node", "func_stack"}},
	{name: "klp_object", members: []string{"name", "funcs", "callbacks", "mod"}},
	{name: "klp_patch", members: []string{"mod", "objs", "states", "replace", "list"}},
	{name: "klp_callbacks", members: []string{"pre_patch", "post_patch", "pre_unpatch", "post_unpatch"}},
	{name: "orc_entry", members: []string{"sp_offset", "bp_offset", "sp_reg", "bp_reg", "type"}},
	{name: "klp_state", members: []string{"id", "version", "data"}, optional: true},
	{name: "task_struct", members: []string{"tasks", "thread_node", "signal", "stack", "thread", "comm", "pid", "start_time", "nvcsw", "nivcsw"}, optional: true},
	{name: "signal_struct", members: []string{"thread_head"}, optional: true},
	{name: "thread_struct", members: []string{"sp"}, optional: true},
	{name: "pt_regs", optional: true},
	{name: "kernel_param", members: []string{"name", "mod", "ops", "perm", "level", "arg"}, optional: true}, // include/linux/moduleparam.h
	{name: "kernel_param_ops", members: []string{"set", "get"}, optional: true},
	{name: "kprobe", members: []string{"addr", "pre_handler", "post_handler", "flags"}, optional: true}, // include/linux/kprobes.h
	{name: "nmiaction", members: []string{"handler"}, optional: true},                                   // arch/x86/include/asm/nmi.h
	{name: searchArg, optional: true}, // kernel/module/internal.h; see isSearch
	entryOf(kerneltab.BugTable, true, kerneltab.At, kerneltab.Flags),
	entryOf(kerneltab.AltInstructions, false, kerneltab.At, kerneltab.Replacement, kerneltab.Length, kerneltab.ReplacementLength),
	// What tells generations apart, beside these: see Facts.
	entryOf(kerneltab.ExTable, true), entryOf(kerneltab.JumpTable, true), entryOf(kerneltab.StaticCallSites, true),
	entryOf(kerneltab.ParaSites, true), entryOf(kerneltab.KSymTab, true),
}

// entryOf returns what is needed of the structure of a table's entries: fields by their
// roles.
func entryOf(table string, optional bool, roles ...kerneltab.Role) member {
	form := kerneltab.Named(table).Usual()
	m := member{name: form.Struct, optional: optional}
	for _, r := range roles {
		m.members = append(m.members, form.Fields[r].Member)
	}
	return m
}

// Layout holds the structures that a livepatch module contains, as "mod_mem_type" the
// values of that enumeration, where the version has it, and as "ro_after_init" the sections
// that become read-only, where the image lists them.
type Layout map[string]Struct

// Layout reads the structures from the image's .BTF, or where it has none from its debug
// information. Those of livepatch and of ORC need not be there where the kernel has no such
// thing.
func (k *Image) Layout() (Layout, error) {
	l, lacks, err := k.structures()
	if err != nil {
		return nil, err
	}
	for _, lack := range lacks {
		if !k.without(lack.name) {
			return nil, &Error{Image: k.Path, What: k.typesIn(), Msg: "structures", Err: lack.err}
		}
	}
	return l, nil
}

// Survey reads the structures that the image has of those that [Image.Layout] wants.
func (k *Image) Survey() (Layout, error) {
	l, _, err := k.structures()
	return l, err
}

// HasLivepatch reports whether the kernel was built with CONFIG_LIVEPATCH.
func (k *Image) HasLivepatch() bool { return len(k.byName["klp_enable_patch"]) > 0 }

// HasIBT reports whether the kernel was built to track indirect branches (CONFIG_X86_KERNEL_IBT).
func (k *Image) HasIBT() bool {
	return k.Has(kerneltab.EndbrSeal) || len(k.byName["ibt_save"]) > 0
}

// without reports whether a structure belongs to what the kernel was built without.
func (k *Image) without(name string) bool {
	switch {
	case strings.HasPrefix(name, "klp_"):
		return !k.HasLivepatch()
	case name == "orc_entry":
		return !k.live && !k.Has(kerneltab.ORCRows)
	}
	return false
}

// typesIn names the section that says how structures are laid out.
func (k *Image) typesIn() string {
	if k.Has(kerneltab.BTF) {
		return kerneltab.BTF
	}
	return debugInfo
}

func (k *Image) structures() (Layout, []lack, error) {
	l, lacks, err := Layout(nil), []lack(nil), error(nil)
	if !k.Has(kerneltab.BTF) {
		l, lacks, err = k.debugLayout()
	} else {
		var b []byte
		if b, err = BTF(k.File); err == nil {
			l, lacks, err = readLayout(b)
		}
	}
	if err != nil {
		return nil, nil, &Error{Image: k.Path, What: k.typesIn(), Msg: "structures", Err: err}
	}
	if own, ok := k.afterInit(); ok {
		l[afterInit] = own
	}
	return l, lacks, nil
}

// A lack is a structure that is missing, or has not all the members that are needed.
type lack struct {
	name string
	err  error
}

// ReadLayout reads the structures from BTF, as in a vmlinux's .BTF or in
// /sys/kernel/btf/vmlinux, of a kernel with livepatch.
func ReadLayout(b []byte) (Layout, error) {
	l, lacks, err := readLayout(b)
	if err != nil {
		return nil, err
	}
	if len(lacks) > 0 {
		return nil, lacks[0].err
	}
	return l, nil
}

// readLayout returns the structures that there are, and which are missing.
func readLayout(b []byte) (out Layout, lacks []lack, err error) {
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(b))
	if err != nil {
		return nil, nil, err
	}
	out = Layout{}
	for i := range needed {
		n := &needed[i]
		var s *btf.Struct
		if err := spec.TypeByName(n.name, &s); err != nil {
			if !n.optional || !errors.Is(err, btf.ErrNotFound) {
				lacks = append(lacks, lack{n.name, fmt.Errorf("struct %s: %w", n.name, err)})
			}
			continue
		}
		l := Struct{Name: n.name, Size: uint64(s.Size), Offsets: map[string]uint64{}, Bits: map[string]uint64{}}
		if err := l.add(s.Members, 0, 0); err != nil {
			return nil, nil, fmt.Errorf("struct %s: %w", n.name, err)
		}
		lacks = n.missing(&l, lacks)
		out[n.name] = l
	}
	if !isSearch(spec) {
		delete(out, searchArg)
	}
	var kinds *btf.Enum
	if spec.TypeByName(memoryKinds, &kinds) == nil {
		l := Struct{Name: memoryKinds, Offsets: map[string]uint64{}}
		for _, v := range kinds.Values {
			l.Offsets[v.Name] = v.Value
		}
		out[memoryKinds] = l
	}
	return out, lacks, nil
}

// missing appends what is missing of a structure.
func (n *member) missing(l *Struct, lacks []lack) []lack {
	for _, m := range n.members {
		if _, ok := l.Offsets[m]; !ok {
			return append(lacks, lack{n.name, fmt.Errorf("struct %s: no member %s", n.name, m)})
		}
	}
	return lacks
}

// searchArg is what find_symbol() of kernel/module/main.c takes.
const searchArg = "find_symbol_arg"

// isSearch reports whether find_symbol() takes nothing but a pointer to that structure, and tells
// whether it found something, as since Linux 5.13. Before, there was the structure already,
// and a function of that name that took something else.
func isSearch(spec *btf.Spec) bool {
	list, err := spec.AnyTypesByName("find_symbol")
	var proto *btf.FuncProto
	for _, t := range list {
		f, ok := t.(*btf.Func)
		if !ok {
			continue
		}
		if proto != nil {
			return false
		}
		proto, _ = f.Type.(*btf.FuncProto)
	}
	if err != nil || proto == nil || len(proto.Params) != 1 {
		return false
	}
	to, ok := btf.UnderlyingType(proto.Params[0].Type).(*btf.Pointer)
	size, err := btf.Sizeof(proto.Return)
	return ok && err == nil && size == 1 && to.Target.TypeName() == searchArg
}

// memoryKinds is the enumeration of the kinds of memory that a module has
// (include/linux/module.h of Linux 6.4).
const memoryKinds = "mod_mem_type"

// maxDepth bounds the nesting of structures without names.
const maxDepth = 16

// add notes members, and those of anonymous structures and unions in place.
func (l *Struct) add(members []btf.Member, base uint64, depth int) error {
	if depth > maxDepth {
		return errors.New("nested too deeply")
	}
	for i := range members {
		m := &members[i]
		off := base + uint64(m.Offset.Bytes())
		if m.Name != "" {
			l.Offsets[m.Name] = off
			if m.BitfieldSize > 0 {
				l.Bits[m.Name] = uint64(m.BitfieldSize)
			}
			continue
		}
		switch t := btf.UnderlyingType(m.Type).(type) {
		case *btf.Struct:
			if err := l.add(t.Members, off, depth+1); err != nil {
				return err
			}
		case *btf.Union:
			if err := l.add(t.Members, off, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}
