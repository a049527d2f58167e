package module

import (
	"debug/elf"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/klink"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

func put64(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }
func put32(b []byte, v uint32) { binary.LittleEndian.PutUint32(b, v) }

// patch links the module's own code for what the update does, and writes its tables and what
// livepatch reads.
func (b *builder) patch() {
	b.jumps()
	b.leave()
	b.probeCode()
	b.planOverwrites()
	b.planInitials()
	b.copyCode()
	b.exits()
	b.ownCallbacks()
	if b.plain {
		b.parameters()
	} else {
		b.klpPatch()
	}
	b.startAndEnd()
	if len(b.refused) == 0 { // else some table may not be there
		b.code.Finish()
	}
}

// klpPatch writes struct klp_patch with its objects and functions
// (include/linux/livepatch.h), in the layout of this kernel. What is not set
// belongs to the kernel.
func (b *builder) klpPatch() {
	fn, obj, patch := b.layout["klp_func"], b.layout["klp_object"], b.layout["klp_patch"]
	d := b.Data()
	objs := d.Append(8, make([]byte, obj.Size*uint64(len(b.objects)+1)))
	b.code.Define("objs", elf.STT_OBJECT, d, objs, obj.Size*uint64(len(b.objects)+1))
	for i, o := range b.objects {
		at := objs + uint64(i)*obj.Size
		d.AddRela(at+obj.Offsets["funcs"], elf.R_X86_64_64, d.Anchor, int64(b.functions(o, fn)))
		if o.target != nil {
			s, name := b.AddString(o.name())
			d.AddRela(at+obj.Offsets["name"], elf.R_X86_64_64, s.Anchor, int64(name))
			b.forModule(o)
		}
		b.setCallbacks(d, at, o.hooks)
	}
	at := d.Append(8, make([]byte, patch.Size))
	b.code.Define("patch", elf.STT_OBJECT, d, at, patch.Size)
	d.AddRela(at+patch.Offsets["mod"], elf.R_X86_64_64, b.thisModule().Anchor, 0)
	d.AddRela(at+patch.Offsets["objs"], elf.R_X86_64_64, d.Anchor, int64(objs))
	if off, ok := b.states(); ok {
		d.AddRela(at+patch.Offsets["states"], elf.R_X86_64_64, d.Anchor, int64(off))
	}
	if b.opt.Replace {
		d.Data[at+patch.Offsets["replace"]] = 1
	}
	b.code.Add("livepatch", "", nil)
}

// beginCode has what is put into .text from now on be the module's own.
func (b *builder) beginCode() {
	b.code.Begin()
	b.code.Symbols["__this_module"] = ko.Dest{Symbol: b.thisModule().Anchor}
	b.code.Symbols["module_name"] = b.Literal(b.opt.Name)
}

// startAndEnd links init_module and cleanup_module. The kernel removes no module that has
// the one and not the other (delete_module of kernel/module/main.c).
func (b *builder) startAndEnd() {
	mod, this := b.layout["module"], b.thisModule()
	enable := "enable_livepatch"
	if b.plain {
		enable = "enable_plain"
	}
	b.code.Add("init", "", map[string]ko.Dest{"enable": b.code.Symbols[enable]})
	this.AddRela(mod.Offsets["init"], elf.R_X86_64_64, b.code.Symbols[kerneltab.ModuleInit].Symbol, 0)
	if !b.pins.stays() {
		b.code.Add("exit", "", nil)
		this.AddRela(mod.Offsets["exit"], elf.R_X86_64_64, b.code.Symbols[kerneltab.ModuleExit].Symbol, 0)
	}
}

// functions writes the array of struct klp_func of an object.
func (b *builder) functions(o *kobject, fn kernel.Struct) uint64 {
	d := b.Data()
	size := fn.Size * uint64(len(o.patched)+1)
	funcs := d.Append(8, make([]byte, size))
	b.code.Define(klink.Join("funcs", o.name()), elf.STT_OBJECT, d, funcs, size)
	for i := range o.patched {
		p := &o.patched[i]
		p.at = funcs + uint64(i)*fn.Size
		s, name := b.AddString(p.Name)
		d.AddRela(p.at+fn.Offsets["old_name"], elf.R_X86_64_64, s.Anchor, int64(name))
		d.AddRela(p.at+fn.Offsets["new_func"], elf.R_X86_64_64, p.to.Symbol, p.to.Addend)
		put64(d.Data[p.at+fn.Offsets["old_sympos"]:], p.Position)
	}
	return funcs
}

// thisModule is the section with struct module, which the loader fills in.
func (b *builder) thisModule() *ko.Section {
	return b.Section(kerneltab.ThisModule, elf.SHT_PROGBITS, ko.AllocWrite, 64)
}

// control writes what the loader reads before anything else: struct module,
// .modinfo and __versions.
func (b *builder) control() {
	m, s := b.layout["module"], b.thisModule()
	s.Data = make([]byte, m.Size) // its size is checked against the kernel's, from 6.4 on
	copy(s.Data[m.Offsets["name"]:], b.opt.Name)
	b.AddSymbol(elfobj.Symbol{Name: "__this_module", Size: m.Size, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_OBJECT), Section: s.Index})
	b.modinfo()
	if b.hasCRCs() {
		v := b.Section(kerneltab.Versions, elf.SHT_PROGBITS, ko.Alloc, 32)
		names := slices.Sorted(maps.Keys(b.crcs))
		for _, name := range names {
			at := v.Append(1, make([]byte, 8+crcName)) // struct modversion_info
			put64(v.Data[at:], uint64(b.crcs[name]))
			copy(v.Data[at+8:], name)
		}
	}
}

// modinfo writes .modinfo (Documentation/kbuild/modules.rst; the keys are those
// that kernel/module/main.c asks for).
func (b *builder) modinfo() {
	s := b.Section(kerneltab.Modinfo, elf.SHT_PROGBITS, ko.Alloc, 1)
	put := func(key, value string) { s.Append(1, append([]byte(key+"="+value), 0)) }
	put("license", b.opt.License)
	if b.opt.Description != "" {
		put("description", b.opt.Description)
	}
	for _, f := range b.opt.Fixes {
		put("fixes", f)
	}
	for _, l := range b.origin().lines() {
		put(l[0], l[1])
	}
	for _, s := range b.reasons() {
		put("accepted", s)
	}
	for _, ns := range slices.Sorted(maps.Keys(b.spaces)) {
		put("import_ns", ns)
	}
	if !b.plain {
		put("livepatch", "Y")
	}
	put("depends", strings.Join(slices.Sorted(maps.Keys(b.depends)), ","))
	put("retpoline", "Y") // all its code is the compiler's for this kernel, or has no indirect branch
	put("name", b.opt.Name)
	put("vermagic", b.magic)
}

// The identity of the update is its build-id; the kernel shows it in
// /sys/module/NAME/notes. The note beside it names the kernel that the update
// is for.
const (
	buildIDSize = 20
	buildIDNote = 16 // offset of the content: three words and "GNU"
	// kernelNoteAt likewise: three words and "gosplice", which is padded.
	kernelNoteAt = 24
)

func (b *builder) identity() {
	note := func(name, owner string, typ uint32, desc []byte) *ko.Section {
		s := b.Section(name, elf.SHT_NOTE, ko.Alloc, 4)
		h := make([]byte, 12)
		put32(h, uint32(len(owner)+1))
		put32(h[4:], uint32(len(desc)))
		put32(h[8:], typ)
		s.Append(4, append(append(h, owner...), 0))
		s.Append(4, desc)
		return s
	}
	b.note = note(kerneltab.BuildIDNote, "GNU", 3, make([]byte, buildIDSize))
	note(kernelNote, "gosplice", 1, b.id)
}
