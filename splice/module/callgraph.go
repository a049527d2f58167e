package module

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/internal/callgraph"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
)

// What a call graph says about the code of the kernel, or of a module of it. It is
// made when the first update is built, since nothing else needs it.
type callInfo struct {
	img    *image.Image
	graph  *callgraph.Graph
	sleeps []bool       // functions that may lead to the scheduler, other than by preemption
	stays  map[int]stay // functions that stay on stacks
	nmi    *nmiCode     // nil for a module
}

// taskEnds are functions that end the task that calls them (kernel/exit.c,
// kernel/kthread.c, kernel/sched/core.c).
var taskEnds = []string{
	"do_exit", "do_group_exit", "do_task_dead", "make_task_dead", "kthread_exit", "kthread_complete_and_exit",
	"__module_put_and_kthread_exit",
}

// spawns are functions whose first argument is what a new thread runs
// (kernel/kthread.c, kernel/fork.c).
var spawns = []string{
	"kthread_create_on_node", "kthread_create_on_cpu", "kernel_thread", "user_mode_thread", "create_io_thread",
}

// registersNMI has the structure of a handler of NMIs for its second argument
// (arch/x86/include/asm/nmi.h).
const registersNMI = "__register_nmi_handler"

// rescheds are functions in which a task is preempted: it stays ready to run, and
// leaves them soon.
var rescheds = []string{
	"preempt_schedule", "preempt_schedule_common", "preempt_schedule_irq", "preempt_schedule_notrace",
	"preempt_schedule_thunk", "preempt_schedule_notrace_thunk", "dynamic_preempt_schedule", "dynamic_preempt_schedule_notrace",
	"__cond_resched", "__cond_resched_lock", "__cond_resched_rwlock_read", "__cond_resched_rwlock_write",
	"dynamic_cond_resched", "dynamic_might_resched", "raw_irqentry_exit_cond_resched", "dynamic_irqentry_exit_cond_resched",
}

// callsOf makes the call graph of the kernel, once.
func (k *Kernel) callsOf(ctx context.Context) (*callInfo, error) {
	k.graphing.Lock()
	defer k.graphing.Unlock()
	if k.calls != nil {
		return k.calls, nil
	}
	c := &callInfo{img: k.run}
	opt := c.options()
	opt.Stops = k.bugs()
	if err := c.decode(ctx, opt); err != nil {
		return nil, err
	}
	c.sleeps = c.graph.Reaching(c.named("__schedule"), c.oneOf(rescheds))
	c.findStays()
	c.findNMI(k.layout)
	k.calls = c
	return c, nil
}

// bugs returns the places of traps that BUG() made, by the table that the kernel's
// handler of traps has (lib/bug.c): those of WARN() have a flag, and go on.
func (k *Kernel) bugs() map[uint64]bool {
	const warning = 1 // BUGFLAG_WARNING
	row := kerneltab.Named(kerneltab.BugTable)
	form := row.Usual()
	entry, ok := k.layout[form.Struct]
	span, bounded := k.image.Bounds(row)
	if !ok || entry.Size == 0 || !bounded {
		return nil
	}
	table, err := k.image.Read(span[0], span[1]-span[0])
	if err != nil {
		return nil
	}
	out := map[uint64]bool{}
	trap, flags := entry.Offsets[form.Fields[kerneltab.At].Member], entry.Offsets[form.Fields[kerneltab.Flags].Member]
	for at := uint64(0); at+entry.Size <= uint64(len(table)); at += entry.Size {
		if binary.LittleEndian.Uint16(table[at+flags:])&warning == 0 {
			disp := int32(binary.LittleEndian.Uint32(table[at+trap:]))
			out[span[0]+at+trap+uint64(int64(disp))] = true
		}
	}
	return out
}

// callsOf makes the call graph of a module. What it calls of the kernel is known from
// the kernel's.
func (t *Target) callsOf(ctx context.Context) (*callInfo, error) {
	outer, err := t.kernel.callsOf(ctx)
	if err != nil {
		return nil, err
	}
	t.graphing.Lock()
	defer t.graphing.Unlock()
	if t.calls != nil {
		return t.calls, nil
	}
	c := &callInfo{img: t.run}
	opt := c.options()
	outside := c.outside(outer)
	for addr, fn := range outside {
		if !outer.graph.Returns(fn) {
			opt.Never[addr] = true
		}
	}
	if err := c.decode(ctx, opt); err != nil {
		return nil, err
	}
	var sleepers []int
	for addr, fn := range outside {
		if i, ok := c.graph.At(addr); ok && outer.sleeps[fn] {
			sleepers = append(sleepers, i)
		}
	}
	c.sleeps = c.graph.Reaching(sleepers, func(int) bool { return false })
	c.findStays()
	t.calls = c
	return c, nil
}

// outside pairs the addresses that an image has for what another one defines with the
// functions there.
func (c *callInfo) outside(outer *callInfo) map[uint64]int {
	out := map[uint64]int{}
	for _, s := range c.img.Symbols() {
		if s.Module >= 0 {
			continue
		}
		for _, def := range outer.img.Lookup(s.Name) {
			if i, ok := outer.graph.At(def.Addr); ok && outer.graph.Func(i).Addr == def.Addr {
				out[s.Addr] = i
			}
		}
	}
	return out
}

// options says what to note.
func (c *callInfo) options() callgraph.Options {
	opt := callgraph.Options{Args: c.addresses(append([]string{registersNMI}, spawns...)), Ends: c.addresses(taskEnds), Returns: map[uint64]bool{}, Never: map[uint64]bool{}}
	for _, s := range c.img.Symbols() {
		if strings.HasPrefix(s.Name, "__x86_") || strings.HasPrefix(s.Name, "__SC") { // thunks and static calls
			opt.Returns[s.Addr] = true
		}
	}
	return opt
}

func (c *callInfo) addresses(names []string) map[uint64]bool {
	out := map[uint64]bool{}
	for _, name := range names {
		for _, s := range c.img.Lookup(name) {
			out[s.Addr] = true
		}
	}
	return out
}

// decode makes the graph of all code that has symbols. What is defined elsewhere has
// an address, and no code.
func (c *callInfo) decode(ctx context.Context, opt callgraph.Options) (err error) {
	var funcs []callgraph.Func
	for _, s := range c.img.Symbols() {
		switch r := c.img.RegionAt(s.Addr); {
		case s.Module < 0:
			funcs = append(funcs, callgraph.Func{Name: s.Name, Addr: s.Addr})
		case r != nil && r.Exec && s.Size > 0 && (s.Type == elf.STT_FUNC || s.Type == elf.STT_NOTYPE):
			funcs = append(funcs, callgraph.Func{Name: s.Name, Addr: s.Addr, Size: s.Size})
		}
	}
	w := &window{img: c.img}
	c.graph, err = callgraph.New(ctx, funcs, w.read, opt)
	return err
}

// window reads code that is asked for in the order of its addresses, in pieces.
type window struct {
	img   *image.Image
	start uint64
	data  []byte
}

// windowSize is how much is read at a time, bytes.
const windowSize = 1 << 18

func (w *window) read(addr, size uint64) ([]byte, error) {
	if addr < w.start || addr+size > w.start+uint64(len(w.data)) {
		r := w.img.RegionAt(addr)
		if r == nil || size > r.End-addr {
			return nil, fmt.Errorf("no %d bytes of code at %#x", size, addr)
		}
		w.start, w.data = addr, make([]byte, max(size, min(windowSize, r.End-addr)))
		if err := w.img.ReadAddr(w.data, addr); err != nil {
			w.data = nil
			return nil, err
		}
	}
	return w.data[addr-w.start:][:size:size], nil
}

// named returns the functions of a name.
func (c *callInfo) named(name string) []int {
	var out []int
	for _, s := range c.img.Lookup(name) {
		if i, ok := c.graph.At(s.Addr); ok && c.graph.Func(i).Addr == s.Addr {
			out = append(out, i)
		}
	}
	return out
}

// oneOf returns whether a function has one of some names.
func (c *callInfo) oneOf(names []string) func(int) bool {
	set := map[int]bool{}
	for _, name := range names {
		for _, i := range c.named(name) {
			set[i] = true
		}
	}
	return func(fn int) bool { return set[fn] }
}

// callsOf returns the call graph of what an object is.
func (b *builder) callsOf(ctx context.Context, o *kobject) (*callInfo, error) {
	if o.target != nil {
		return o.target.callsOf(ctx)
	}
	return b.Kernel.callsOf(ctx)
}
