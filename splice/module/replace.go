package module

import (
	"debug/elf"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice"
)

// replace notes that the kernel's function is to be replaced.
func (l *linker) replace(r *extract.Replacement) {
	if l.instead[r.Pre] {
		return
	}
	if l.plain && l.obj.target != nil {
		l.refused.add(refuse(CodeNoLivepatch, r.Name, l.obj.name(), 0, "without livepatch nothing patches modules"))
		return
	}
	f, ok := l.matched(r.Pre)
	if !ok {
		return
	}
	if again, err := l.names.Check(&l.part, r.Pre); again || err != nil {
		if err != nil {
			l.refused.add(err)
		}
		return
	}
	name, pos, err := l.obj.identify(l.builder, r.Name, f.Address)
	if err != nil {
		l.refused.add(err)
		return
	}
	if l.obj.replaces(f.Address) || l.isProbed(f.Address) {
		l.refused.add(refuse(CodeTwice, r.Name, "", f.Address, "two objects replace it"))
		return
	}
	if err := l.unproven(r.Name, f); err != nil {
		l.refused.add(err)
		return
	}
	out := patched{to: l.Syms[r.New]}
	out.Function = Function{Name: name, Module: l.obj.name(), Position: pos, Addr: f.Address, By: f.By.String(), Method: MethodFtrace}
	if _, traced := l.obj.sitesOf(l.builder).Fentry(f.Address, f.Address+f.Size); !traced || l.plain {
		if l.obj.isExit(f.Address) {
			l.exit(&out, r, f)
		} else {
			l.untraced(&out, r, f)
		}
		return
	}
	l.old(&out.Function, r, f, func(string, *reloc.FuncResult) {})
	l.obj.patched = append(l.obj.patched, out)
}

// unproven refuses what the memory of a running kernel does not prove: a function in which somebody
// has put something, and one that is not traced, since nothing tells what the kernel rewrites in it.
func (l *linker) unproven(name string, f *reloc.FuncResult) error {
	if !l.image.IsLive() || l.obj.target != nil {
		return nil
	}
	for i := range f.Patches {
		if p := &f.Patches[i]; p.Kind != reloc.PatchTraced {
			r := refuse(CodeNeedsImage, name, "", p.Address, "somebody has changed the running function: %v", p.Kind)
			r.Hint = "take away what changed it, or " + r.Hint
			return r
		}
	}
	if _, traced := l.sites.Fentry(f.Address, f.Address+f.Size); !traced {
		return refuse(CodeNeedsImage, name, "", f.Address, "the function tracer does not know it, and nothing tells which of its bytes the kernel rewrites")
	}
	return nil
}

// FindingOverruled is the code of the finding about a changed function that is weak and not
// in the kernel, since another object has a function of that name.
const FindingOverruled elfdiff.Code = "overruled"

// overruled sets aside changed weak functions that the kernel does not have because another
// definition took their place. Nothing runs them, and what the update calls by that name is
// the other one, as the linker has it.
func (l *linker) overruled() {
	for i := range l.carried.Replacements {
		r := &l.carried.Replacements[i]
		f := l.pair.Match.Func(r.Pre)
		if f == nil || l.pair.Target != nil || f.Verdict != reloc.Absent || !f.Weak || f.Replacement == 0 || l.Spec.Symbols[r.New].Bind() != elf.STB_WEAK {
			continue
		}
		to, _, err := l.reach(r.Name, f.Replacement)
		if err != nil {
			l.refused.add(err)
			continue
		}
		if l.instead == nil {
			l.instead = map[object.AtomID]bool{}
		}
		l.Syms[r.New], l.instead[r.Pre] = to, true
		l.report(elfdiff.Finding{
			Code: FindingOverruled, Severity: elfdiff.Ignored, Symbol: r.Name, Offset: f.Replacement,
			Message: "it is weak, and the kernel has another function of that name instead: nothing runs it",
		})
	}
}

// old adds the checks of a function and of its cold parts, and tells each about
// them.
func (l *linker) old(f *Function, r *extract.Replacement, m *reloc.FuncResult, each func(string, *reloc.FuncResult)) {
	pre := l.pair.Diff.Pre
	l.expect(f, r.Pre, m)
	each(r.Name, m)
	for i := range pre.Atoms {
		if a := &pre.Atoms[i]; a.Kind == object.Func && a.Owner == r.Pre {
			if cold, ok := l.matched(a.ID); ok {
				l.expect(f, a.ID, cold)
				each(a.Name, cold)
			}
		}
	}
}

// matched returns what run-pre matching found, which has to be a match.
func (l *linker) matched(id object.AtomID) (*reloc.FuncResult, bool) {
	f := l.pair.Match.Func(id)
	if f != nil && f.Verdict == reloc.Matched {
		return f, true
	}
	name := l.pair.Diff.Pre.Atom(id).Name
	if f == nil {
		l.refused.add(refuse(splice.CodeNotMatched, name, "", 0, "it was not looked for"))
		return nil, false
	}
	l.refused.add(unmatched(name, f))
	return nil, false
}

// unmatched says why run-pre matching did not find a function, and what helps.
func unmatched(name string, f *reloc.FuncResult) *splice.Refusal {
	r := refuse(splice.CodeNotMatched, name, "", f.Address, "run-pre matching says %s", f.Verdict)
	switch {
	case f.Mismatch != nil:
		r.Err = f.Mismatch
	case f.Verdict == reloc.Ambiguous:
		r.Message = fmt.Sprintf("its code stands at %d places, and nothing tells which is meant", len(f.Candidates))
		if f.Undecided != "" {
			r.Message += ": " + f.Undecided
		}
		r.Hint = "change its callers instead, which are found by what they call"
	}
	return r
}
