package module

import (
	"context"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/elfdiff/types"
	"github.com/gosplice/gosplice/elfdiff/verdict"
	"github.com/gosplice/gosplice/internal/progress"
	"github.com/gosplice/gosplice/splice/module/internal/calls"
)

// checkTransition reports what can't be taken over in time, or not safely, before anything is
// written: see [elfdiff.CodeSleepingStack] and those behind it. The error is that of
// the context.
func (b *builder) checkTransition(ctx context.Context) error {
	count := progress.Func(b.opt.Progress).Begin("calls", len(b.objects))
	for _, o := range b.objects {
		c, err := b.callsOf(ctx, o)
		if err != nil {
			return err
		}
		for i := range o.patched {
			b.checkFunction(c, &o.patched[i].Function)
		}
		for i := range o.jumps {
			b.checkFunction(c, &o.jumps[i].Function)
		}
		if o.target == nil {
			for i := range b.probes {
				b.checkFunction(c, &b.probes[i].Function)
			}
		}
		count.Done()
	}
	return nil
}

// callsOf returns the call graph of what an object is.
func (b *builder) callsOf(ctx context.Context, o *kobject) (*calls.Info, error) {
	if o.target != nil {
		return o.target.callsOf(ctx)
	}
	return b.Kernel.callsOf(ctx)
}

// checkFunction looks at one function.
func (b *builder) checkFunction(c *calls.Info, f *Function) {
	fn, ok := c.At(f.Addr)
	if !ok {
		return
	}
	s, stays := c.Stay(fn)
	switch {
	case f.Method == MethodProbe: // a call runs the old or the new function, whoever is in the old
	case b.opt.Tasks != nil:
		b.inUse(f, s)
	case stays:
		b.judgeFunction(s.Code, f, s.Why)
	}
	if why := inNMI(c, fn, f.Method); why != "" {
		b.judgeFunction(elfdiff.CodeNMI, f, why)
	}
	if f.Method == MethodProbe {
		if why := c.Hot(fn); why != "" {
			b.judgeFunction(elfdiff.CodeHotProbe, f, why)
		}
	}
}

// tailCalled reports the functions that take effect by their callers, which jump to them: livepatch
// does not see the tasks that sleep in the old one. They end the call that they have begun, as if
// it had been over before the update; unless the old one calls something that the update replaces,
// which may want to be called in another way. replaced has the names of all that is.
func (l *linker) tailCalled(replaced map[string]bool) {
	if len(l.tails) == 0 {
		return
	}
	d, own := l.pair.Diff, l.changedThemselves()
	for _, t := range l.tails {
		if !slices.ContainsFunc(t.Callers, func(c object.AtomID) bool { return !l.jumpsTake(c) }) {
			continue // their stacks were looked at for it, see untraced
		}
		f := &Function{Name: d.Pre.Atom(t.Function).Name, Module: l.obj.name()}
		const why = "its callers are replaced, and jump to it at their end: a task that sleeps in the old one is not seen, and goes on there"
		if called := l.callsNew(t.Function, own, replaced); called != "" {
			l.judgeFunction(elfdiff.CodeTailCalled, f, why+", with the new "+called)
		} else {
			l.tell(elfdiff.CodeTailCalled, f, why+", as if its call had ended before")
		}
	}
}

// jumpsTake reports whether a function of pre is taken over by a jump.
func (l *linker) jumpsTake(pre object.AtomID) bool {
	f := l.pair.Match.Func(pre)
	return f != nil && slices.ContainsFunc(l.obj.jumps, func(j jump) bool { return j.Addr == f.Address })
}

// changedThemselves are the functions of pre that the update replaces for themselves, and not for what
// they call.
func (l *linker) changedThemselves() map[object.AtomID]bool {
	d, own := l.pair.Diff, map[object.AtomID]bool{}
	for i := range d.Functions {
		ch := &d.Functions[i]
		callee := func(r verdict.Reason) bool { return r.Code == elfdiff.ReasonCallee }
		if ch.Pre != object.NoAtom && ch.Status == verdict.Changed && !l.instead[ch.Pre] && !slices.ContainsFunc(ch.Reasons, callee) {
			own[d.Pre.Atom(ch.Pre).Root()] = true
		}
	}
	return own
}

// callsNew returns the name of a function that the update replaces and that an old one refers to, ""
// for none: one of own, or one of another object.
func (l *linker) callsNew(old object.AtomID, own map[object.AtomID]bool, replaced map[string]bool) string {
	d := l.pair.Diff
	for i := range d.Pre.Atoms {
		a := &d.Pre.Atoms[i]
		if a.Kind != object.Func || a.Root() != old {
			continue
		}
		for k := range a.Refs {
			r := &a.Refs[k]
			if r.Target == object.NoAtom {
				if s := d.Pre.Symbols(); int(r.Sym) < len(s) && replaced[s[r.Sym].Name] {
					return s[r.Sym].Name // of another object
				}
			} else if b := d.Pre.Atom(r.Target); b.Root() != old && own[b.Root()] {
				return b.Name
			}
		}
	}
	return ""
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
func inNMI(c *calls.Info, fn int, method string) string {
	way, only := c.NMI(fn)
	switch {
	case way == "":
		return ""
	case method == MethodJump:
		return "NMIs or exceptions like them run it, and are not stopped while the jump is written: " + way
	case method == MethodProbe:
		return "NMIs or exceptions like them run it, and would meet the breakpoint of a kprobe: " + way
	case only:
		return "only NMIs or exceptions like them run it, which no transition waits for: " + way
	}
	return ""
}

// inUse judges a function by who stands in it. known is what the call graph says: where
// nobody is in a loop of a thread, there is none now.
func (b *builder) inUse(f *Function, known calls.Stay) {
	threads, others := 0, 0
	list := b.opt.Tasks.In(f.Name, f.Module)
	names := make([]string, 0, len(list))
	for _, t := range list {
		names = append(names, fmt.Sprintf("%s (%d)", t.Name, t.ID))
		if t.Kernel {
			threads++
		} else {
			others++
		}
	}
	who := calls.Few(names)
	switch {
	case known.Why != "" && len(list) > 0:
		b.judgeFunction(known.Code, f, known.Why+"; now: "+who)
	case known.Code == elfdiff.CodeThreadLoop:
		b.tell(known.Code, f, known.Why+"; but no task is in it now")
	case known.Why != "":
		b.judgeFunction(known.Code, f, known.Why)
	case threads > 0:
		b.judgeFunction(elfdiff.CodeSleepingStack, f, "kernel threads stay in it: "+who)
	case others > 0 && f.Method == MethodJump:
		b.judgeFunction(elfdiff.CodeSleepingStack, f, "tasks sleep in it, and no jump is written while they do: "+who)
	case others > 0:
		b.tell(elfdiff.CodeSleepingStack, f, "tasks sleep in it, until they are woken, by livepatch's signal at the latest: "+who)
	}
}

// tell reports what is in nothing's way.
func (b *builder) tell(code elfdiff.Code, f *Function, why string) {
	found := elfdiff.NewFinding(code, f.Name, why)
	found.Section, found.Severity, found.Accept, found.Hint = f.Module, elfdiff.Carried, "", ""
	b.report(found)
}

// checkStackTypes judges types that live on stacks only (elfdiff.TypeChange.OnStack) where
// their functions are not all replaced alike. Livepatch replaces functions task by
// task, a jump for all tasks before that, a probe behind it: with two of these, old
// code calls new code while it has a variable of the old layout.
func (b *builder) checkStackTypes(pairs []Pair) {
	for i := range pairs {
		types, _ := pairs[i].Diff.Types() // without debug information there is none
		for k := range types {
			if t := &types[k]; t.OnStack && t.Matters() {
				b.checkMethods(t, &pairs[i])
			}
		}
	}
}

func (b *builder) checkMethods(t *types.Change, p *Pair) {
	methods := b.methodsOf(p)
	if len(methods) < 2 && methods[MethodProbe] < 2 {
		return
	}
	f := t.Finding()
	judged := elfdiff.NewFinding(f.Code, f.Symbol, f.Message+"; but its functions are replaced in several ways, one after the other")
	b.report(judged)
}

// methodsOf counts how the functions of a pair are replaced.
func (b *builder) methodsOf(p *Pair) map[string]int {
	at := map[uint64]bool{}
	for i := range p.Match.Functions {
		at[p.Match.Functions[i].Address] = true
	}
	n := map[string]int{}
	count := func(f *Function, module *Target) {
		if module == p.Target && at[f.Addr] {
			n[f.Method]++
		}
	}
	for _, o := range b.objects {
		for i := range o.patched {
			count(&o.patched[i].Function, o.target)
		}
		for i := range o.jumps {
			count(&o.jumps[i].Function, o.target)
		}
	}
	for i := range b.probes {
		count(&b.probes[i].Function, nil)
	}
	return n
}
