package module

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/kcode"
)

// ownCode is the module's own code, see package kcode. It is linked as the patch is.
type ownCode struct {
	to      *file
	name    string // of the module
	layout  kcode.Layout
	kernel  ownKernel
	report  func(error)
	objects []*codeObject
	start   uint64            // offset in .text; what the patch brings is in front of it
	symbols map[string]target // what the objects refer to: tables and numbers of this update, functions of each other
}

// ownKernel is what the code has to know of the kernel.
type ownKernel struct {
	layout kernel.Layout
	thunk  bool                     // it has a return thunk
	symbol func(name string) target // how to reach a symbol that it has once
}

// A lackError is for something that the code needs, and the kernel does not have.
type lackError struct {
	symbol, section, text string
}

// Error says what it lacks.
func (e *lackError) Error() string { return e.text }

func newOwnCode(to *file, name string, k ownKernel, report func(error)) *ownCode {
	return &ownCode{to: to, name: name, kernel: k, report: report, symbols: map[string]target{}}
}

// lack reports what the kernel lacks.
func (c *ownCode) lack(symbol, section, format string, args ...any) {
	c.report(&lackError{symbol, section, fmt.Sprintf(format, args...)})
}

// codeObject is one object of it.
type codeObject struct {
	placing
	code *ownCode
	own  map[string]target // symbols of this copy of the object alone
}

// begin has what is put into .text from now on be the module's own.
func (c *ownCode) begin() {
	layout, err := kcode.ReadLayout()
	if err != nil {
		c.report(err)
	}
	t := c.to.text()
	t.pad(16)
	c.layout, c.start = layout, t.len()
}

// define adds a local symbol in the module's name, and has the code find it by its own.
func (c *ownCode) define(name string, typ elf.SymType, s *section, off, size uint64) elfobj.SymbolIndex {
	i := c.to.addSymbol(elfobj.Symbol{Name: c.name + "_" + name, Value: off, Size: size, Info: elf.ST_INFO(elf.STB_LOCAL, typ), Section: s.index})
	c.symbols[name] = target{symbol: i}
	return i
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

// add puts an object into the module, and defines its symbols. What is put there
// several times has a suffix, and symbols of its own, each time.
func (c *ownCode) add(name, suffix string, own map[string]target) *codeObject {
	spec, err := kcode.Object(name)
	if err != nil {
		c.report(err)
		spec = &elfobj.Spec{}
	}
	o := &codeObject{placing: placing{to: c.to, spec: spec, object: name}, code: c, own: own}
	o.homes, o.syms = make([]home, len(spec.Sections)), make([]target, len(spec.Symbols))
	for i := range spec.Sections {
		if s := &spec.Sections[i]; travels(s) && s.Size > 0 {
			if err := o.place(i, s.Data); err != nil {
				c.report(fmt.Errorf("%s: %s: %w", name, s.Name, err))
			}
		}
	}
	for i := range spec.Symbols {
		s := &spec.Symbols[i]
		if int(s.Section) < len(o.homes) && o.homes[s.Section].sec != nil {
			o.syms[i] = o.define(s, suffix)
		}
	}
	c.objects = append(c.objects, o)
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
		out.Name, out.Info = joined(o.code.name+"_"+s.Name, suffix), elf.ST_INFO(elf.STB_LOCAL, s.Type())
	}
	t := target{symbol: o.to.addSymbol(out)}
	if s.Bind() == elf.STB_GLOBAL {
		o.code.symbols[s.Name] = t
	}
	return t
}

// number defines a symbol for a number that the code refers to.
func (c *ownCode) number(name string, value uint64) target {
	i := c.to.addNumber(name, value)
	c.symbols[name] = target{symbol: i}
	return target{symbol: i}
}

// finish resolves what the objects refer to, and writes their relocations, and the
// tables that the kernel has about code.
func (c *ownCode) finish() {
	if !c.kernel.thunk {
		c.add("return", "", nil)
	}
	for _, o := range c.objects {
		for i := range o.spec.Symbols {
			o.resolve(i)
		}
		for i := range o.spec.Sections {
			if s := &o.spec.Sections[i]; s.Type == elf.SHT_RELA && o.homes[s.Info].sec != nil {
				o.relocate(o.homes[s.Info], s.Relas)
			}
		}
		c.unwinding(o)
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
		o.syms[i] = o.code.layoutNumber(structure, member)
	} else {
		o.syms[i] = o.code.kernel.symbol(s.Name)
	}
	o.code.symbols[s.Name] = o.syms[i]
}

// layoutNumber returns the offset of a member of a structure of the kernel, as a symbol,
// or the size of one.
func (c *ownCode) layoutNumber(structure, member string) target {
	if structure == "sizeof" {
		l, ok := c.kernel.layout[member]
		if !ok {
			c.lack(member, kerneltab.BTF, "the image has no such structure")
		}
		return c.number("sizeof."+member, l.Size)
	}
	off, ok := c.kernel.layout[structure].Offsets[member]
	if !ok {
		c.lack(structure, kerneltab.BTF, "it has no member %s", member)
	}
	return c.number(structure+"."+member, off)
}

// relocate copies relocations, and lists the returns: jumps to the return thunk, which the
// kernel overwrites where the processor needs no more than an ordinary return
// (apply_returns of arch/x86/kernel/alternative.c).
func (o *codeObject) relocate(h home, relas []elfobj.Rela) {
	for k := range relas {
		r := &relas[k]
		h.carry(r, o.syms[r.Sym])
		if o.code.kernel.thunk && o.spec.Symbols[r.Sym].Name == kerneltab.ReturnThunk {
			s := o.to.section(kerneltab.ReturnSites, elf.SHT_PROGBITS, flagsA, 1)
			s.rela(s.append(1, make([]byte, 4)), elf.R_X86_64_PC32, h.sec.anchor, int64(h.off+r.Offset)-1) // the jump: its opcode is one byte
		}
	}
}

// joined makes a name for what belongs to an object.
func joined(name, object string) string {
	if object == "" {
		return name
	}
	return name + "_" + object
}
