package module

import (
	"debug/elf"

	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A jumper writes what a module needs to take functions over by jumps: its own
// code, which livepatch calls back, and the tables that this goes over.
//
// The control block, in .data:
//
//	 0  u32  processors that have arrived
//	 4  u32  the work is done
//	 8  u32  the work: workApply, ...
//	12  u32  the jumps are in place
//	16  u64  name of what was in the way
//	24  [16] name of the task that uses it
//	40  u32  its number
//	44  u32  the module has to stay
//	48  u64  the rows to put back
//
// A row for each jump, in .data:
//
//	 0  u64  where it is, 0 behind the last
//	 8  [5]  what the kernel has there
//	14  u8   offset of a lock prefix in it and 1, or 0
//	15  u8   offset of an instruction that is masked and 1, or 0
//	16  u64  where it leads
//	24  u64  name of the function
//	32  [5]  the jump
//	40  [5]  what was there before
//	48  u64  the row of an update whose place it takes, or 0
//	56  u8   1 while it is in place
//	57  [5]  mask of what has to be there
//
// The tables of ranges that no stack may lead to, in .rodata: start, end and
// name of each, with a range around all in front, and zeros behind them.
type jumper struct {
	block, rows, old, new target
	user                  map[string]target // callbacks of the patch itself
	gateAt, this          target

	// Of the kernel.
	initTask, cpus, possible, offsets, idleThreads target
	online, onlineMask, poke, mutex, stopMachine   target
	patches                                        target // klp_patches
	patch, state                                   kernel.Struct
	task, signal, thread                           kernel.Struct
	stack                                          stackLayout
}

// stackLayout says how large stacks are, and how much of them at their end is
// not used by the kernel itself: the registers of user mode, which can hold
// anything. All in bytes.
type stackLayout struct{ size, unused uint64 }

const (
	workApply    = 0
	workRevert   = 1
	blockSize    = 56
	jumpRow      = 64
	rangeRow     = 24
	jumpSize     = 5
	blockApplied = 12
	blockStays   = 44
)

// returnTrampolines are what return addresses are replaced by while somebody
// traces returns (kernel/trace/fgraph.c, kernel/trace/rethook.c): where such a
// frame really is can't be seen, so it is taken for one in the way. The kernel has
// those that its configuration needs.
var returnTrampolines = []string{"return_to_handler", "arch_rethook_trampoline", "__kretprobe_trampoline"}

// stackSymbols are around the stack of the first task, which is as large as all
// are (include/asm-generic/vmlinux.lds.h until Linux 6.8, and since).
var stackSymbols = [][2]string{{"__start_init_task", "__end_init_task"}, {"__start_init_stack", "__end_init_stack"}}

// newJumper looks up what the kernel has to have.
func (b *builder) newJumper() *jumper {
	j := &jumper{user: map[string]target{}}
	for _, s := range []struct {
		name string
		to   *target
	}{
		{"init_task", &j.initTask}, {"nr_cpu_ids", &j.cpus}, {"__cpu_possible_mask", &j.possible}, {"__per_cpu_offset", &j.offsets},
		{"idle_threads", &j.idleThreads}, {"__num_online_cpus", &j.online}, {"__cpu_online_mask", &j.onlineMask},
		{"text_poke", &j.poke}, {"text_mutex", &j.mutex}, {"stop_machine_cpuslocked", &j.stopMachine},
		{"klp_patches", &j.patches},
	} {
		*s.to = b.kernelSymbol(s.name)
	}
	for _, s := range []struct {
		name    string
		members []string
		to      *kernel.Struct
	}{
		{"task_struct", []string{"tasks", "thread_node", "signal", "stack", "thread", "comm", "pid"}, &j.task},
		{"signal_struct", []string{"thread_head"}, &j.signal}, {"thread_struct", []string{"sp"}, &j.thread},
		{"klp_patch", []string{"list", "states"}, &j.patch}, {"klp_state", []string{"id", "version", "data"}, &j.state},
	} {
		*s.to = b.layout[s.name]
		for _, m := range s.members {
			if _, ok := s.to.Offsets[m]; !ok {
				b.refused.add(refuse(CodeKernel, s.name, kerneltab.BTF, 0, "it has no member %s", m))
			}
		}
	}
	j.stack = b.stackLayout()
	return j
}

// kernelSymbol returns how to reach a symbol that the kernel has once.
func (b *builder) kernelSymbol(name string) target {
	s, err := b.image.Symbol(name)
	if err != nil {
		b.refused.add(refuse(CodeKernel, name, "", 0, "jumps need it: %v", err))
		return target{}
	}
	t, err := b.at(name, s.Addr)
	if err != nil {
		b.refused.add(err)
	}
	return t
}

func (b *builder) stackLayout() stackLayout {
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
			return stackLayout{size, unused}
		}
	}
	b.refused.add(refuse(CodeKernel, "", "", 0, "the size of its stacks is not known"))
	return stackLayout{4096, 8}
}

// A codeRange is code that no stack may lead to.
type codeRange struct {
	name     string
	at       target
	lo, size uint64 // lo is a link address, or 0 in the module itself
}

// ranges writes a table of ranges. Those in the module itself are last: modules
// are above the kernel (Documentation/arch/x86/x86_64/mm.rst).
func (b *builder) ranges(name string, list []codeRange) target {
	r := b.rodata()
	at := r.append(8, make([]byte, rangeRow*(len(list)+2)))
	b.define(name, elf.STT_OBJECT, r, at, uint64(rangeRow*(len(list)+2)))
	first, last := list[0], list[0]
	for i, c := range list {
		row := at + uint64(rangeRow*(i+1))
		text, name := b.string(c.name)
		r.rela(row, elf.R_X86_64_64, c.at.symbol, c.at.addend)
		r.rela(row+8, elf.R_X86_64_64, c.at.symbol, c.at.addend+int64(c.size))
		r.rela(row+16, elf.R_X86_64_64, text.anchor, int64(name))
		if c.lo != 0 && (first.lo == 0 || c.lo < first.lo) {
			first = c
		}
		if c.lo == 0 || last.lo != 0 && c.lo+c.size > last.lo+last.size {
			last = c
		}
	}
	r.rela(at, elf.R_X86_64_64, first.at.symbol, first.at.addend)
	r.rela(at+8, elf.R_X86_64_64, last.at.symbol, last.at.addend+int64(last.size))
	return target{symbol: r.anchor, addend: int64(at)}
}

// hidden returns the ranges of the trampolines for returns.
func (b *builder) hidden() []codeRange {
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

// table writes the rows of the jumps.
func (j *jumper) table(b *builder, jumps []jump) {
	d := b.data()
	at := d.append(8, make([]byte, blockSize))
	b.define("jump_block", elf.STT_OBJECT, d, at, blockSize)
	rows := d.append(8, make([]byte, jumpRow*(len(jumps)+1)))
	b.define("jump_rows", elf.STT_OBJECT, d, rows, uint64(jumpRow*(len(jumps)+1)))
	j.block, j.rows = target{symbol: d.anchor, addend: int64(at)}, target{symbol: d.anchor, addend: int64(rows)}
	for i := range jumps {
		p, row := &jumps[i], rows+uint64(jumpRow*i)
		text, name := b.string(p.Name)
		d.rela(row, elf.R_X86_64_64, p.at.symbol, p.at.addend)
		copy(d.data[row+8:], p.was)
		d.rela(row+16, elf.R_X86_64_64, p.to.symbol, p.to.addend)
		d.rela(row+24, elf.R_X86_64_64, text.anchor, int64(name))
		d.data[row+14], d.data[row+15] = byte(p.lock), byte(p.ret)
		copy(d.data[row+57:], p.mask)
	}
}
