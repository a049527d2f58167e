package module

import (
	"debug/elf"
	"errors"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/klink"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
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
// from what a row says (enum base of the module's own code).
const (
	baseZero  = 0 // 0
	basePlace = 1 // the address of the field itself
	baseMod   = 2 // of struct module
	firstPart = 3 // of the parts of the module's memory, see kernel.Module
)

// A fixup is a field that is filled in when a module is there.
type fixup struct {
	sec    *ko.Section
	off    uint64
	size   uint64 // 4 or 8
	to     ko.Dest
	addend int64
	minus  int    // base that is subtracted
	less   uint64 // and what
	text   bool   // the field is in memory that can't be written to
}

// late notes a reference to a module of something that is carried.
func (l *linker) late(sec *ko.Section, off uint64, r *elfobj.Rela, to ko.Dest) {
	size := relocations[r.Type]
	if size == 0 {
		return
	}
	if !filledIn(sec) {
		l.refused.add(refuse(CodeModuleRef, "", sec.Name, off, "it refers to %s", l.obj.target.Name()))
		return
	}
	f := fixup{sec: sec, off: off, size: size, to: to, addend: r.Addend, text: sec.Flags&elf.SHF_WRITE == 0}
	if h, ok := amd64.HowtoOf(r.Type); ok && h.PCRel {
		f.minus = basePlace
	}
	l.obj.fixups = append(l.obj.fixups, f)
}

// filledIn reports whether what refers to a module in a section is filled in when the module is there:
// nobody reads it before.
func filledIn(sec *ko.Section) bool {
	return sec.Name == kerneltab.Text || sec.Name == kerneltab.Rodata || sec.Name == kerneltab.Data
}

// An offer is a symbol that an object brings along for others, and lent is a use of it there.
type (
	offer struct {
		by *linker
		to ko.Dest
	}
	lent struct {
		by, to *linker
		name   string
	}
)

// unshared is for a name that nobody has, err says: another object had it for itself alone, and
// shares it with others since the patch. Where it has changed too, what travels is lent.
func (l *linker) unshared(name string, err error) (ko.Dest, error) {
	var r *splice.Refusal
	if !errors.As(err, &r) || r.Code != CodeUndefined {
		return ko.Dest{}, err
	}
	if o, ok := l.shared[name]; ok {
		if o.by == nil {
			return ko.Dest{}, err // two have it
		}
		l.lent = append(l.lent, lent{o.by, l, name})
		return o.to, nil
	}
	for i := range l.given {
		post := l.given[i].Diff.Post
		for _, s := range post.Symbols() {
			if s.Name == name && s.IsDefined() && s.Bind() != elf.STB_LOCAL {
				r.Message = fmt.Sprintf("%s shares it with others since the patch, and what runs does not; as it has not changed itself, nothing brings it along", post.Name())
				r.Hint = "change its code too, so that the update brings it along: asm volatile(\"nop\") will do"
				return ko.Dest{}, r
			}
		}
	}
	return ko.Dest{}, err
}

// checkLent refuses uses of what new code of a module brings along where that module need not be
// loaded: what that code refers to is not filled in then.
func (b *builder) checkLent() {
	for i := range b.lent {
		x := &b.lent[i]
		from, to := x.by.obj, x.to.obj
		if from == to || from.target == nil || len(from.fixups) == 0 || to.target != nil && x.to.needs(to.target, from.name()) {
			continue
		}
		who := "the kernel's own code"
		if to.target != nil {
			who = "code of " + to.name()
		}
		b.refused.add(refuse(CodeModuleExport, x.name, x.to.Object, 0, "new code of %s has it, which need not be loaded when %s runs", from.name(), who))
	}
}

// fixupTable writes the rows.
func (b *builder) fixupTable(d *ko.Section, name string, list []fixup) klink.Table {
	t := b.code.AddTable(d, name, "fixup", len(list)+1)
	for i := range list {
		f := &list[i]
		t.Refer(i, "at", ko.Dest{Symbol: f.sec.Anchor, Addend: int64(f.off)})
		add := f.to.Addend + f.addend - int64(f.less)
		if f.to.Part == 0 && f.to.Symbol != 0 {
			t.Refer(i, "value", ko.Dest{Symbol: f.to.Symbol, Addend: add})
		} else {
			t.Put64(i, "value", uint64(add))
		}
		t.Put(i, "plus", byte(f.to.Part))
		t.Put(i, "minus", byte(f.minus))
		t.Put(i, "size", byte(f.size))
		if f.text {
			t.Put(i, "text", 1)
		}
	}
	return t
}

// forModule links the callbacks of a module, with its tables.
func (b *builder) forModule(o *kobject) {
	if len(b.refused) > 0 {
		return
	}
	d, t := b.Data(), o.target
	bases, parts := b.basesOf(o)
	list := append(b.identityOf(o, bases), o.checks...)
	checks, wants := b.checkTable(d, klink.Join("checks", t.Name()), list)
	expected := b.fixupTable(d, klink.Join("expected", t.Name()), early(list, &checks, wants))
	name := klink.Join("target", t.Name())
	desc := b.code.AddTable(d, name, "target", 1)
	desc.Refer(0, "name", b.Literal(t.Name()))
	desc.Refer(0, "bases", ko.Dest{Symbol: d.Anchor, Addend: int64(bases)})
	desc.Refer(0, "parts", ko.Dest{Symbol: d.Anchor, Addend: int64(parts)})
	desc.Put64(0, "part_count", uint64(len(t.mod.Parts)))
	desc.Refer(0, "expected", expected.Dest(0))
	desc.Refer(0, "checks", checks.Dest(0))
	b.dataTables(o, &desc)
	b.moduleJumps(o, &desc)
	if o.exit != nil {
		desc.Refer(0, "exit", o.exitRow)
	}
	b.importTable(o, bases, &desc)
	if len(o.fixups) > 0 {
		late := b.fixupTable(d, klink.Join("fixups", t.Name()), o.fixups)
		desc.Refer(0, "fixups", late.Dest(0))
	}
	own := o.chained()
	own["target"] = desc.Dest(0)
	if !b.code.Has("target") {
		b.code.Add("target", "", nil)
	}
	code := b.code.Add("target_callback", t.Name(), own)
	o.hooks["pre_patch"] = code.Symbol("target_pre_patch")
	if o.exit != nil || len(o.rows.writes)+len(o.settings)+len(o.jumps) > 0 {
		for _, name := range callbacks {
			o.hooks[name] = code.Symbol("target_" + name)
		}
	}
}

// dataTables writes what a target says of the data of its module.
func (b *builder) dataTables(o *kobject, desc *klink.Table) {
	for _, x := range []struct {
		member string
		rows   []copied
	}{{"saves", o.rows.saves}, {"writes", o.rows.writes}, {"restores", o.rows.restores}} {
		if len(x.rows) > 0 {
			t := b.code.AddTable(b.Data(), klink.Join(x.member, o.name()), "copy", len(x.rows)+1)
			for i := range x.rows {
				b.place(o, &t, i, "to", x.rows[i].to)
				b.place(o, &t, i, "from", x.rows[i].from)
				t.Put64(i, "size", x.rows[i].size)
			}
			desc.Refer(0, x.member, t.Dest(0))
		}
	}
	if len(o.settings) > 0 {
		t := b.settingRows(o, klink.Join("initials", o.name()), o.settings)
		desc.Refer(0, "initials", t.Dest(0))
	}
}

// place has a member of a row lead somewhere, which may be in the module.
func (b *builder) place(o *kobject, t *klink.Table, i int, member string, to ko.Dest) {
	if to.Part == 0 {
		t.Refer(i, member, to)
		return
	}
	o.fixups = append(o.fixups, fixup{sec: t.Section, off: t.Offset(i, member), size: 8, to: to})
}

// importTable writes what is found of other modules, each with its base.
func (b *builder) importTable(o *kobject, bases uint64, desc *klink.Table) {
	if len(o.imports.list) == 0 {
		return
	}
	d, first := b.Data(), firstPart+len(o.target.mod.Parts)
	t := b.code.AddTable(d, klink.Join("imports", o.name()), "import", len(o.imports.list)+1)
	for i := range o.imports.list {
		e := &o.imports.list[i]
		t.Refer(i, "name", b.Literal(e.Name))
		t.Refer(i, "owner", b.Literal(e.Owner()))
		t.Refer(i, "value", ko.Dest{Symbol: d.Anchor, Addend: int64(bases) + 8*int64(first+i)})
		if b.hasCRCs() {
			var crc [4]byte
			put32(crc[:], e.CRC)
			t.Put(i, "crc", crc[:]...)
			t.Put(i, "has_crc", 1)
		}
	}
	desc.Refer(0, "imports", t.Dest(0))
	if !b.code.Has("imports") {
		b.code.Add("imports", "", nil)
	}
}

// basesOf makes room for the bases of a module, and writes where struct module has them.
func (b *builder) basesOf(o *kobject) (bases, parts uint64) {
	d, t := b.Data(), o.target
	list := t.mod.Parts
	size := uint64(8 * (firstPart + len(list) + len(o.imports.list)))
	bases = d.Append(8, make([]byte, size))
	b.code.Define(klink.Join("bases", t.Name()), elf.STT_OBJECT, d, bases, size)
	parts = d.Append(8, make([]byte, 8*len(list)))
	b.code.Define(klink.Join("parts", t.Name()), elf.STT_OBJECT, d, parts, uint64(8*len(list)))
	for i := range list {
		put64(d.Data[parts+uint64(8*i):], uint64(list[i].Field))
	}
	return bases, parts
}

// early returns the fields that are filled in before a module is compared: where to look
// in it, and the addresses in what is expected there.
func early(list []check, checks *klink.Table, wants []uint64) []fixup {
	var out []fixup
	for i := range list {
		c := &list[i]
		if c.at.Part == 0 {
			checks.Refer(i, "at", c.at)
		} else {
			out = append(out, fixup{sec: checks.Section, off: checks.Offset(i, "at"), size: 8, to: c.at})
		}
		for _, x := range c.fields {
			f := fixup{sec: checks.Section, off: wants[i] + x.off, size: relocations[x.typ], to: x.to, addend: x.addend}
			if h, ok := amd64.HowtoOf(x.typ); ok && h.PCRel {
				f.minus, f.less = c.at.Part, uint64(c.at.Addend)+x.off
			}
			out = append(out, f)
		}
	}
	return out
}

// identityOf returns the checks that show that the module is the one whose file
// was given, laid out as was thought: struct module is where it should be in the
// data; the loader has made the parts of their sizes; the build-id, which is in
// read-only data; and livepatch has found the functions where they should be in
// the code. Each reads only what those before it have shown to be there.
func (b *builder) identityOf(o *kobject, bases uint64) []check {
	t, d := o.target, b.Data()
	var rows []check
	pointer := func(name string, at uint64, to ko.Dest) {
		c := newCheck(name, ko.Dest{Symbol: d.Anchor, Addend: int64(at)}, make([]byte, 8))
		c.fields = []field{{0, uint32(elf.R_X86_64_64), to, 0}}
		rows = append(rows, c)
	}
	this, _ := t.symbol(&t.mod.Lookup("__this_module")[0])
	pointer("its data", bases+8*baseMod, this)
	for i := range t.mod.Parts {
		for _, w := range t.mod.Parts[i].Sizes {
			want := make([]byte, 4)
			put32(want, w.Value)
			rows = append(rows, newCheck("its size", ko.Dest{Part: baseMod, Addend: int64(w.Offset)}, want))
		}
	}
	part, off := t.mod.BuildIDAt()
	rows = append(rows, newCheck("its build-id", ko.Dest{Part: firstPart + part, Addend: int64(off)}, t.mod.BuildID))
	for i := range o.patched {
		p := &o.patched[i]
		if to, ok := t.at(p.Addr); ok {
			pointer(p.Name, p.at+b.layout["klp_func"].Offsets["old_func"], to)
		}
	}
	return rows
}
