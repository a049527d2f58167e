package module

import (
	"debug/elf"
	"slices"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/klink"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// jumpSize is the size of a jump, bytes: JUMP_SIZE of the module's own code.
const jumpSize = 5

// returnTrampolines are what return addresses are replaced by while somebody
// traces returns (kernel/trace/fgraph.c, kernel/trace/rethook.c): where such a
// frame really is can't be seen by words, so it is taken for one in the way, unless the kernel's unwinder
// tells where it is. The kernel has
// those that its configuration needs. One that has the function by which somebody
// traces has at least one of the names; of what has none, stacks can't be read.
var returnTrampolines = []struct {
	tracer string
	names  []string
}{
	{"register_ftrace_graph", []string{"return_to_handler"}},
	{"rethook_hook", []string{"arch_rethook_trampoline"}},
	// The first since Linux 5.18, the second since 5.16, the third before.
	{"register_kretprobe", []string{"arch_rethook_trampoline", "__kretprobe_trampoline", "kretprobe_trampoline"}},
}

// trampolines lists those of a kernel, and a function that traces returns by one that has another
// name, "" for none.
func trampolines(has func(name string) bool) (names []string, unknown string) {
	for _, row := range returnTrampolines {
		found := false
		for _, name := range row.names {
			if !has(name) {
				continue
			}
			found = true
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		if !found && has(row.tracer) {
			unknown = row.tracer
		}
	}
	return names, unknown
}

// stackSymbols are around the stack of the first task, which is as large as all
// are (include/asm-generic/vmlinux.lds.h until Linux 6.8, and since).
var stackSymbols = [][2]string{{"__start_init_task", "__end_init_task"}, {"__start_init_stack", "__end_init_stack"}}

// hasJumps reports whether there is a function of the kernel itself that a jump takes
// over.
func (b *builder) hasJumps() bool {
	return len(b.objects) > 0 && b.objects[0].target == nil && len(b.objects[0].jumps) > 0
}

// jumpsIn returns the name of the first module with a function that a jump takes over, ""
// for none.
func (b *builder) jumpsIn() string {
	for _, o := range b.objects {
		if o.target != nil && len(o.jumps) > 0 {
			return o.name()
		}
	}
	return ""
}

// jumps links the code for the jumps, but for the callbacks, and writes its tables; those for
// modules are written with what else they have, see moduleJumps.
func (b *builder) jumps() {
	if !b.hasJumps() && b.jumpsIn() == "" || len(b.refused) > 0 {
		return
	}
	var jumps []jump
	if b.hasJumps() {
		jumps = b.objects[0].jumps
	}
	b.stackLayout()
	b.jumpTable(b.kernelObject(), "jump_rows", jumps)
	hidden := b.returnHandlers()
	b.ranges(b.kernelObject(), b.Rodata(), "jump_old", oldCode(hidden, jumps))
	b.newCode(hidden)
	if b.plain {
		b.account(len(jumps))
	}
	if b.opt.Replace {
		b.code.Add("replace", "", nil)
	}
}

// kernelObject is what fields of tables for the kernel itself belong to: none of them is filled
// in late.
func (b *builder) kernelObject() *kobject { return &kobject{} }

// moduleJumps writes the tables of the jumps in a module.
func (b *builder) moduleJumps(o *kobject, desc *klink.Table) {
	if len(o.jumps) == 0 {
		return
	}
	rows := b.jumpTable(o, klink.Join("jumps", o.name()), o.jumps)
	desc.Refer(0, "jumps", rows.Dest(0))
	old := b.ranges(o, b.Data(), klink.Join("jump_old", o.name()), oldCode(b.returnHandlers(), o.jumps))
	desc.Refer(0, "jump_old", old.Dest(0))
}

// oldCode lists the code that no stack may lead to while jumps are written.
func oldCode(hidden []codeRange, jumps []jump) []codeRange {
	list := slices.Clone(hidden)
	for i := range jumps {
		list = append(list, jumps[i].ranges...)
	}
	return list
}

// newCode links what looks for the new code on stacks, and for returns that are hidden.
func (b *builder) newCode(hidden []codeRange) {
	carried := codeRange{name: "its new code", at: ko.Dest{Symbol: b.Text().Anchor}, size: b.code.Start}
	b.ranges(b.kernelObject(), b.Rodata(), "jump_new", append(slices.Clip(hidden), carried))
	b.code.Add("stacks", "", nil)
	if b.countsSwitches() {
		b.code.Add("parts", "", nil)
	}
	if _, err := b.image.Symbol(reliableUnwinder); err == nil {
		b.code.Add("elsewhere", "", nil)
	}
}

// countsSwitches reports whether the kernel has what looks in parts take: memory, and how often a task was switched
// out. All that are known have; of another, all tasks are looked at while the machine stands still.
func (b *builder) countsSwitches() bool {
	for _, names := range [][]string{{"vmalloc_noprof", "vmalloc"}, {"vfree"}} {
		if !slices.ContainsFunc(names, b.hasSymbol) {
			return false
		}
	}
	offsets := b.layout["task_struct"].Offsets
	for _, member := range []string{"start_time", "nvcsw", "nivcsw"} {
		if _, ok := offsets[member]; !ok {
			return false
		}
	}
	return true
}

// hasSymbol reports whether the module's own code can refer to a symbol of the kernel.
func (b *builder) hasSymbol(name string) bool {
	return b.exports[name].Name != "" || len(b.image.Symbols(name)) == 1
}

// reliableUnwinder is the function that tells the frames of a task that does not run
// (kernel/stacktrace.c), or that they can't be told. Kernels without CONFIG_STACKTRACE have none.
const reliableUnwinder = "stack_trace_save_tsk_reliable"

// leave has the module wait at its end for tasks in its new code, where livepatch would not see
// them: what it looks for are the new functions, and not their parts that stand elsewhere, nor what
// they jump to. The jumps look for all of it when they are undone.
func (b *builder) leave() {
	if b.hasJumps() || b.pins.stays() || !b.unseen || len(b.refused) > 0 {
		return
	}
	if b.jumpsIn() == "" {
		b.stackLayout()
		b.newCode(b.returnHandlers())
	}
	b.code.Add("leave", "", nil)
}

// hasUnseen reports whether an object brings code along that is in no function which takes the place
// of another: something else has a symbol, or more than padding is left of a section.
func (l *linker) hasUnseen() bool {
	replaced, sizes := map[elfobj.SymbolIndex]bool{}, map[elfobj.SectionIndex]uint64{}
	for i := range l.carried.Replacements {
		replaced[l.carried.Replacements[i].New] = true
	}
	for i := 1; i < len(l.Spec.Symbols); i++ {
		s := &l.Spec.Symbols[i]
		switch {
		case !s.IsDefined() || int(s.Section) >= len(l.Spec.Sections) || l.Spec.Sections[s.Section].Flags&elf.SHF_EXECINSTR == 0 || s.Type() == elf.STT_SECTION || s.Size == 0:
		case !replaced[elfobj.SymbolIndex(i)]:
			return true
		default:
			sizes[s.Section] += s.Size
		}
	}
	for i := range l.Spec.Sections {
		s := &l.Spec.Sections[i]
		if s.Flags&elf.SHF_EXECINSTR != 0 && uint64(len(s.Data)) >= sizes[elfobj.SectionIndex(i)]+max(s.Addralign, codeAlign) {
			return true
		}
	}
	return false
}

// codeAlign is what functions are aligned to at most where nothing says so, in bytes.
const codeAlign = 16

// stackLayout says how large stacks are, and how much of them at their end is not used
// by the kernel itself: the registers of user mode, which can hold anything. All in bytes.
func (b *builder) stackLayout() {
	for _, names := range stackSymbols {
		lo, errLo := b.image.Symbol(names[0])
		hi, errHi := b.image.Symbol(names[1])
		size := hi.Addr - lo.Addr
		if errLo != nil || errHi != nil || size == 0 || size&(size-1) != 0 || size > 1<<20 {
			continue
		}
		unused := b.layout["pt_regs"].Size
		if top, err := b.image.Symbol("__top_init_kernel_stack"); err == nil {
			unused = hi.Addr - top.Addr // with what FRED pushes
		}
		if unused > 0 && unused < size/8 {
			b.code.Number("stack_size", size)
			b.code.Number("stack_unused", unused)
			return
		}
	}
	b.refused.add(refuse(CodeKernel, "", "", 0, "the size of its stacks is not known"))
}

// A codeRange is code that no stack may lead to.
type codeRange struct {
	name     string
	at       ko.Dest
	lo, size uint64 // lo is a link address, or 0 in the module itself
}

// ranges writes a table of ranges, with one around all in front. The kernel's come first, then
// those in a module, whose places are filled in late, or in the update itself: modules are above
// the kernel (Documentation/arch/x86/x86_64/mm.rst).
func (b *builder) ranges(o *kobject, s *ko.Section, name string, list []codeRange) klink.Table {
	t := b.code.AddTable(s, name, "range", len(list)+2)
	if len(list) == 0 {
		return t
	}
	first, last := list[0], list[0]
	for i, c := range list {
		b.place(o, &t, i+1, "start", c.at)
		b.place(o, &t, i+1, "end", c.end())
		t.Refer(i+1, "name", b.Literal(c.name))
		if c.isBelow(&first) {
			first = c
		}
		if last.isBelow(&c) || last.lo == c.lo && last.size < c.size {
			last = c
		}
	}
	b.place(o, &t, 0, "start", first.at)
	b.place(o, &t, 0, "end", last.end())
	return t
}

// isBelow reports whether a range begins below another one.
func (c *codeRange) isBelow(x *codeRange) bool {
	if c.above() != x.above() {
		return x.above()
	}
	return c.lo < x.lo
}

// above reports whether a range is above the kernel.
func (c *codeRange) above() bool { return c.lo == 0 || c.at.Part > 0 }

func (c *codeRange) end() ko.Dest {
	to := c.at
	to.Addend += int64(c.size)
	return to
}

// returnHandlers returns the ranges of the trampolines for returns.
func (b *builder) returnHandlers() []codeRange {
	names, unknown := trampolines(func(name string) bool { _, err := b.image.Symbol(name); return err == nil })
	if unknown != "" {
		b.refused.add(refuse(CodeKernel, unknown, "", 0, "it traces returns by code that is not known: what a stack leads to can't be seen"))
	}
	var list []codeRange
	for _, name := range names {
		s, err := b.image.Symbol(name)
		if err != nil {
			continue
		}
		list = append(list, codeRange{"a return that is traced (" + name + ")", b.kernelSymbol(name), s.Addr, max(s.Size, 1)})
	}
	return list
}

// jumpTable writes the rows of the jumps.
func (b *builder) jumpTable(o *kobject, name string, jumps []jump) klink.Table {
	t := b.code.AddTable(b.Data(), name, "jump", len(jumps)+1)
	for i := range jumps {
		j := &jumps[i]
		b.place(o, &t, i, "at", j.at)
		t.Put(i, "expected", j.was...)
		t.Put(i, "mask", j.mask...)
		t.Put(i, "lock", byte(j.lock))
		t.Put(i, "ret", byte(j.ret))
		t.Refer(i, "to", j.to)
		t.Refer(i, "name", b.Literal(j.Name))
	}
	return t
}

// state is a struct klp_state: the id and the version by their names in the layout, and
// the rows that it leads to.
type state struct{ id, version, rows string }

// states writes the array of struct klp_state for the update, if it has one
// (Documentation/livepatch/system-state.rst): it leads later updates to the rows, and by
// it the kernel refuses cumulative updates that know nothing of jumps, or of exit functions.
func (b *builder) states() (uint64, bool) {
	var list []state
	if b.hasJumps() {
		list = append(list, state{"STATE_ID", "STATE_VERSION", "jump_rows"})
	}
	if in := b.jumpsIn(); in != "" {
		list = append(list, state{"MODULE_STATE_ID", "MODULE_STATE_VERSION", klink.Join("jumps", in)})
	}
	if b.hasExits() {
		list = append(list, state{"EXIT_STATE_ID", "EXIT_STATE_VERSION", "exit_rows"})
	}
	if len(list) == 0 {
		return 0, false
	}
	d, s := b.Data(), b.layout["klp_state"]
	size := s.Size * uint64(len(list)+1) // zeros end it
	first := d.Append(8, make([]byte, size))
	b.code.Define("states", elf.STT_OBJECT, d, first, size)
	for _, m := range []string{"id", "version", "data"} {
		if _, ok := s.Offsets[m]; !ok {
			b.refused.add(refuse(CodeKernel, "klp_state", kerneltab.BTF, 0, "it has no member %s", m))
			return first, true
		}
	}
	for i := range list {
		at := first + uint64(i)*s.Size
		put64(d.Data[at+s.Offsets["id"]:], b.code.Layout.Number(list[i].id))
		put32(d.Data[at+s.Offsets["version"]:], uint32(b.code.Layout.Number(list[i].version)))
		d.AddRela(at+s.Offsets["data"], elf.R_X86_64_64, b.code.Symbols[list[i].rows].Symbol, 0)
	}
	return first, true
}
