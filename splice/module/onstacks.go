package module

import (
	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/types"
)

// onStacks judges types that live on stacks only (elfdiff.TypeChange.OnStack) where
// their functions are not all replaced alike. Livepatch replaces functions task by
// task, a jump for all tasks before that, a probe behind it: with two of these, old
// code calls new code while it has a variable of the old layout.
func (b *builder) onStacks(pairs []Pair) {
	for i := range pairs {
		types, _ := pairs[i].Diff.Types() // without debug information there is none
		for k := range types {
			if t := &types[k]; t.OnStack && t.Matters() {
				b.alike(t, &pairs[i])
			}
		}
	}
}

func (b *builder) alike(t *types.Change, p *Pair) {
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
