// Package klink links the module's own code, see package kcode, into the file of a module:
// as the patch is linked, with the tables that the code goes over, and those that the kernel
// has about code.
package klink

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

// A Linker puts objects of the module's own code into a file.
type Linker struct {
	// Symbols are what the objects refer to: tables and numbers of this update, functions
	// of each other.
	Symbols map[string]ko.Dest
	Layout  kcode.Layout // set by Begin
	Start   uint64       // offset in .text, set by Begin; what the patch brings is in front of it
	to      *ko.File
	name    string // of the module
	kernel  Kernel
	report  func(error)
	objects []*Object
}

// A Kernel is what the code has to know of the kernel.
type Kernel struct {
	Layout kernel.Layout
	Thunk  bool // it has a return thunk
	// ORCHeader is the digest of its struct orc_entry, hexadecimal, see [kerneltab.ORC].
	ORCHeader string
	Symbol    func(name string) ko.Dest // how to reach a symbol that it has once
}

// A LackError is for something that the code needs, and the kernel does not have.
type LackError struct {
	Symbol, Section, Text string
}

// Error says what it lacks.
func (e *LackError) Error() string { return e.Text }

// New returns a linker for a module of a name. It reports errors, and goes on.
func New(to *ko.File, name string, k Kernel, report func(error)) *Linker {
	return &Linker{to: to, name: name, kernel: k, report: report, Symbols: map[string]ko.Dest{}}
}

// lack reports what the kernel lacks.
func (c *Linker) lack(symbol, section, format string, args ...any) {
	c.report(&LackError{symbol, section, fmt.Sprintf(format, args...)})
}

// An Object is one that is in the module.
type Object struct {
	ko.Placing
	code *Linker
	own  map[string]ko.Dest // symbols of this copy of the object alone
}

// Begin has what is put into .text from now on be the module's own.
func (c *Linker) Begin() {
	layout, err := kcode.ReadLayout()
	if err != nil {
		c.report(err)
	}
	t := c.to.Text()
	t.Pad(16)
	c.Layout, c.Start = layout, t.Len()
}

// Define adds a local symbol in the module's name, and has the code find it by its own.
func (c *Linker) Define(name string, typ elf.SymType, s *ko.Section, off, size uint64) elfobj.SymbolIndex {
	i := c.to.AddSymbol(elfobj.Symbol{Name: c.name + "_" + name, Value: off, Size: size, Info: elf.ST_INFO(elf.STB_LOCAL, typ), Section: s.Index})
	c.Symbols[name] = ko.Dest{Symbol: i}
	return i
}

// Has reports whether an object is in the module.
func (c *Linker) Has(name string) bool {
	return slices.ContainsFunc(c.objects, func(o *Object) bool { return o.Object == name })
}

// Symbol returns a symbol that the object defines.
func (o *Object) Symbol(name string) ko.Dest {
	for i := range o.Spec.Symbols {
		if o.Spec.Symbols[i].Name == name {
			return o.Syms[i]
		}
	}
	return ko.Dest{}
}

// Add puts an object into the module, and defines its symbols. What is put there
// several times has a suffix each time, and may have symbols of its own.
func (c *Linker) Add(name, suffix string, own map[string]ko.Dest) *Object {
	spec, err := kcode.Object(name)
	if err != nil {
		c.report(err)
		spec = &elfobj.Spec{}
	}
	o := &Object{Placing: ko.Placing{To: c.to, Spec: spec, Object: name}, code: c, own: own}
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
func (o *Object) define(s *elfobj.Symbol, suffix string) ko.Dest {
	h := o.Homes[s.Section]
	if s.Type() == elf.STT_SECTION {
		return ko.Dest{Symbol: h.Section.Anchor, Addend: int64(h.Offset)}
	}
	out := *s
	out.Section, out.Value = h.Section.Index, h.Offset+s.Value
	if s.Name != kerneltab.ModuleInit && s.Name != kerneltab.ModuleExit {
		out.Name, out.Info = Join(o.code.name+"_"+s.Name, suffix), elf.ST_INFO(elf.STB_LOCAL, s.Type())
	}
	t := ko.Dest{Symbol: o.To.AddSymbol(out)}
	if s.Bind() == elf.STB_GLOBAL {
		o.code.Symbols[s.Name] = t
	}
	return t
}

// Number defines a symbol for a number that the code refers to.
func (c *Linker) Number(name string, value uint64) ko.Dest {
	i := c.to.AddNumber(name, value)
	c.Symbols[name] = ko.Dest{Symbol: i}
	return ko.Dest{Symbol: i}
}

// Finish resolves what the objects refer to, and writes their relocations, and the
// tables that the kernel has about code.
func (c *Linker) Finish() {
	if !c.kernel.Thunk {
		c.Add("return", "", nil)
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
func (o *Object) resolve(i int) {
	s := &o.Spec.Symbols[i]
	if s.Name == "" || s.IsDefined() && s.Bind() != elf.STB_WEAK {
		return
	}
	t, ok := o.own[s.Name]
	if !ok {
		t, ok = o.code.Symbols[s.Name]
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
		o.Syms[i] = o.code.kernel.Symbol(s.Name)
	}
	o.code.Symbols[s.Name] = o.Syms[i]
}

// layoutNumber returns the offset of a member of a structure of the kernel, as a symbol,
// or the size of one.
func (c *Linker) layoutNumber(structure, member string) ko.Dest {
	if structure == "sizeof" {
		l, ok := c.kernel.Layout[member]
		if !ok {
			c.lack(member, kerneltab.BTF, "the image has no such structure")
		}
		return c.Number("sizeof."+member, l.Size)
	}
	off, ok := c.kernel.Layout[structure].Offsets[member]
	if !ok {
		c.lack(structure, kerneltab.BTF, "it has no member %s", member)
	}
	return c.Number(structure+"."+member, off)
}

// relocate copies relocations, and lists the returns: jumps to the return thunk, which the
// kernel overwrites where the processor needs no more than an ordinary return
// (apply_returns of arch/x86/kernel/alternative.c).
func (o *Object) relocate(h ko.Home, relas []elfobj.Rela) {
	for k := range relas {
		r := &relas[k]
		h.Carry(r, o.Syms[r.Sym])
		if o.code.kernel.Thunk && o.Spec.Symbols[r.Sym].Name == kerneltab.ReturnThunk {
			s := o.To.Section(kerneltab.ReturnSites, elf.SHT_PROGBITS, ko.Alloc, 1)
			s.AddRela(s.Append(1, make([]byte, 4)), elf.R_X86_64_PC32, h.Section.Anchor, int64(h.Offset+r.Offset)-1) // the jump: its opcode is one byte
		}
	}
}

// Join makes a name for what belongs to an object.
func Join(name, object string) string {
	if object == "" {
		return name
	}
	return name + "_" + object
}
