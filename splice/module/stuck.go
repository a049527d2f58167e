package module

import (
	"context"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/progress"
)

// stuck reports what can't be taken over in time, or not safely, before anything is
// written: see [elfdiff.CodeSleepingStack] and those behind it. The error is that of
// the context.
func (b *builder) stuck(ctx context.Context) error {
	count := progress.Func(b.opt.Progress).Begin("calls", len(b.objects))
	for _, o := range b.objects {
		c, err := b.callsOf(ctx, o)
		if err != nil {
			return err
		}
		for i := range o.patched {
			b.stuckIn(c, &o.patched[i].Function)
		}
		for i := range o.jumps {
			b.stuckIn(c, &o.jumps[i].Function)
		}
		if o.target == nil {
			for i := range b.probes {
				b.stuckIn(c, &b.probes[i].Function)
			}
		}
		count.Done()
	}
	return nil
}

// stuckIn looks at one function.
func (b *builder) stuckIn(c *callInfo, f *Function) {
	fn, ok := c.graph.At(f.Addr)
	if !ok {
		return
	}
	s, stays := c.stays[fn]
	switch {
	case f.Method == MethodProbe: // a call runs the old or the new function, whoever is in the old
	case b.opt.Tasks != nil:
		b.inUse(f, s)
	case stays:
		b.judgeFunction(s.code, f, s.why)
	}
	if why := c.inNMI(fn, f.Method); why != "" {
		b.judgeFunction(elfdiff.CodeNMI, f, why)
	}
	if f.Method == MethodProbe {
		if why := c.hot(fn); why != "" {
			b.judgeFunction(elfdiff.CodeHotProbe, f, why)
		}
	}
}

// judgeFunction reports a finding about a function.
func (b *builder) judgeFunction(code elfdiff.Code, f *Function, why string) {
	found := elfdiff.NewFinding(code, f.Name, why)
	found.Section = f.Module
	b.report(found)
}

// inNMI says why it matters that NMIs run a function, if they do. The function tracer
// switches a call at once, so that livepatch is safe there; but code that nothing
// else runs is a matter of the worst moments of a machine.
func (c *callInfo) inNMI(fn int, method string) string {
	if c.nmi == nil || !c.nmi.reached.Has(fn) {
		return ""
	}
	way := way(c.graph, c.nmi.reached.Way(fn))
	switch {
	case method == MethodJump:
		return "NMIs or exceptions like them run it, and are not stopped while the jump is written: " + way
	case method == MethodProbe:
		return "NMIs or exceptions like them run it, and would meet the breakpoint of a kprobe: " + way
	case c.nmi.only[fn]:
		return "only NMIs or exceptions like them run it, which no transition waits for: " + way
	}
	return ""
}

// manySites is how many places that call a function make it one that is called often.
const manySites = 16

// hotNames are functions in assembly that much else stands on, whoever calls them
// (arch/x86/lib).
var hotNames = []string{
	"copy_page", "copy_page_regs", "clear_page_orig", "clear_page_rep", "clear_page_erms", "memcpy", "__memcpy", "memcpy_orig",
	"memmove", "__memmove", "memset", "__memset", "memset_orig", "csum_partial", "csum_partial_copy_generic", "copy_user_generic_unrolled",
	"copy_user_generic_string", "copy_user_enhanced_fast_string", "rep_movs_alternative", "rep_stos_alternative", "clear_user_original",
	"clear_user_rep_good", "clear_user_erms", "copy_mc_fragile", "copy_mc_enhanced_fast_string", "native_load_gs_index",
}

// hot says why a kprobe on a function costs much, if it does.
func (c *callInfo) hot(fn int) string {
	n := len(c.graph.Callers(fn))
	switch {
	case c.oneOf(hotNames)(fn):
		return fmt.Sprintf("it is assembly that is called all the time; a kprobe would take it over, %d places call it", n)
	case n >= manySites:
		return fmt.Sprintf("a kprobe would take it over, and %d places call it", n)
	}
	return ""
}
