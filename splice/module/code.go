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
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// ownCode is the module's own code, see package kcode. It is linked as the patch is.
type ownCode struct {
	to      *ko.File
	name    string // of the module
	layout  kcode.Layout
	kernel  ownKernel
	report  func(error)
	objects []*codeObject
	start   uint64             // offset in .text; what the patch brings is in front of it
	symbols map[string]ko.Dest // what the objects refer to: tables and numbers of this update, functions of each other
}

// ownKernel is what the code has to know of the kernel.
type ownKernel struct {
	layout kernel.Layout
	thunk  bool                      // it has a return thunk
	symbol func(name string) ko.Dest // how to reach a symbol that it has once
}

// A lackError is for something that the code needs, and the kernel does not have.
type lackError struct {
	symbol, section, text string
}

// Error says what it lacks.
func (e *lackError) Error() string { return e.text }

func newOwnCode(to *ko.File, name string, k ownKernel, report func(error)) *ownCode {
	return &ownCode{to: to, name: name, kernel: k, report: report, symbols: map[string]ko.Dest{}}
}

// lack reports what the kernel lacks.
func (c *ownCode) lack(symbol, section, format string, args ...any) {
	c.report(&lackError{symbol, section, fmt.Sprintf(format, args...)})
}

// codeObject is one object of it.
type codeObject struct {
	ko.Placing
	code *ownCode
	own  map[string]ko.Dest // symbols of this copy of the object alone
}

// begin has what is put into .text from now on be the module's own.
func (c *ownCode) begin() {
	layout, err := kcode.ReadLayout()
	if err != nil {
		c.report(err)
	}
	t := c.to.Text()
	t.Pad(16)
	c.layout, c.start = layout, t.Len()
}

// define adds a local symbol in the module's name, and has the code find it by its own.
func (c *ownCode) define(name string, typ elf.SymType, s *ko.Section, off, size uint64) elfobj.SymbolIndex {
	i := c.to.AddSymbol(elfobj.Symbol{Name: c.name + "_" + name, Value: off, Size: size, Info: elf.ST_INFO(elf.STB_LOCAL, typ), Section: s.Index})
	c.symbols[name] = ko.Dest{Symbol: i}
	return i
}

// has reports whether an object is in the module.
func (c *ownCode) has(name string) bool {
	return slices.ContainsFunc(c.objects, func(o *codeObject) bool { return o.Object == name })
}

// symbol returns a symbol that the object defines.
func (o *codeObject) symbol(name string) ko.Dest {
	for i := range o.Spec.Symbols {
		if o.Spec.Symbols[i].Name == name {
			return o.Syms[i]
		}
	}
	return ko.Dest{}
}

// add puts an object into the module, and defines its symbols. What is put there
// several times has a suffix, and symbols of its own, each time.
func (c *ownCode) add(name, suffix string, own map[string]ko.Dest) *codeObject {
	spec, err := kcode.Object(name)
	if err != nil {
		c.report(err)
		spec = &elfobj.Spec{}
	}
	o := &codeObject{Placing: ko.Placing{To: c.to, Spec: spec, Object: name}, code: c, own: own}
	o.Homes, o.Syms = make([]ko.Home, len(spec.Sections)), make([]ko.Dest, len(spec.Symbols))
	for i := range spec.Sections {
		if s := &spec.Sections[i]; ko.Travels(s) && s.Size > 0 {
			if err := o.Place(i, s.Data); err != nil {
				c.report(fmt.Errorf("%s: %s: %w", name, s.Name, err))
			}
		}
	}
	for i := range spec.Symbols {
		s := &spec.Symbols[i]
		if int(s.Section) < len(o.Homes) && o.Homes[s.Section].Section != nil {
			o.Syms[i] = o.define(s, suffix)
		}
	}
	c.objects = append(c.objects, o)
	return o
}

// define defines a symbol of the object: a local one in the module's name, but for the
// start and the end of a module.
func (o *codeObject) define(s *elfobj.Symbol, suffix string) ko.Dest {
	h := o.Homes[s.Section]
	if s.Type() == elf.STT_SECTION {
		return ko.Dest{Symbol: h.Section.Anchor, Addend: int64(h.Offset)}
	}
	out := *s
	out.Section, out.Value = h.Section.Index, h.Offset+s.Value
	if s.Name != "init_module" && s.Name != "cleanup_module" {
		out.Name, out.Info = joined(o.code.name+"_"+s.Name, suffix), elf.ST_INFO(elf.STB_LOCAL, s.Type())
	}
	t := ko.Dest{Symbol: o.To.AddSymbol(out)}
	if s.Bind() == elf.STB_GLOBAL {
		o.code.symbols[s.Name] = t
	}
	return t
}

// number defines a symbol for a number that the code refers to.
func (c *ownCode) number(name string, value uint64) ko.Dest {
	i := c.to.AddNumber(name, value)
	c.symbols[name] = ko.Dest{Symbol: i}
	return ko.Dest{Symbol: i}
}

// finish resolves what the objects refer to, and writes their relocations, and the
// tables that the kernel has about code.
func (c *ownCode) finish() {
	if !c.kernel.thunk {
		c.add("return", "", nil)
	}
	for _, o := range c.objects {
		for i := range o.Spec.Symbols {
			o.resolve(i)
		}
		for i := range o.Spec.Sections {
			if s := &o.Spec.Sections[i]; s.Type == elf.SHT_RELA && o.Homes[s.Info].Section != nil {
				o.relocate(o.Homes[s.Info], s.Relas)
			}
		}
		c.unwinding(o)
	}
}

// resolve finds what a symbol is that the object does not define, or defines weakly.
func (o *codeObject) resolve(i int) {
	s := &o.Spec.Symbols[i]
	if s.Name == "" || s.IsDefined() && s.Bind() != elf.STB_WEAK {
		return
	}
	t, ok := o.own[s.Name]
	if !ok {
		t, ok = o.code.symbols[s.Name]
	}
	if ok {
		o.Syms[i] = t
		return
	}
	if s.IsDefined() {
		return
	}
	if structure, member, ok := strings.Cut(s.Name, "."); ok {
		o.Syms[i] = o.code.layoutNumber(structure, member)
	} else {
		o.Syms[i] = o.code.kernel.symbol(s.Name)
	}
	o.code.symbols[s.Name] = o.Syms[i]
}

// layoutNumber returns the offset of a member of a structure of the kernel, as a symbol,
// or the size of one.
func (c *ownCode) layoutNumber(structure, member string) ko.Dest {
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
func (o *codeObject) relocate(h ko.Home, relas []elfobj.Rela) {
	for k := range relas {
		r := &relas[k]
		h.Carry(r, o.Syms[r.Sym])
		if o.code.kernel.thunk && o.Spec.Symbols[r.Sym].Name == kerneltab.ReturnThunk {
			s := o.To.Section(kerneltab.ReturnSites, elf.SHT_PROGBITS, ko.Alloc, 1)
			s.AddRela(s.Append(1, make([]byte, 4)), elf.R_X86_64_PC32, h.Section.Anchor, int64(h.Offset+r.Offset)-1) // the jump: its opcode is one byte
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
