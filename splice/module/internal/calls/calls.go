// Package calls knows, from the call graph of a kernel or of a module of it, what matters
// to who replaces functions: which of them stay on stacks, which NMIs run, and which are
// called often.
package calls

import (
	"context"
	"debug/elf"
	"fmt"
	"strings"
	"sync"

	"github.com/gosplice/gosplice/internal/callgraph"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/reloc/image"
)

// Info is what a call graph says about the code of the kernel, or of a module of it.
type Info struct {
	img    *image.Image
	graph  *callgraph.Graph
	sleeps []bool       // functions that may lead to the scheduler, other than by preemption
	stays  map[int]Stay // functions that stay on stacks
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

// Lazy is the call graph of something, made once it is needed. It is safe for concurrent
// use.
type Lazy struct {
	mu   sync.Mutex
	info *Info
}

// Get returns the graph, which make makes unless it is there.
func (l *Lazy) Get(make func() (*Info, error)) (_ *Info, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.info == nil {
		l.info, err = make()
	}
	return l.info, err
}

// OfKernel decodes all code of the kernel itself, with addresses as img has them. Code
// does not go on behind traps that BUG() made.
func OfKernel(ctx context.Context, img *image.Image, k *kernel.Image, layout kernel.Layout) (*Info, error) {
	c := &Info{img: img}
	opt := c.options()
	opt.Stops = bugs(k, layout)
	if err := c.decode(ctx, opt); err != nil {
		return nil, err
	}
	c.sleeps = c.graph.Reaching(c.Named("__schedule"), c.oneOf(rescheds))
	c.findStays()
	c.findNMI(layout)
	return c, nil
}

// OfModule decodes all code of a module. What it calls of the kernel is known from the
// kernel's.
func OfModule(ctx context.Context, img *image.Image, outer *Info) (*Info, error) {
	c := &Info{img: img}
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
	return c, nil
}

// At returns the function whose code is at an address, by its number.
func (c *Info) At(addr uint64) (fn int, ok bool) { return c.graph.At(addr) }

// Len returns how many functions there are: they have the numbers from 0 on.
func (c *Info) Len() int { return c.graph.Len() }

// Func returns a function.
func (c *Info) Func(fn int) callgraph.Func { return c.graph.Func(fn) }

// outside pairs the addresses that an image has for what another one defines with the
// functions there.
func (c *Info) outside(outer *Info) map[uint64]int {
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
func (c *Info) options() callgraph.Options {
	opt := callgraph.Options{Args: c.addresses(append([]string{registersNMI}, spawns...)), Ends: c.addresses(taskEnds), Returns: map[uint64]bool{}, Never: map[uint64]bool{}}
	for _, s := range c.img.Symbols() {
		if strings.HasPrefix(s.Name, "__x86_") || strings.HasPrefix(s.Name, "__SC") { // thunks and static calls
			opt.Returns[s.Addr] = true
		}
	}
	return opt
}

func (c *Info) addresses(names []string) map[uint64]bool {
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
func (c *Info) decode(ctx context.Context, opt callgraph.Options) (err error) {
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

// Named returns the functions of a name.
func (c *Info) Named(name string) []int {
	var out []int
	for _, s := range c.img.Lookup(name) {
		if i, ok := c.graph.At(s.Addr); ok && c.graph.Func(i).Addr == s.Addr {
			out = append(out, i)
		}
	}
	return out
}

// oneOf returns whether a function has one of some names.
func (c *Info) oneOf(names []string) func(int) bool {
	set := map[int]bool{}
	for _, name := range names {
		for _, i := range c.Named(name) {
			set[i] = true
		}
	}
	return func(fn int) bool { return set[fn] }
}
