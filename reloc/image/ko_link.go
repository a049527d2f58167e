package image

import (
	"debug/elf"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/amd64"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// moduleRelocations are the types that the loader applies: apply_relocate_add of
// arch/x86/kernel/module.c. It refuses the rest.
var moduleRelocations = map[elf.R_X86_64]bool{
	elf.R_X86_64_NONE: true, elf.R_X86_64_64: true, elf.R_X86_64_32: true, elf.R_X86_64_32S: true,
	elf.R_X86_64_PC32: true, elf.R_X86_64_PLT32: true, elf.R_X86_64_PC64: true,
}

// moduleLinker gives the symbols of a module their values and applies its
// relocations.
type moduleLinker struct {
	file         *elfobj.File
	layout       *moduleLayout
	kernel       *Image
	images       []*Image // the kernel and other modules
	syms         []elfobj.Symbol
	values       []uint64 // by symbol
	placeholders placeholders
}

func (l *moduleLinker) link() error {
	var err error
	if l.syms, err = l.file.Symbols(); err != nil {
		return err
	}
	l.placeholders.start(l.layout)
	l.values = make([]uint64, len(l.syms))
	for i := range l.syms {
		if l.values[i], err = l.value(&l.syms[i], i); err != nil {
			return fmt.Errorf("symbol %d, %s: %w", i, l.syms[i].Name, err)
		}
	}
	for _, s := range l.file.Sections {
		if err := l.relocate(s); err != nil {
			return err
		}
	}
	return nil
}

// value does what simplify_symbols of kernel/module/main.c does.
func (l *moduleLinker) value(s *elfobj.Symbol, i int) (uint64, error) {
	switch {
	case i == 0:
		return 0, nil
	case s.Section == elfobj.SecAbs:
		return s.Value, nil
	case s.Section == elfobj.SecCommon:
		return 0, fmt.Errorf("common symbols are refused by the loader: %w", errors.ErrUnsupported)
	case s.Section == elfobj.SecLivepatch:
		return l.livepatchSymbol(s.Name), nil
	case s.Section == elfobj.SecUndef:
		addr, found, err := l.exported(s.Name)
		switch {
		case err != nil:
			return 0, err
		case found:
			return addr, nil
		case s.Bind() == elf.STB_WEAK && l.kernel != nil:
			return 0, nil
		}
		return l.placeholders.of(s.Name), nil
	case s.Section.IsReserved():
		return 0, fmt.Errorf("section index %#x: %w", uint32(s.Section), errors.ErrUnsupported)
	}
	if m := l.layout.byIndex[s.Section]; m != nil {
		return m.addr + s.Value, nil
	}
	return s.Value, nil // in a section that is not loaded
}

// exported looks a name up as the loader does: in the kernel, then in the other
// modules. Static symbols don't count, and of several global ones only the one
// that an entry of __ksymtab exports.
func (l *moduleLinker) exported(name string) (uint64, bool, error) {
	var found []uint64
	for _, img := range l.images {
		found = img.ksymbols(found, name)
	}
	switch len(found) {
	case 0:
		return 0, false, nil
	case 1:
		return found[0], true, nil
	}
	return 0, false, fmt.Errorf("%w: exported at %#x and %#x", ErrAmbiguous, found[0], found[1])
}

// ksymtab is the beginning of the names of entries for exported symbols:
// include/linux/export-internal.h, Linux 6.12.
const ksymtab = kerneltab.KSymTab + "_"

// ksymbols appends the addresses of the symbols that modules may mean by a name.
func (img *Image) ksymbols(found []uint64, name string) []uint64 {
	names := img.byName()
	first := len(found)
	for _, i := range names[name] {
		if s := &img.symbols[i]; !s.Local && s.Module != NoModule {
			found = append(found, s.Addr)
		}
	}
	if len(found) <= first+1 {
		return found
	}
	found = found[:first]
	for _, i := range names[name] {
		s := &img.symbols[i]
		if !s.Local && slices.ContainsFunc(names[ksymtab+name], func(j int32) bool { return img.symbols[j].Module == s.Module }) {
			found = append(found, s.Addr)
		}
	}
	return found
}

// livepatchSymbol finds what livepatch would put in the place of a symbol that is
// called .klp.sym.OBJECT.NAME,POSITION
// (Documentation/livepatch/module-elf-format.rst, Linux 6.1).
func (l *moduleLinker) livepatchSymbol(full string) uint64 {
	rest, ok := strings.CutPrefix(full, ".klp.sym.")
	object, rest, ok2 := strings.Cut(rest, ".")
	comma := strings.LastIndexByte(rest, ',')
	if !ok || !ok2 || comma < 0 {
		return l.placeholders.of(full)
	}
	pos, err := strconv.ParseUint(rest[comma+1:], 10, 32)
	if err != nil {
		return l.placeholders.of(full)
	}
	for _, img := range l.images {
		if s, ok := img.bySymPos(object, rest[:comma], pos); ok {
			return s.Addr
		}
	}
	return l.placeholders.of(full)
}

// relocate applies the relocations to a section that is loaded.
func (l *moduleLinker) relocate(s *elfobj.Section) error {
	m := l.layout.byIndex[s.Index]
	if m == nil || m.gone {
		return nil
	}
	relas, err := l.file.Relas(s.Index)
	if err != nil {
		return err
	}
	for i := range relas {
		r := &relas[i]
		if !moduleRelocations[elf.R_X86_64(r.Type)] {
			return fmt.Errorf("section %s+%#x: %v is refused by the loader: %w", s.Name, r.Offset, elf.R_X86_64(r.Type), errors.ErrUnsupported)
		}
		h, _ := amd64.HowtoOf(r.Type)
		if h.Size == 0 {
			continue
		}
		if n := uint64(len(m.data)); r.Offset > n || n-r.Offset < uint64(h.Size) {
			return fmt.Errorf("section %s+%#x: %s is outside of the section's %#x bytes", s.Name, r.Offset, h.Name, n)
		}
		if err := h.Apply(m.data[r.Offset:], l.values[r.Sym], r.Addend, m.addr+r.Offset); err != nil {
			return fmt.Errorf("section %s+%#x, symbol %s: %w", s.Name, r.Offset, l.syms[r.Sym].Name, err)
		}
	}
	return nil
}

// symbols returns the module's own symbols, and one for each address that stands
// for an unknown one.
func (l *moduleLinker) symbols(module int) []Symbol {
	out := make([]Symbol, 0, len(l.syms)+len(l.placeholders.names))
	file := ""
	for i := range l.syms {
		s := &l.syms[i]
		if s.Type() == elf.STT_FILE {
			file = s.Name
			continue
		}
		if !s.IsDefined() || !isNamed(s.Name, s.Type()) {
			continue
		}
		if m := l.layout.byIndex[s.Section]; s.Section != elfobj.SecAbs && (m == nil || m.gone) {
			continue
		}
		sym := Symbol{Name: s.Name, Addr: l.values[i], Size: s.Size, Type: s.Type(), Module: module, Index: uint32(i)}
		if sym.Local = s.Bind() == elf.STB_LOCAL; sym.Local {
			sym.File = file
		}
		out = append(out, sym)
	}
	for i, name := range l.placeholders.names {
		out = append(out, Symbol{Name: name, Addr: l.placeholders.at(i), Module: NoModule})
	}
	return out
}

// placeholders gives undefined symbols addresses of their own, behind the module.
type placeholders struct {
	base   uint64
	names  []string
	byName map[string]int
}

const placeholderStep = 16

func (p *placeholders) start(l *moduleLayout) {
	p.base, p.byName = alignUp(DefaultModuleBase, modulePage), make(map[string]int)
	if n := len(l.list); n > 0 {
		// One page stays free, so that what runs over the module's end is seen.
		last := l.list[n-1]
		p.base = alignUp(last.addr+last.size, modulePage) + modulePage
	}
}

func (p *placeholders) at(i int) uint64 { return p.base + uint64(i)*placeholderStep }

func (p *placeholders) of(name string) uint64 {
	i, ok := p.byName[name]
	if !ok {
		i = len(p.names)
		p.names = append(p.names, name)
		p.byName[name] = i
	}
	return p.at(i)
}

// region is where the placeholders lie. What they stand for may be code or data,
// but there is nothing to read.
func (p *placeholders) region() (Region, bool) {
	r := Region{Start: p.base, End: p.at(len(p.names)), Write: true, Exec: true, Unknown: true, Module: NoModule}
	return r, len(p.names) > 0
}
