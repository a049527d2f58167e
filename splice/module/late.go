package module

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A module that is patched may be loaded after the update, and again and again.
// So the fields that depend on where it is are filled in by the update itself,
// in its pre_patch callback, which livepatch calls whenever the module is there
// and before anything leads to the new code (klp_module_coming and
// __klp_enable_patch of kernel/livepatch/core.c). The kernel's own way, sections
// .klp.rela.MODULE, makes Linux 6.1 refuse a module that is loaded a second time
// ("existing value is nonzero"), looks symbols up by names that may not be
// unique, and would come too late for the proof.
//
// The callback has a table of bases: numbers that are added to and subtracted
// from what a row says.
const (
	baseZero  = 0 // 0
	basePlace = 1 // the address of the field itself
	baseMod   = 2 // of struct module
	firstPart = 3 // of the parts of the module's memory, see kernel.Module
)

// A fixup is a field that is filled in when a module is there.
type fixup struct {
	sec    *section
	off    uint64
	size   uint64 // 4 or 8
	to     target
	addend int64
	minus  int    // base that is subtracted
	less   uint64 // and what
	text   bool   // the field is in memory that can't be written to
}

const fixupSize = 24

// late notes a reference to a module of something that is carried.
func (l *linker) late(sec *section, off uint64, r *elfobj.Rela, to target) {
	size := relocations[r.Type]
	if size == 0 {
		return
	}
	name, t := "", l.obj.target.Name()
	switch sec.name {
	case kerneltab.JumpTable:
		l.refused.add(refuse(CodeModuleKey, name, sec.name, off, "a static branch of %s", t))
		return
	case kerneltab.Text, kerneltab.Rodata, kerneltab.Data:
	default:
		l.refused.add(refuse(CodeModuleRef, name, sec.name, off, "it refers to %s", t))
		return
	}
	f := fixup{sec: sec, off: off, size: size, to: to, addend: r.Addend, text: sec.flags&elf.SHF_WRITE == 0}
	if h, ok := amd64.HowtoOf(r.Type); ok && h.PCRel {
		f.minus = basePlace
	}
	l.obj.fixups = append(l.obj.fixups, f)
}

// fixupTable writes rows, and one of zeros behind them: where, what to add, the
// bases to add and to subtract, the size, and whether the text is poked.
func (b *builder) fixupTable(d *section, name string, rows []fixup) uint64 {
	table := d.append(8, make([]byte, fixupSize*(len(rows)+1)))
	b.define(name, elf.STT_OBJECT, d, table, uint64(fixupSize*(len(rows)+1)))
	for i := range rows {
		f := &rows[i]
		at := table + uint64(i*fixupSize)
		d.rela(at, elf.R_X86_64_64, f.sec.anchor, int64(f.off))
		add := f.to.addend + f.addend - int64(f.less)
		if f.to.part == 0 && f.to.symbol != 0 {
			d.rela(at+8, elf.R_X86_64_64, f.to.symbol, add)
		} else {
			put64(d.data[at+8:], uint64(add))
		}
		d.data[at+16], d.data[at+17], d.data[at+18] = byte(f.to.part), byte(f.minus), byte(f.size)
		if f.text {
			d.data[at+19] = 1
		}
	}
	return table
}

// forModule writes the pre_patch callback of a module, with its tables.
func (b *builder) forModule(a *asm, o *object) {
	if b.pokes(a, "fill", b.fill); len(b.refused) > 0 {
		return
	}
	d, t := b.data(), o.target
	parts := t.mod.Parts
	bases := d.append(8, make([]byte, 8*(firstPart+len(parts))))
	b.define(joined("bases", t.Name()), elf.STT_OBJECT, d, bases, uint64(8*(firstPart+len(parts))))
	rows := b.identityOf(o, bases)
	rows = append(rows, o.checks...)
	checks, wants := b.checkTable(d, joined("checks", t.Name()), rows)
	var early []fixup
	for i := range rows {
		c := &rows[i]
		at := checks + uint64(i*checkSize)
		if c.at.part == 0 {
			d.rela(at, elf.R_X86_64_64, c.at.symbol, c.at.addend)
		} else {
			early = append(early, fixup{sec: d, off: at, size: 8, to: c.at})
		}
		for _, x := range c.fields {
			f := fixup{sec: d, off: wants[i] + x.off, size: relocations[x.typ], to: x.to, addend: x.addend}
			if h, ok := amd64.HowtoOf(x.typ); ok && h.PCRel {
				f.minus, f.less = c.at.part, uint64(c.at.addend)+x.off
			}
			early = append(early, f)
		}
	}
	cb := callback{
		object: o, bases: bases, checks: checks, early: b.fixupTable(d, joined("expected", t.Name()), early),
	}
	if len(o.fixups) > 0 {
		cb.late = b.fixupTable(d, joined("fixups", t.Name()), o.fixups)
	}
	if user, ok := o.hooks["pre_patch"]; ok {
		cb.user = &user
	}
	sym := b.function(a, joined("pre_patch", t.Name()), elf.STB_LOCAL, cb.write)
	o.hooks["pre_patch"] = target{symbol: sym}
}

// identityOf returns the checks that show that the module is the one whose file
// was given, laid out as was thought: struct module is where it should be in the
// data; the loader has made the parts of their sizes; the build-id, which is in
// read-only data; and livepatch has found the functions where they should be in
// the code. Each reads only what those before it have shown to be there.
func (b *builder) identityOf(o *object, bases uint64) []check {
	t, d := o.target, b.data()
	var rows []check
	pointer := func(name string, at uint64, to target) {
		c := newCheck(name, target{symbol: d.anchor, addend: int64(at)}, make([]byte, 8))
		c.fields = []field{{0, uint32(elf.R_X86_64_64), to, 0}}
		rows = append(rows, c)
	}
	this, _ := t.symbol(&t.mod.Lookup("__this_module")[0])
	pointer("its data", bases+8*baseMod, this)
	for i := range t.mod.Parts {
		for _, w := range t.mod.Parts[i].Sizes {
			want := make([]byte, 4)
			put32(want, w.Value)
			rows = append(rows, newCheck("its size", target{part: baseMod, addend: int64(w.Offset)}, want))
		}
	}
	part, off := t.mod.BuildIDAt()
	rows = append(rows, newCheck("its build-id", target{part: firstPart + part, addend: int64(off)}, t.mod.BuildID))
	for i := range o.patched {
		p := &o.patched[i]
		if to, ok := t.at(p.Addr); ok {
			pointer(p.Name, p.at+b.layout["klp_func"].Offsets["old_func"], to)
		}
	}
	return rows
}

// pokes finds what writes to text, and writes the function that fills fields in,
// or copies, once.
func (b *builder) pokes(a *asm, name string, body func(*asm)) {
	if _, ok := a.calls[name]; ok {
		return
	}
	b.textPoke()
	b.function(a, name, elf.STB_LOCAL, func(_ *builder, a *asm) { body(a) })
}

// textPoke finds the kernel's own function to write to text, and its lock
// (arch/x86/kernel/alternative.c). Neither is exported.
func (b *builder) textPoke() {
	for _, name := range []string{"text_poke", "text_mutex"} {
		list := b.image.Symbols(name)
		if len(list) != 1 {
			b.refused.add(refuse(CodeKernel, name, "", 0, "the image has %d symbols of that name", len(list)))
			return
		}
		t, err := b.at(name, list[0].Addr)
		if err != nil {
			b.refused.add(err)
			return
		}
		if name == "text_poke" {
			b.poke = t
		} else {
			b.mutex = t
		}
	}
}
