package module

import (
	"debug/elf"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/kcode"
)

// ownCode is the module's own code, see package kcode. It is linked as the patch is.
type ownCode struct {
	layout  kcode.Layout
	objects []*codeObject
	start   uint64            // offset in .text; what the patch brings is in front of it
	symbols map[string]target // what the objects refer to: tables and numbers of this update, functions of each other
}

// codeObject is one object of it.
type codeObject struct {
	placing
	own map[string]target // symbols of this copy of the object alone
}

// beginCode has what is put into .text from now on be the module's own.
func (b *builder) beginCode() {
	layout, err := kcode.ReadLayout()
	if err != nil {
		b.refused.add(err)
	}
	t := b.text()
	t.pad(16)
	b.code.layout, b.code.start = layout, t.len()
	b.code.symbols["__this_module"] = target{symbol: b.thisModule().anchor}
	b.code.symbols["module_name"] = b.literal(b.opt.Name)
}

// has reports whether an object is in the module.
func (c *ownCode) has(name string) bool {
	return slices.ContainsFunc(c.objects, func(o *codeObject) bool { return o.object == name })
}

// symbol returns a symbol that the object defines.
func (o *codeObject) symbol(name string) target {
	for i := range o.spec.Symbols {
		if o.spec.Symbols[i].Name == name {
			return o.syms[i]
		}
	}
	return target{}
}

// addCode puts an object into the module, and defines its symbols. What is put there
// several times has a suffix, and symbols of its own, each time.
func (b *builder) addCode(name, suffix string, own map[string]target) *codeObject {
	spec, err := kcode.Object(name)
	if err != nil {
		b.refused.add(err)
		spec = &elfobj.Spec{}
	}
	o := &codeObject{placing: placing{builder: b, spec: spec, object: name}, own: own}
	o.homes, o.syms = make([]home, len(spec.Sections)), make([]target, len(spec.Symbols))
	for i := range spec.Sections {
		if s := &spec.Sections[i]; travels(s) && s.Size > 0 {
			o.place(i, s.Data)
		}
	}
	for i := range spec.Symbols {
		s := &spec.Symbols[i]
		if int(s.Section) < len(o.homes) && o.homes[s.Section].sec != nil {
			o.syms[i] = o.define(s, suffix)
		}
	}
	b.code.objects = append(b.code.objects, o)
	return o
}

// define defines a symbol of the object: a local one in the module's name, but for the
// start and the end of a module.
func (o *codeObject) define(s *elfobj.Symbol, suffix string) target {
	h := o.homes[s.Section]
	if s.Type() == elf.STT_SECTION {
		return target{symbol: h.sec.anchor, addend: int64(h.off)}
	}
	out := *s
	out.Section, out.Value = h.sec.index, h.off+s.Value
	if s.Name != "init_module" && s.Name != "cleanup_module" {
		out.Name, out.Info = joined(o.opt.Name+"_"+s.Name, suffix), elf.ST_INFO(elf.STB_LOCAL, s.Type())
	}
	t := target{symbol: o.out.AddSymbol(out)}
	if s.Bind() == elf.STB_GLOBAL {
		o.code.symbols[s.Name] = t
	}
	return t
}

// number defines a symbol for a number that the code refers to.
func (b *builder) number(name string, value uint64) target {
	i := b.out.AddSymbol(elfobj.Symbol{Name: name, Value: value, Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_NOTYPE), Section: elfobj.SecAbs})
	b.code.symbols[name] = target{symbol: i}
	return target{symbol: i}
}

// finishCode resolves what the objects refer to, and writes their relocations, and the
// tables that the kernel has about code.
func (b *builder) finishCode() {
	if len(b.refused) > 0 {
		return // some table may not be there
	}
	_, thunks := b.exports[kerneltab.ReturnThunk]
	if !thunks {
		b.addCode("return", "", nil)
	}
	for _, o := range b.code.objects {
		for i := range o.spec.Symbols {
			o.resolve(i)
		}
		for i := range o.spec.Sections {
			if s := &o.spec.Sections[i]; s.Type == elf.SHT_RELA && o.homes[s.Info].sec != nil {
				o.relocate(o.homes[s.Info], s.Relas, thunks)
			}
		}
		b.unwinding(o)
	}
}

// resolve finds what a symbol is that the object does not define, or defines weakly.
func (o *codeObject) resolve(i int) {
	s := &o.spec.Symbols[i]
	if s.Name == "" || s.IsDefined() && s.Bind() != elf.STB_WEAK {
		return
	}
	t, ok := o.own[s.Name]
	if !ok {
		t, ok = o.code.symbols[s.Name]
	}
	if ok {
		o.syms[i] = t
		return
	}
	if s.IsDefined() {
		return
	}
	if structure, member, ok := strings.Cut(s.Name, "."); ok {
		o.syms[i] = o.layoutNumber(structure, member)
	} else {
		o.syms[i] = o.kernelSymbol(s.Name)
	}
	o.code.symbols[s.Name] = o.syms[i]
}

// layoutNumber returns the offset of a member of a structure of the kernel, as a symbol,
// or the size of one.
func (b *builder) layoutNumber(structure, member string) target {
	if structure == "sizeof" {
		l, ok := b.layout[member]
		if !ok {
			b.refused.add(refuse(CodeKernel, member, kerneltab.BTF, 0, "the image has no such structure"))
		}
		return b.number("sizeof."+member, l.Size)
	}
	off, ok := b.layout[structure].Offsets[member]
	if !ok {
		b.refused.add(refuse(CodeKernel, structure, kerneltab.BTF, 0, "it has no member %s", member))
	}
	return b.number(structure+"."+member, off)
}

// kernelSymbol returns how to reach a symbol that the kernel has once: what is exported
// by its name, as the patch's own code would.
func (b *builder) kernelSymbol(name string) target {
	if e, ok := b.exports[name]; ok {
		t, err := b.at(name, e.Addr)
		if err != nil {
			b.refused.add(err)
		}
		return t
	}
	s, err := b.image.Symbol(name)
	if err != nil {
		b.refused.add(refuse(CodeKernel, name, "", 0, "the module's own code needs it: %v", err))
		return target{}
	}
	t, err := b.at(name, s.Addr)
	if err != nil {
		b.refused.add(err)
	}
	return t
}

// relocate copies relocations, and lists the returns: jumps to the return thunk, which the
// kernel overwrites where the processor needs no more than an ordinary return
// (apply_returns of arch/x86/kernel/alternative.c).
func (o *codeObject) relocate(h home, relas []elfobj.Rela, thunks bool) {
	for k := range relas {
		r := &relas[k]
		h.carry(r, o.syms[r.Sym])
		if thunks && o.spec.Symbols[r.Sym].Name == kerneltab.ReturnThunk {
			s := o.section(kerneltab.ReturnSites, elf.SHT_PROGBITS, flagsA, 1)
			s.rela(s.append(1, make([]byte, 4)), elf.R_X86_64_PC32, h.sec.anchor, int64(h.off+r.Offset)-1) // the jump: its opcode is one byte
		}
	}
}
