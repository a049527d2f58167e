package module

import (
	"cmp"
	"debug/elf"
	"path"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice"
)

// anchor is the export from which all of the image is reached. It has been
// exported, to modules of any licence, since Linux 5.15.
const anchor = "_printk"

// percpuAnchor is preferred among the exported per-CPU variables.
const percpuAnchor = "this_cpu_off"

// crcSize bounds the names in __versions: MODULE_NAME_LEN of
// include/linux/module.h with the NUL.
const crcName = 56

// A target is where an undefined symbol leads: a symbol of the module's table
// and what to add to the addend. In a module that is patched it is a part of
// that module's memory (see bases), and the offset in it.
type target struct {
	symbol elfobj.SymbolIndex
	part   int // 0 for a symbol
	addend int64
	memory memory
	// from is set for what another object of the update defines, by the index
	// of the symbol there, until that one is placed.
	from  *linker
	index int
}

// final returns what a target is once all objects are placed.
func (t target) final() target {
	if t.from != nil {
		return t.from.syms[t.index]
	}
	return t
}

// export returns the undefined symbol for an export, and notes its CRC.
func (b *builder) export(name string) (elfobj.SymbolIndex, error) {
	if i, ok := b.imports[name]; ok {
		return i, nil
	}
	e, ok := b.exports[name]
	if !ok && name != "module_layout" {
		return 0, refuse(CodeNoAnchor, name, kerneltab.KSymTab, 0, "the kernel does not export it")
	}
	if b.hasCRCs() {
		if err := b.crc(name, &e); err != nil {
			return 0, err
		}
		b.crcs[name] = e.CRC
	}
	if e.Namespace != "" {
		b.spaces[e.Namespace] = true
	}
	if name == "module_layout" { // only its CRC is asked for
		return 0, nil
	}
	i := b.out.AddSymbol(elfobj.Symbol{Name: name, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)})
	b.imports[name] = i
	b.refs[Reference{Name: name, Addr: e.Addr, By: "export"}] = true
	return i, nil
}

// hasCRCs reports whether the kernel asks for CRCs (CONFIG_MODVERSIONS).
func (b *builder) hasCRCs() bool { return strings.Contains(b.magic, "modversions") }

// crc completes an export with the CRC of Module.symvers, if one was given. The
// image has the same, unless they are of two builds.
func (b *builder) crc(name string, e *kernel.Export) error {
	if len(name) >= crcName {
		return refuse(CodeLongName, name, kerneltab.Versions, 0, "no room for names of %d bytes", len(name))
	}
	if b.symvers == nil {
		if !e.HasCRC {
			return refuse(CodeNoCRC, name, kerneltab.KCRCTab, 0, "the image has no CRC for it")
		}
		return nil
	}
	s, ok := b.symvers[name]
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
func (b *builder) at(name string, addr uint64) (target, error) {
	if e, ok := b.exports[name]; ok && e.Addr == addr && len(name) < crcName {
		sym, err := b.export(name)
		return target{symbol: sym, memory: b.memoryOf(addr)}, err
	}
	t, by, err := b.reach(name, addr)
	t.memory = b.memoryOf(addr)
	if err == nil {
		b.refs[Reference{Name: name, Addr: addr, By: by}] = true
	}
	return t, err
}

// reach returns how to reach a link address without an export of its own, and
// by what.
func (b *builder) reach(name string, addr uint64) (to target, by string, err error) {
	switch {
	case b.image.IsPerCPU(addr) && addr < 1<<31:
		sym, base, err := b.percpu()
		return target{symbol: sym, addend: int64(addr - base)}, "per-cpu", err
	case b.image.IsInit(addr):
		return target{}, "", refuse(CodeInit, name, "", addr, "it is freed after boot")
	case b.image.IsMapped(addr):
		sym, err := b.export(anchor)
		return target{symbol: sym, addend: int64(addr - b.exports[anchor].Addr)}, "anchor", err
	}
	return target{}, "", refuse(splice.CodeNotMatched, name, "", addr, "it is not in the image")
}

// percpu returns an exported per-CPU variable, and its offset.
func (b *builder) percpu() (elfobj.SymbolIndex, uint64, error) {
	name := percpuAnchor
	if e, ok := b.exports[name]; !ok || !b.image.IsPerCPU(e.Addr) {
		var all []string
		for n, e := range b.exports {
			if b.image.IsPerCPU(e.Addr) {
				all = append(all, n)
			}
		}
		if len(all) == 0 {
			return 0, 0, refuse(CodeNoAnchor, name, kerneltab.KSymTab, 0, "no per-CPU variable is exported")
		}
		name = slices.Min(all)
	}
	sym, err := b.export(name)
	return sym, b.exports[name].Addr, err
}

// absolute returns a symbol for a number.
func (b *builder) absolute(name string, value uint64) target {
	i := b.out.AddSymbol(elfobj.Symbol{Name: name, Value: value, Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_NOTYPE), Section: elfobj.SecAbs})
	b.refs[Reference{Name: name, Addr: value, By: "absolute"}] = true
	return target{symbol: i}
}

// foreign returns the undefined symbol for what another module exports, which
// has to be loaded before: the loader takes a reference to it.
func (b *builder) foreign(name string, e *kernel.Export) (target, error) {
	if len(name) >= crcName {
		return target{}, refuse(CodeLongName, name, kerneltab.Versions, 0, "no room for names of %d bytes", len(name))
	}
	owner := strings.ReplaceAll(path.Base(e.Module), "-", "_")
	b.refs[Reference{Name: name, By: "export", Module: owner}] = true
	b.depends[owner] = true
	if e.Namespace != "" {
		b.spaces[e.Namespace] = true
	}
	b.crcs[name] = e.CRC
	i, ok := b.imports[name]
	if !ok {
		i = b.out.AddSymbol(elfobj.Symbol{Name: name, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_NOTYPE)})
		b.imports[name] = i
	}
	return target{symbol: i}, nil
}

// resolve finds what an undefined symbol of an extracted object is.
func (l *linker) resolve(undefined map[string]elfobj.SymbolIndex, e *elfdiff.External) (target, error) {
	p, b := l.pair, l.builder
	if _, known := undefined[e.Name]; e.Pre == object.NoAtom && !known {
		if t, ok := b.offers[e.Name]; ok {
			return t, nil
		}
	}
	if p.Target != nil {
		addr, ok := uint64(0), false
		if e.Pre != object.NoAtom {
			addr, ok = p.Match.AtomAddr(e.Pre)
		}
		return l.resolveIn(p.Target, undefined, e.Name, addr, ok)
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
func (b *builder) unique(name, object string) (target, error) {
	list := b.image.Symbols(name)
	switch {
	case strings.Contains(name, "."):
		return target{}, refuse(splice.CodeNotLocated, name, object, 0, "no function that was matched refers to it, and a name with a number of the compiler's says nothing")
	case len(list) == 0:
		return target{}, b.missing(name, object)
	case len(list) > 1:
		return target{}, refuse(splice.CodeNotLocated, name, object, 0, "no function that was matched refers to it, and the image has %d symbols of that name", len(list))
	}
	if list[0].Abs {
		return b.absolute(name, list[0].Addr), nil
	}
	return b.at(name, list[0].Addr)
}

// missing says of a name that the image does not have where it is, if anything does.
func (b *builder) missing(name, object string) *splice.Refusal {
	if x, ok := b.symvers[name]; ok && x.Module != "" {
		return refuse(CodeModuleExport, name, object, 0, "module %s exports it, which need not be loaded when the kernel's own code runs", path.Base(x.Module))
	}
	return refuse(CodeUndefined, name, object, 0, "neither the kernel nor another object of the update has it")
}

func (b *builder) sortedRefs() []Reference {
	out := make([]Reference, 0, len(b.refs))
	for r := range b.refs {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Reference) int {
		return cmp.Or(cmp.Compare(a.By, b.By), cmp.Compare(a.Addr, b.Addr), strings.Compare(a.Name, b.Name), strings.Compare(a.Module, b.Module))
	})
	return out
}
