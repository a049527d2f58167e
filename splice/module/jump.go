package module

import (
	"bytes"
	"slices"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// How a function is taken over.
const (
	// MethodFtrace has the kernel's livepatch do it, task by task, where the
	// function calls the function tracer.
	MethodFtrace = "ftrace"
	// MethodJump writes a jump at the beginning of the function, for all tasks
	// at once, while all processors stand still.
	MethodJump = "jump"
	// MethodProbe has a kprobe do it, where no jump can be written.
	MethodProbe = "probe"
)

// A jump is a function that is taken over without the function tracer.
type jump struct {
	Function
	to     ko.Dest     // the new one
	at     ko.Dest     // of the jump
	was    []byte      // what is there
	mask   []byte      // bits of that which have to be there
	lock   uint64      // offset of a lock prefix in it and 1, or 0
	skip   uint64      // offset of the jump in the function
	ret    uint64      // of a return that the kernel has rewritten, likewise
	ranges []codeRange // the old code
}

// jump plans the jump for a function that the function tracer can't take over.
func (l *linker) jump(out *patched, r *extract.Replacement, f *reloc.FuncResult) (jump, error) {
	j := jump{Function: out.Function, to: out.to}
	j.Method = MethodJump
	if err := l.jumpable(r.Name, f); err != nil {
		return j, err
	}
	code := make([]byte, f.Size)
	if err := l.part.Image.ReadAddr(code, f.Address); err != nil {
		x := refuse(splice.CodeNotMatched, r.Name, l.obj.name(), f.Address, "its code can't be read")
		x.Err = err
		return j, x
	}
	if f.Size < jumpSize+amd64.EndbrSize {
		code = append(code, l.part.Padding(f.Address+f.Size, uint64(l.image.Padding()))...)
	}
	behind := l.behindTracer(f)
	t, err := splice.Plan(splice.Function{Name: r.Name, Addr: f.Address + behind, Code: code[behind:], Entries: after(l.entries(r.Pre, f), behind)}, f.Address)
	if err != nil {
		return j, err
	}
	skip := t.At - f.Address
	if t.Form != splice.JmpRel32 || skip+jumpSize > uint64(len(code)) {
		return j, refuse(splice.CodeTooShort, r.Name, l.obj.name(), f.Address, "%v does not fit", t.Form)
	}
	if off, ok := returnsInto(code, skip); ok {
		return j, refuse(splice.CodeBranchTarget, r.Name, l.obj.name(), f.Address+off, "a call in the bytes of the jump returns to +%#x", off)
	}
	j.skip = skip
	j.was, j.mask = code[skip:skip+jumpSize], bytes.Repeat([]byte{0xff}, jumpSize)
	for _, s := range l.obj.sitesOf(l.builder).In(t.At, t.At+jumpSize) {
		if !j.tolerates(&s, s.Addr-t.At) {
			return j, refuse(CodeJumpSite, r.Name, s.Table, s.Addr, "the kernel rewrites %d bytes at +%#x, where the jump would be", s.Size, s.Addr-f.Address)
		}
	}
	j.at, err = l.codeAt(r.Name, t.At)
	if err == nil && l.obj.target != nil {
		err = j.inModule(l.obj.target, min(jumpSize, f.Size-skip))
	}
	return j, err
}

// jumpable refuses functions in which no jump is written, whatever they begin with.
func (l *linker) jumpable(name string, f *reloc.FuncResult) error {
	switch {
	case l.opt.NoJumps:
		return refuse(CodeNoJump, name, l.obj.name(), f.Address, "no jumps are allowed")
	case l.obj.target != nil && l.opt.Replace:
		x := refuse(CodeNoJump, name, l.obj.name(), f.Address, "jumps in a module are not for updates that take the place of others")
		x.Hint = "make this update without replacing others, or change its callers instead"
		return x
	case l.obj.target != nil:
		at, ok := l.obj.target.at(f.Address)
		if !ok {
			return refuse(splice.CodeNotMatched, name, l.obj.name(), f.Address, "it is not in the module")
		}
		if s, ok := l.obj.target.mod.SectionAt(at.Part-firstPart, uint64(at.Addend)); !ok || kerneltab.Of(s.Name).Has(kerneltab.Unpatched) {
			return refuse(CodeNoJump, name, l.obj.name(), f.Address, "nothing can be written there safely")
		}
		return nil
	}
	for row := range kerneltab.With(kerneltab.Unpatched) {
		if span, ok := l.image.Bounds(row); ok && f.Address < span[1] && f.Address+f.Size > span[0] {
			return refuse(CodeNoJump, name, row.Name, f.Address, "nothing can be written there safely")
		}
	}
	return nil
}

// codeAt returns how to reach code of what is patched.
func (l *linker) codeAt(name string, addr uint64) (ko.Dest, error) {
	if l.obj.target == nil {
		at, _, err := l.reach(name, addr)
		return at, err
	}
	at, ok := l.obj.target.at(addr)
	if !ok {
		return at, refuse(splice.CodeNotMatched, name, l.obj.name(), addr, "it is not in the module")
	}
	return at, nil
}

// inModule expects no bytes that the loader fills in: where the module is says what they are, and
// the whole function is compared before. size is how many bytes are of the function.
func (j *jump) inModule(t *Target, size uint64) error {
	_, fixups, err := t.mod.Raw(j.at.Part-firstPart, uint64(j.at.Addend), size)
	if err != nil {
		x := refuse(splice.CodeNotMatched, j.Name, t.Name(), j.Addr, "it can't be read")
		x.Err = err
		return x
	}
	for i := range fixups {
		at := min(fixups[i].Offset, jumpSize)
		clear(j.mask[at:min(at+relocations[fixups[i].Rela.Type], jumpSize)])
	}
	return nil
}

// tracerSize is the size of the call of the function tracer, bytes.
const tracerSize = 5

// behindTracer returns where the call of the function tracer ends at the start of a function,
// or 0: without livepatch the jump stands behind it, and the tracer stays as it is.
func (l *linker) behindTracer(f *reloc.FuncResult) uint64 {
	if !l.plain {
		return 0
	}
	at, ok := l.sites.Fentry(f.Address, f.Address+min(f.Size, amd64.EndbrSize+1))
	if !ok || at+tracerSize > f.Address+f.Size {
		return 0
	}
	return at + tracerSize - f.Address
}

// after returns the offsets that are not in front of one, from there.
func after(list []uint64, off uint64) (out []uint64) {
	for _, x := range list {
		if x >= off {
			out = append(out, x-off)
		}
	}
	return out
}

// tolerates reports whether a jump can stand over a site that is off bytes behind
// its first, and notes what to expect there.
func (j *jump) tolerates(s *kernel.Site, off uint64) bool {
	switch {
	case s.Table == kerneltab.CallSites && off < jumpSize: // while it boots, if at all
		for i := off + 1; i < min(off+s.Size, jumpSize); i++ {
			j.mask[i] = 0
		}
		return true
	case s.Table == kerneltab.ReturnSites && off < jumpSize && j.ret == 0: // likewise
		for i := off; i < jumpSize; i++ {
			j.mask[i] = 0
		}
		j.ret = off + 1
		return true
	case s.Table == kerneltab.SMPLocks && off < jumpSize && j.lock == 0: // see apply
		j.lock = off + 1
		return true
	}
	return false
}

// returnsInto looks for a call among the instructions that a jump at skip
// overwrites, whose return address is inside.
func returnsInto(code []byte, skip uint64) (uint64, bool) {
	for off := skip; off < min(skip+jumpSize, uint64(len(code))); {
		in, err := amd64.Decode(code[off:])
		if err != nil {
			return off, true // Plan has seen all of it
		}
		off += uint64(in.Len)
		if (in.Class == amd64.Call || in.Class == amd64.CallInd) && off < skip+jumpSize {
			return off, true
		}
	}
	return 0, false
}

// entries lists the offsets in run at which anything leads into a function: its
// jump tables, its cold part, tables of exceptions and of static branches.
func (l *linker) entries(pre object.AtomID, f *reloc.FuncResult) []uint64 {
	if l.inner == nil {
		l.inner = l.innerRefs()
	}
	var list []uint64
	for _, off := range l.inner[pre] {
		list = append(list, f.RunOffset(off))
	}
	return list
}

// innerRefs maps functions to the places in them that something leads to. Tables that
// only describe places do not.
func (l *linker) innerRefs() map[object.AtomID][]uint64 {
	pre, out := l.pair.Diff.Pre, map[object.AtomID][]uint64{}
	for i := range pre.Atoms {
		a := &pre.Atoms[i]
		if a.Kind == object.Unwind || a.Kind == object.Meta || kerneltab.Of(pre.File.Sections[a.Section].Name).Has(kerneltab.Describing) {
			continue
		}
		for k := range a.Refs {
			r := &a.Refs[k]
			if r.Target != object.NoAtom && r.TargetOff > 0 && pre.Atom(r.Target).Kind == object.Func {
				out[r.Target] = append(out[r.Target], uint64(r.TargetOff))
			}
		}
	}
	return out
}

// untraced is replace for a function that the function tracer can't take over: by
// a jump, or where none can be written by a kprobe. Where neither can be, both
// reasons are told.
func (l *linker) untraced(out *patched, r *extract.Replacement, f *reloc.FuncResult) {
	j, err := l.jump(out, r, f)
	if err == nil {
		first := len(l.obj.checks)
		l.old(&j.Function, r, f, func(name string, m *reloc.FuncResult) { j.covers(l, name, m) })
		l.coverTails(&j, r.Pre)
		if (l.opt.Replace || l.plain) && len(l.obj.checks) > first { // there may be the jump of another update: see look
			mask := l.obj.checks[first].mask
			clear(mask[min(j.skip, uint64(len(mask))):min(j.skip+jumpSize, uint64(len(mask)))])
		}
		l.obj.jumps = append(l.obj.jumps, j)
		return
	}
	if l.plain {
		l.refused.add(err)
		return
	}
	p := probed{Function: out.Function, to: out.to, noJump: err}
	p.Method = MethodProbe
	if why := l.probe(&p); why != "" {
		x := refuse(CodeNoFentry, r.Name, l.obj.name(), f.Address, "it does not begin with a call of the function tracer, and %s", why)
		x.Err = err
		l.refused.add(x)
		return
	}
	l.old(&p.Function, r, f, func(string, *reloc.FuncResult) {})
	l.probes = append(l.probes, p)
}

// coverTails notes the old code that a function jumps to at its end, and that takes effect by it.
func (l *linker) coverTails(j *jump, caller object.AtomID) {
	pre := l.pair.Diff.Pre
	for _, t := range l.tails {
		if !slices.Contains(t.Callers, caller) {
			continue
		}
		for i := range pre.Atoms {
			if a := &pre.Atoms[i]; a.Kind == object.Func && a.Root() == t.Function {
				if m, ok := l.matched(a.ID); ok {
					j.covers(l, a.Name, m)
				}
			}
		}
	}
}

// covers notes old code.
func (j *jump) covers(l *linker, name string, m *reloc.FuncResult) {
	at, err := l.codeAt(name, m.Address)
	if err != nil {
		l.refused.add(err)
		return
	}
	j.ranges = append(j.ranges, codeRange{name, at, m.Address, m.Size})
}

// FindingJump is the code of the finding about a function that a jump takes over.
const FindingJump elfdiff.Code = "jump"

// jumpFindings says what is different about jumps.
func (b *builder) jumpFindings() []elfdiff.Finding {
	out := []elfdiff.Finding{}
	for _, o := range b.objects {
		for i := range o.jumps {
			why := "it is not traced"
			if b.plain {
				why = "this kernel has no livepatch"
			}
			out = append(out, elfdiff.Finding{
				Code: FindingJump, Severity: elfdiff.Carried, Symbol: o.jumps[i].Name, Section: o.name(), Offset: o.jumps[i].skip,
				Message: why + ": a jump takes it over, for all tasks at once, while all processors but for their NMIs are stopped",
				Hint:    "load the update when no task sleeps in it",
			})
		}
	}
	return out
}
