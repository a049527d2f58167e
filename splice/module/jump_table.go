package module

import (
	"debug/elf"

	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// jumpSize is the size of a jump, bytes: JUMP_SIZE of the module's own code.
const jumpSize = 5

// returnTrampolines are what return addresses are replaced by while somebody
// traces returns (kernel/trace/fgraph.c, kernel/trace/rethook.c): where such a
// frame really is can't be seen, so it is taken for one in the way. The kernel has
// those that its configuration needs.
var returnTrampolines = []string{"return_to_handler", "arch_rethook_trampoline", "__kretprobe_trampoline"}

// stackSymbols are around the stack of the first task, which is as large as all
// are (include/asm-generic/vmlinux.lds.h until Linux 6.8, and since).
var stackSymbols = [][2]string{{"__start_init_task", "__end_init_task"}, {"__start_init_stack", "__end_init_stack"}}

// hasJumps reports whether there is a function of the kernel itself that a jump takes
// over.
func (b *builder) hasJumps() bool {
	return len(b.objects) > 0 && b.objects[0].target == nil && len(b.objects[0].jumps) > 0
}

// jumps links the code for the jumps, but for the callbacks, and writes its tables.
func (b *builder) jumps() {
	if !b.hasJumps() || len(b.refused) > 0 {
		return
	}
	jumps := b.objects[0].jumps
	b.stackLayout()
	b.jumpTable(jumps)
	old := b.returnHandlers()
	hidden := len(old)
	for i := range jumps {
		old = append(old, jumps[i].ranges...)
	}
	b.ranges("jump_old", old)
	carried := codeRange{name: "its new code", at: ko.Dest{Symbol: b.Text().Anchor}, size: b.code.Start}
	b.ranges("jump_new", append(old[:hidden:hidden], carried))
	b.code.Add("stacks", "", nil)
	if b.plain {
		b.account(len(jumps))
	}
	if b.opt.Replace {
		b.code.Add("replace", "", nil)
	}
}

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

// ranges writes a table of ranges, with one around all in front. Those in the module
// itself are last: modules are above the kernel (Documentation/arch/x86/x86_64/mm.rst).
func (b *builder) ranges(name string, list []codeRange) {
	t := b.code.AddTable(b.Rodata(), name, "range", len(list)+2)
	first, last := list[0], list[0]
	for i, c := range list {
		t.Refer(i+1, "start", c.at)
		t.Refer(i+1, "end", c.end())
		t.Refer(i+1, "name", b.Literal(c.name))
		if c.lo != 0 && (first.lo == 0 || c.lo < first.lo) {
			first = c
		}
		if c.lo == 0 || last.lo != 0 && c.lo+c.size > last.lo+last.size {
			last = c
		}
	}
	t.Refer(0, "start", first.at)
	t.Refer(0, "end", last.end())
}

func (c *codeRange) end() ko.Dest {
	return ko.Dest{Symbol: c.at.Symbol, Addend: c.at.Addend + int64(c.size)}
}

// returnHandlers returns the ranges of the trampolines for returns.
func (b *builder) returnHandlers() []codeRange {
	var list []codeRange
	for _, name := range returnTrampolines {
		s, err := b.image.Symbol(name)
		if err != nil {
			continue
		}
		list = append(list, codeRange{"a return that is traced (" + name + ")", b.kernelSymbol(name), s.Addr, max(s.Size, 1)})
	}
	return list
}

// jumpTable writes the rows of the jumps.
func (b *builder) jumpTable(jumps []jump) {
	t := b.code.AddTable(b.Data(), "jump_rows", "jump", len(jumps)+1)
	for i := range jumps {
		j := &jumps[i]
		t.Refer(i, "at", j.at)
		t.Put(i, "expected", j.was...)
		t.Put(i, "mask", j.mask...)
		t.Put(i, "lock", byte(j.lock))
		t.Put(i, "ret", byte(j.ret))
		t.Refer(i, "to", j.to)
		t.Refer(i, "name", b.Literal(j.Name))
	}
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
