package audit

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/reloc/internal/rewrite"
)

// A siteForm reports whether run, at an address, holds what the kernel writes at a
// site with the linked bytes that are given. Both are at least as long as the site.
type siteForm func(c *cluster, s *kernel.Site, linked, run []byte, at uint64) bool

// siteForms has a row for each table whose sites are looked at by themselves; the
// forms are those that matching takes for legal, and what they may hold is read from the kernel.
var siteForms = map[string]siteForm{
	kerneltab.McountLoc:       (*cluster).tracer,
	kerneltab.EndbrSeal:       (*cluster).sealed,
	kerneltab.ParaSites:       (*cluster).pvCall,
	kerneltab.RetpolineSites:  (*cluster).retpoline,
	kerneltab.ReturnSites:     (*cluster).returned,
	kerneltab.CallSites:       (*cluster).countedCall,
	kerneltab.SMPLocks:        (*cluster).unlocked,
	kerneltab.JumpTable:       (*cluster).label,
	kerneltab.StaticCallSites: (*cluster).staticCall,
}

// written reports whether a site holds one of its forms. Tables go by the names of
// the sections that objects have them in, also where vmlinux has merged them: see
// kernel.Site.
func (c *cluster) written(s *kernel.Site, linked, run []byte, at uint64) bool {
	form := siteForms[s.Table]
	if row := kerneltab.Of(s.Table); form == nil && row != nil && row.Site != nil && row.Site.Variable {
		form = (*cluster).constant
	}
	if form == nil || uint64(len(run)) < s.Size || uint64(len(linked)) < s.Size {
		return false // of a table that nobody has looked at
	}
	return form(c, s, linked[:s.Size], run[:s.Size], at)
}

// tracer: a call of a tracer that is switched off, or of some tracer.
func (c *cluster) tracer(s *kernel.Site, _, run []byte, at uint64) bool {
	if amd64.IsNop5(run) {
		return true
	}
	to := rewrite.Target(run, at, 5)
	if run[0] != 0xe8 || !c.isExec(to) {
		return false
	}
	c.found = append(c.found, image.Patch{Kind: image.PatchTraced, Address: at, Target: to})
	return true
}

func (c *cluster) sealed(_ *kernel.Site, _, run []byte, _ uint64) bool {
	return amd64.IsSealed(run)
}

func (c *cluster) unlocked(_ *kernel.Site, linked, run []byte, _ uint64) bool {
	return run[0] == 0x3e && linked[0] == 0xf0
}

// returned: a return, or a jump to what x86_return_thunk says.
func (c *cluster) returned(_ *kernel.Site, _, run []byte, at uint64) bool {
	if string(run) == rewrite.Ret5 {
		return true
	}
	if thunk, ok := c.wordAt(c.marks.returns); ok {
		return run[0] == 0xe9 && rewrite.Target(run, at, 5) == thunk
	}
	return run[0] == 0xe9 && c.isReturnThunk(rewrite.Target(run, at, 5))
}

// isReturnThunk reports whether a return thunk is at an address, by run's symbols where it
// has all.
func (p *part) isReturnThunk(to uint64) bool {
	if _, m := p.auditor.run.ModuleAt(to); !p.isExec(to) || !p.auditor.run.HasAllSymbols(m) {
		return p.isExec(to)
	}
	return slices.ContainsFunc(p.auditor.run.SymbolsAt(to), func(s image.Symbol) bool { return rewrite.IsReturnThunk(s.Name) })
}

// wordAt reads a word of the running kernel at a link address, which is none when
// it is 0.
func (p *part) wordAt(addr uint64) (uint64, bool) {
	if addr == 0 {
		return 0, false
	}
	return p.looks.word(addr + p.bias)
}

// pvCall: a direct call of what a slot of pv_ops holds, or nothing when that does
// nothing.
func (c *cluster) pvCall(s *kernel.Site, linked, run []byte, at uint64) bool {
	slot, ok := pvSlot(linked, s.Addr)
	if !ok {
		return false
	}
	fn, ok := c.wordAt(slot)
	if !ok {
		return false
	}
	for i := range c.marks.nops {
		if nop := c.marks.nops[i]; nop != 0 && fn == nop+c.bias {
			return rewrite.IsFilling(run, len(run))
		}
	}
	if name := c.marks.natives[fn-c.bias]; name != "" && rewrite.IsPVSlotCall(linked) && rewrite.IsPVNative(name, run) {
		return true
	}
	if len(run) < 5 || run[0] != pvBranch(linked) || !rewrite.IsFilling(run[5:], len(run)-5) {
		return false
	}
	to := rewrite.Target(run, at, 5)
	if fn == 0 {
		return to == c.marks.bugs[0]+c.bias || to == c.marks.bugs[1]+c.bias
	}
	return c.leads(to, fn)
}

// pvBranch returns the opcode of the direct branch that takes the place of an indirect one: a
// call, or until Linux 5.17 a jump as well.
func pvBranch(linked []byte) byte {
	if linked[1] == 0x25 {
		return 0xe9
	}
	return 0xe8
}

// pvSlot returns where the slot of pv_ops is that a call at an address goes through:
// "call *slot(%rip)", "jmp *slot(%rip)", or "call *slot" as until Linux 5.15.
func pvSlot(linked []byte, at uint64) (uint64, bool) {
	switch {
	case len(linked) >= 6 && linked[0] == 0xff && (linked[1] == 0x15 || linked[1] == 0x25):
		return rewrite.Target(linked[:6], at, 6), true
	case rewrite.IsPVSlotCall(linked):
		return uint64(int64(int32(binary.LittleEndian.Uint32(linked[3:])))), true
	}
	return 0, false
}

// retpoline: the indirect branch itself, or a branch to another thunk for the same
// register.
func (c *cluster) retpoline(s *kernel.Site, linked, run []byte, at uint64) bool {
	cs := 0
	if linked[0] == 0x2e {
		cs = 1
	}
	n := len(linked)
	if n < cs+5 {
		return false
	}
	reg, ok := c.marks.thunks[rewrite.Target(linked, s.Addr, n)]
	if !ok {
		return false
	}
	if bytes.Equal(run[:n-4], linked[:n-4]) {
		return c.thunkOf(reg, linked[cs], rewrite.Target(run, at, n))
	}
	return rewrite.IsBareBranch(linked[cs:], reg, run)
}

// thunkOf reports whether a thunk branches to what a register holds: one that
// counts, or one that is nothing but the branch, as those against indirect target
// selection are (its_init_thunk of arch/x86/kernel/alternative.c).
func (c *cluster) thunkOf(reg int, op byte, to uint64) bool {
	which := 1
	if op == 0xe8 {
		which = 0
	}
	if base := c.marks.counting[which]; base != 0 && to == base+32*uint64(reg)+c.bias {
		return true
	}
	b, err := c.looks.bytes(to, 4)
	if err != nil || !c.isExec(to) {
		return false
	}
	if reg >= 8 {
		if b[0] != 0x41 {
			return false
		}
		b = b[1:]
	}
	return b[0] == 0xff && b[1] == 0xe0|byte(reg&7)
}

func (p *part) isExec(addr uint64) bool {
	r := p.auditor.run.RegionAt(addr)
	return r != nil && r.Exec
}

// countedCall: a call of the same function, which is counted in front of it.
func (c *cluster) countedCall(s *kernel.Site, linked, run []byte, at uint64) bool {
	return linked[0] == 0xe8 && run[0] == 0xe8 && c.leads(rewrite.Target(run, at, 5), rewrite.Target(linked, s.Addr, 5)+c.bias)
}

// label: a nop, or a jump to the target of the entry, as the key says.
func (c *cluster) label(s *kernel.Site, _, run []byte, at uint64) bool {
	l, e := kerneltab.Named(kerneltab.JumpTable).Usual(), c.sites0().Entry(s)
	if uint64(len(e)) < l.Size || len(run) != 2 && len(run) != 5 {
		return false
	}
	field := &l.Fields[kerneltab.Key]
	key := binary.LittleEndian.Uint64(e[field.Offset:])
	on, known := c.isOn(s.Entry + field.Offset + key&field.Bits())
	jumps := on != (key&1 != 0)
	isNop := len(run) == 5 && amd64.IsNop5(run) || run[0] == 0x66 && run[1] == 0x90 && len(run) == 2
	if isNop {
		return !known || !jumps
	}
	to := relative32(s, e, l.Fields[kerneltab.Target].Offset) + c.bias
	isJump := run[0] == 0xe9 && len(run) == 5 && rewrite.Target(run, at, 5) == to || run[0] == 0xeb && len(run) == 2 && at+2+uint64(int64(int8(run[1]))) == to
	return isJump && (!known || jumps)
}

// isOn reports whether a static key, by link address, is on. It is not known of one
// that is being switched, and of one in memory that was freed (struct static_key of
// include/linux/jump_label.h: a count first).
func (p *part) isOn(addr uint64) (on, known bool) {
	if p.file.IsInit(addr) {
		return false, false
	}
	b, err := p.looks.bytes(addr+p.bias, 4)
	if err != nil {
		return false, false
	}
	n := int32(binary.LittleEndian.Uint32(b))
	return n > 0, n >= 0
}

// staticCall: a call of the function that the key has (struct static_call_key of
// include/linux/static_call_types.h: the function first), or what stands for none.
func (c *cluster) staticCall(s *kernel.Site, linked, run []byte, at uint64) bool {
	l, e := kerneltab.Named(kerneltab.StaticCallSites).Usual(), c.sites0().Entry(s)
	if uint64(len(e)) < l.Size {
		return false
	}
	return c.calls(relative32(s, e, l.Fields[kerneltab.Key].Offset)&^3, linked[0], run, at)
}

// calls reports whether run calls, or jumps to, what a static call leads to.
func (c *cluster) calls(key uint64, op byte, run []byte, at uint64) bool {
	fn, ok := c.wordAt(key)
	if !ok || c.file.IsInit(key) {
		return false
	}
	switch {
	case fn == 0 && op == 0xe8:
		return amd64.IsNop5(run)
	case fn == 0:
		return c.returned(nil, nil, run, at)
	case op == 0xe8 && c.marks.inlined[fn-c.bias] != "" && run[0] != 0xe8:
		return rewrite.IsStaticInsn(c.marks.inlined[fn-c.bias], run)
	}
	return run[0] == op && c.leads(rewrite.Target(run, at, 5), fn)
}

// constant: what the variable holds that the table is named after.
func (c *cluster) constant(s *kernel.Site, _, run []byte, _ uint64) bool {
	list := c.file.Symbols(strings.TrimPrefix(s.Table, kerneltab.Of(s.Table).Name))
	if len(list) != 1 || len(run) > 8 {
		c.opaque++
		return true
	}
	b, err := c.looks.bytes(list[0].Addr+c.bias, uint64(len(run)))
	return err == nil && bytes.Equal(b, run)
}
