package module

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// anchor returns the export from which all of the image is reached: one that modules of any
// licence may use. Where there is none, it is the first name that is known.
func (k *Kernel) anchor() string {
	for i := range kerneltab.Anchor.Forms {
		if name := kerneltab.Anchor.Forms[i].Value; k.exports[name].Name != "" {
			return name
		}
	}
	return kerneltab.Anchor.Forms[0].Value
}

// percpuAnchor is preferred among the exported per-CPU variables.
const percpuAnchor = "this_cpu_off"

// crcSize bounds the names in __versions: MODULE_NAME_LEN of
// include/linux/module.h with the NUL.
const crcName = 56

// references say how the module reaches what the kernel and other modules have, and what
// that takes.
type references struct {
	*Kernel
	*ko.File
	imports map[string]elfobj.SymbolIndex // undefined symbols
	crcs    map[string]uint32             // of exports that are used
	spaces  map[string]bool               // namespaces to import
	depends map[string]bool               // modules that export what is used
	refs    map[Reference]bool
}

func newReferences(k *Kernel, f *ko.File) references {
	return references{
		Kernel: k, File: f, imports: map[string]elfobj.SymbolIndex{}, crcs: map[string]uint32{},
		spaces: map[string]bool{}, depends: map[string]bool{}, refs: map[Reference]bool{},
	}
}

// export returns the undefined symbol for an export, and notes its CRC.
func (r *references) export(name string) (elfobj.SymbolIndex, error) {
	if i, ok := r.imports[name]; ok {
		return i, nil
	}
	e, ok := r.exports[name]
	if !ok && name != "module_layout" {
		return 0, refuse(CodeNoAnchor, name, kerneltab.KSymTab, 0, "the kernel does not export it")
	}
	if r.hasCRCs() {
		if err := r.crc(name, &e); err != nil {
			return 0, err
		}
		r.crcs[name] = e.CRC
	}
	if e.Namespace != "" {
		r.spaces[e.Namespace] = true
	}
	if name == "module_layout" { // only its CRC is asked for
		return 0, nil
	}
	i := r.AddUndefined(name)
	r.imports[name] = i
	r.refs[Reference{Name: name, Addr: e.Addr, By: "export"}] = true
	return i, nil
}

// hasCRCs reports whether the kernel asks for CRCs (CONFIG_MODVERSIONS).
func (r *references) hasCRCs() bool { return strings.Contains(r.magic, "modversions") }

// crc completes an export with the CRC of Module.symvers, if one was given. The
// image has the same, unless they are of two builds.
func (r *references) crc(name string, e *kernel.Export) error {
	if len(name) >= crcName {
		return refuse(CodeLongName, name, kerneltab.Versions, 0, "no room for names of %d bytes", len(name))
	}
	if r.symvers == nil {
		if !e.HasCRC {
			return refuse(CodeNoCRC, name, kerneltab.KCRCTab, 0, "the image has no CRC for it")
		}
		return nil
	}
	s, ok := r.symvers[name]
	switch {
	case !ok:
		return refuse(CodeNoCRC, name, "Module.symvers", 0, "it is not listed")
	case e.HasCRC && s.CRC != e.CRC:
		return refuse(CodeCRCDiffers, name, "Module.symvers", 0, "CRC %#08x, and %#08x in the image", s.CRC, e.CRC)
	}
	e.CRC, e.HasCRC = s.CRC, true
	return nil
}

// at returns how to reach a link address, by the export of that name if there
// is one for that very address.
func (r *references) at(name string, addr uint64) (ko.Dest, error) {
	if e, ok := r.exports[name]; ok && e.Addr == addr && len(name) < crcName {
		sym, err := r.export(name)
		return ko.Dest{Symbol: sym, Memory: r.memoryOf(addr)}, err
	}
	t, by, err := r.reach(name, addr)
	t.Memory = r.memoryOf(addr)
	if err == nil {
		r.refs[Reference{Name: name, Addr: addr, By: by}] = true
	}
	return t, err
}

// reach returns how to reach a link address without an export of its own, and
// by what.
func (r *references) reach(name string, addr uint64) (to ko.Dest, by string, err error) {
	switch {
	case r.image.IsOffset(addr):
		sym, base, err := r.percpu()
		return ko.Dest{Symbol: sym, Addend: int64(addr - base)}, "per-cpu", err
	case r.image.IsInit(addr) && !r.image.IsPerCPU(addr): // what each processor has a copy of is freed too
		return ko.Dest{}, "", refuse(CodeInit, name, "", addr, "it is freed after boot")
	case r.image.IsMapped(addr):
		anchor := r.anchor()
		sym, err := r.export(anchor)
		return ko.Dest{Symbol: sym, Addend: int64(addr - r.exports[anchor].Addr)}, "anchor", err
	}
	return ko.Dest{}, "", refuse(splice.CodeNotMatched, name, "", addr, "it is not in the image")
}

// percpu returns an exported per-CPU variable, and its offset.
func (r *references) percpu() (elfobj.SymbolIndex, uint64, error) {
	name := percpuAnchor
	if e, ok := r.exports[name]; !ok || !r.image.IsPerCPU(e.Addr) {
		var all []string
		for n, e := range r.exports {
			if r.image.IsPerCPU(e.Addr) {
				all = append(all, n)
			}
		}
		if len(all) == 0 {
			return 0, 0, refuse(CodeNoAnchor, name, kerneltab.KSymTab, 0, "no per-CPU variable is exported")
		}
		name = slices.Min(all)
	}
	sym, err := r.export(name)
	return sym, r.exports[name].Addr, err
}

// absolute returns a symbol for a number.
func (r *references) absolute(name string, value uint64) ko.Dest {
	i := r.AddNumber(name, value)
	r.refs[Reference{Name: name, Addr: value, By: "absolute"}] = true
	return ko.Dest{Symbol: i}
}

// dependOn returns the undefined symbol for what another module exports, which
// has to be loaded before: the loader takes a reference to it.
func (r *references) dependOn(name string, e *kernel.Export) (ko.Dest, error) {
	if len(name) >= crcName {
		return ko.Dest{}, refuse(CodeLongName, name, kerneltab.Versions, 0, "no room for names of %d bytes", len(name))
	}
	owner := e.Owner()
	r.refs[Reference{Name: name, By: "export", Module: owner}] = true
	r.depends[owner] = true
	if e.Namespace != "" {
		r.spaces[e.Namespace] = true
	}
	r.crcs[name] = e.CRC
	i, ok := r.imports[name]
	if !ok {
		i = r.AddUndefined(name)
		r.imports[name] = i
	}
	return ko.Dest{Symbol: i}, nil
}

// resolve finds what an undefined symbol of an extracted object is.
func (l *linker) resolve(undefined map[string]elfobj.SymbolIndex, e *extract.External) (ko.Dest, error) {
	p, b := l.pair, l.builder
	if _, known := undefined[e.Name]; e.Pre == object.NoAtom && !known {
		if o, ok := b.offers[e.Name]; ok {
			b.lent = append(b.lent, lent{o.by, l, e.Name})
			return o.to, nil
		}
	}
	if p.Target != nil {
		addr, ok := uint64(0), false
		if e.Pre != object.NoAtom {
			addr, ok = p.Match.AtomAddr(e.Pre)
		}
		return l.resolveIn(p.Target, undefined, e, addr, ok)
	}
	if e.Pre != object.NoAtom {
		if addr, ok := p.Match.AtomAddr(e.Pre); ok {
			return b.at(e.Name, addr)
		}
		return b.unique(e.Name, p.Diff.Pre.Name())
	}
	if i, ok := undefined[e.Name]; ok {
		if v, ok := p.Match.SymbolValue(i); ok && v.Has&reloc.UseAddress != 0 {
			return b.at(e.Name, v.Address)
		}
	}
	if x, ok := b.exports[e.Name]; ok {
		return b.at(e.Name, x.Addr)
	}
	return b.unique(e.Name, p.Diff.Post.Name())
}

// unique resolves a name that one symbol of the image has. Names with numbers
// of the compiler's do not count: they mean something else in each build.
func (r *references) unique(name, object string) (ko.Dest, error) {
	list := r.image.Symbols(name)
	switch {
	case strings.Contains(name, "."):
		return ko.Dest{}, refuse(splice.CodeNotLocated, name, object, 0, "no function that was matched refers to it, and a name with a number of the compiler's says nothing")
	case len(list) == 0:
		return ko.Dest{}, r.missing(name, object)
	case len(list) > 1:
		return ko.Dest{}, refuse(splice.CodeNotLocated, name, object, 0, "no function that was matched refers to it, and the image has %d symbols of that name", len(list))
	}
	if list[0].Abs {
		return r.absolute(name, list[0].Addr), nil
	}
	return r.at(name, list[0].Addr)
}

// missing says of a name that the image does not have where it is, if anything does.
func (r *references) missing(name, object string) *splice.Refusal {
	if x, ok := r.symvers[name]; ok && x.Module != "" {
		return refuse(CodeModuleExport, name, object, 0, "module %s exports it, which need not be loaded when the kernel's own code runs", path.Base(x.Module))
	}
	return refuse(CodeUndefined, name, object, 0, "neither the kernel nor another object of the update has it")
}

func (r *references) sortedRefs() []Reference {
	out := make([]Reference, 0, len(r.refs))
	for r := range r.refs {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, r Reference) int {
		return cmp.Or(cmp.Compare(a.By, r.By), cmp.Compare(a.Addr, r.Addr), strings.Compare(a.Name, r.Name), strings.Compare(a.Module, r.Module))
	})
	return out
}

// kernelSymbol returns how to reach a symbol that the kernel has once: what is exported
// by its name, as the patch's own code would.
func (b *builder) kernelSymbol(name string) ko.Dest {
	if old, renamed := kerneltab.OldNames[name]; renamed && len(b.image.Symbols(name)) == 0 && b.exports[name].Name == "" {
		name = old
	}
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
		return ko.Dest{}
	}
	t, err := b.at(name, s.Addr)
	if err != nil {
		b.refused.add(err)
	}
	return t
}
