package module

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice"
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
	to     target      // the new one
	at     target      // of the jump
	was    []byte      // what is there
	mask   []byte      // bits of that which have to be there
	lock   uint64      // offset of a lock prefix in it and 1, or 0
	skip   uint64      // offset of the jump in the function
	ret    uint64      // of a return that the kernel has rewritten, likewise
	ranges []codeRange // the old code
}

// jump plans the jump for a function that the function tracer can't take over.
func (l *linker) jump(out *patched, r *elfdiff.Replacement, f *reloc.FuncResult) (jump, error) {
	j := jump{Function: out.Function, to: out.to}
	j.Method = MethodJump
	if l.obj.target != nil || l.opt.NoJumps {
		return j, refuse(CodeNoJump, r.Name, l.obj.name(), f.Address, "jumps are for the kernel itself, where they are allowed")
	}
	for row := range kerneltab.With(kerneltab.Unpatched) {
		if span, ok := l.image.Bounds(row); ok && f.Address < span[1] && f.Address+f.Size > span[0] {
			return j, refuse(CodeNoJump, r.Name, row.Name, f.Address, "nothing can be written there safely")
		}
	}
	code, err := l.image.Read(f.Address, f.Size)
	if err != nil {
		x := refuse(splice.CodeNotMatched, r.Name, "", f.Address, "its code can't be read")
		x.Err = err
		return j, x
	}
	if f.Size < jumpSize+uint64(len(endbr)) {
		code = append(code, l.part.Padding(f.Address+f.Size, uint64(l.image.Padding()))...)
	}
	t, err := splice.Plan(splice.Function{Name: r.Name, Addr: f.Address, Code: code, Entries: l.entries(r.Pre, f)}, f.Address)
	if err != nil {
		return j, err
	}
	skip := t.At - f.Address
	if t.Form != splice.JmpRel32 || skip+jumpSize > uint64(len(code)) {
		return j, refuse(splice.CodeTooShort, r.Name, "", f.Address, "%v does not fit", t.Form)
	}
	if off, ok := returnsInto(code, skip); ok {
		return j, refuse(splice.CodeBranchTarget, r.Name, "", f.Address+off, "a call in the bytes of the jump returns to +%#x", off)
	}
	j.skip = skip
	j.was, j.mask = code[skip:skip+jumpSize], []byte{0xff, 0xff, 0xff, 0xff, 0xff}
	for _, s := range l.sites.In(t.At, t.At+jumpSize) {
		if !j.tolerates(&s, s.Addr-t.At) {
			return j, refuse(CodeJumpSite, r.Name, s.Table, s.Addr, "the kernel rewrites %d bytes at +%#x, where the jump would be", s.Size, s.Addr-f.Address)
		}
	}
	j.at, _, err = l.reach(r.Name, t.At)
	return j, err
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
func (l *linker) entries(pre elfdiff.AtomID, f *reloc.FuncResult) []uint64 {
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
func (l *linker) innerRefs() map[elfdiff.AtomID][]uint64 {
	pre, out := l.pair.Diff.Pre, map[elfdiff.AtomID][]uint64{}
	for i := range pre.Atoms {
		a := &pre.Atoms[i]
		if a.Kind == elfdiff.Unwind || a.Kind == elfdiff.Meta || kerneltab.Of(pre.File.Sections[a.Section].Name).Has(kerneltab.Describing) {
			continue
		}
		for k := range a.Refs {
			r := &a.Refs[k]
			if r.Target != elfdiff.NoAtom && r.TargetOff > 0 && pre.Atom(r.Target).Kind == elfdiff.Func {
				out[r.Target] = append(out[r.Target], uint64(r.TargetOff))
			}
		}
	}
	return out
}

// untraced is replace for a function that the function tracer can't take over: by
// a jump, or where none can be written by a kprobe. Where neither can be, both
// reasons are told.
func (l *linker) untraced(out *patched, r *elfdiff.Replacement, f *reloc.FuncResult) {
	j, err := l.jump(out, r, f)
	if err == nil {
		first := len(l.obj.checks)
		l.old(&j.Function, r, f, func(name string, m *reloc.FuncResult) { j.covers(l, name, m) })
		if l.opt.Replace && len(l.obj.checks) > first { // there may be the jump of another update: see look
			mask := l.obj.checks[first].mask
			clear(mask[min(j.skip, uint64(len(mask))):min(j.skip+jumpSize, uint64(len(mask)))])
		}
		l.obj.jumps = append(l.obj.jumps, j)
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

// covers notes old code.
func (j *jump) covers(l *linker, name string, m *reloc.FuncResult) {
	at, _, err := l.reach(name, m.Address)
	if err != nil {
		l.refused.add(err)
		return
	}
	j.ranges = append(j.ranges, codeRange{name, at, m.Address, m.Size})
}

// What the log is told about jumps; KERN_ERR is SOH and 3, KERN_WARNING SOH and 4.
const (
	busyFormat    = "\x013%s: %s is in use by %s (%d); nothing was patched\n"
	changedFormat = "\x013%s: %s is not what this update was made for; nothing was patched\n"
	inUseFormat   = "\x014%s: %s is in use by %s (%d); this module has to stay loaded\n"
	foreignFormat = "\x013%s: somebody else has changed %s; it stays as it is, and so does this module\n"
	waitFormat    = "\x014%s: %s is in use by %s (%d); waiting\n"
)

// jumps writes the code and the tables for the jumps of the kernel itself.
func (b *builder) jumps(a *asm) {
	if len(b.objects) == 0 || len(b.objects[0].jumps) == 0 || len(b.refused) > 0 {
		return
	}
	o := b.objects[0]
	j := b.newJumper()
	if len(b.refused) > 0 {
		return
	}
	b.jumper = j
	j.table(b, o.jumps)
	old := b.hidden()
	hidden := len(old)
	for i := range o.jumps {
		old = append(old, o.jumps[i].ranges...)
	}
	j.old = b.ranges("jump_old", old)
	own := b.out.Symbol(a.calls["compare"]).Value // what is carried is in front of it
	carried := codeRange{name: "its new code", at: target{symbol: a.anchor}, size: own}
	j.new = b.ranges("jump_new", append(old[:hidden:hidden], carried))
	j.this = target{symbol: b.thisModule().anchor}
	ours := map[string]string{"pre_patch": "jump_pre", "post_unpatch": "jump_post"}
	if b.opt.Replace {
		ours["post_patch"] = "jump_done"
	}
	for name := range ours {
		if t, ok := o.hooks[name]; ok {
			j.user[name] = t
		}
	}
	j.write(b, a)
	for name, fn := range ours {
		o.hooks[name] = target{symbol: a.calls[fn]}
	}
}

// FindingJump is the code of the finding about a function that a jump takes over.
const FindingJump elfdiff.Code = "jump"

// jumpFindings says what is different about jumps.
func (b *builder) jumpFindings() []elfdiff.Finding {
	out := []elfdiff.Finding{}
	for _, o := range b.objects {
		for i := range o.jumps {
			out = append(out, elfdiff.Finding{
				Code: FindingJump, Severity: elfdiff.Carried, Symbol: o.jumps[i].Name, Offset: o.jumps[i].skip,
				Message: "it is not traced: a jump takes it over, for all tasks at once, while all processors but for their NMIs are stopped",
				Hint:    "load the update when no task sleeps in it",
			})
		}
	}
	return out
}

// write writes the functions, those that are called first.
func (j *jumper) write(b *builder, a *asm) {
	for _, f := range []struct {
		name string
		body func(*builder, *asm)
	}{
		{"words", words}, {"walk", j.walk}, {"idle", j.idle}, {"blame", j.blame}, {"scan", j.scan}, {"differs", differs}, {"look", look},
		{"apply", j.apply}, {"revert", j.revert}, {"gate", j.gate},
	} {
		b.function(a, f.name, elf.STB_LOCAL, f.body)
	}
	j.gateAt = target{symbol: a.calls["gate"]}
	for _, f := range []struct {
		name string
		body func(*builder, *asm)
	}{
		{"stop", j.stop}, {"retry", j.retry}, {"adopt", j.adopt}, {"put_back", j.putBack}, {"others", j.others}, {"jump_done", j.done},
		{"jump_pre", j.pre}, {"jump_post", j.post}, {"leave", j.leave},
	} {
		b.function(a, f.name, elf.STB_LOCAL, f.body)
	}
}

// text32 returns where a string is.
func (b *builder) text32(s string) target {
	r, at := b.string(s)
	return target{symbol: r.anchor, addend: int64(at)}
}

// abs emits an instruction whose last four bytes are an address.
func (a *asm) abs(t target, opcode ...byte) { a.imm(elf.R_X86_64_32S, t.symbol, t.addend, opcode...) }

// far emits a call of something that is not a function of the module's own.
func (a *asm) far(t target) { a.imm(elf.R_X86_64_PLT32, t.symbol, t.addend-4, 0xe8) }

// settle follows the call that enables the patch, with its result in %eax. When
// that failed, but the new code is in use already, the module must not go.
func (j *jumper) settle(a *asm) {
	a.abs(j.block, 0x48, 0xc7, 0xc1)     // mov $block,%rcx
	a.emit(0x83, 0x79, blockStays, 0x00) // cmpl $0x0,0x2c(%rcx)
	a.jump(0x74, "out")                  // je out
	a.emit(0x31, 0xc0)                   // xor %eax,%eax
}
