package prove

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc/image"
)

// names is what run's symbols say of what pre names. What was looked up is kept.
type names struct {
	Pre   *object.Object
	Image *image.Image
	View  *image.View
	// noSymbols pretends that run has none.
	NoSymbols bool
	Only      int // module in which candidates may lie, or NoModule

	atoms   [][]Place            // by atom, nil for what was not looked up
	symbols [][]Place            // by symbol, likewise
	named   [][]int32            // by atom: see namesakes
	files   []elfobj.SymbolIndex // the STT_FILE symbols of pre, behind a 0
}

func newNames(pre *object.Object, img *image.Image, noSymbols bool, only int) names {
	return names{
		Pre: pre, Image: img, View: image.NewView(img), NoSymbols: noSymbols, Only: only,
		atoms: make([][]Place, len(pre.Atoms)), symbols: make([][]Place, len(pre.Symbols())), named: make([][]int32, len(pre.Atoms)),
	}
}

// Place is where run has a symbol.
type Place struct {
	Addr   uint64
	Module int
	file   string // of a local symbol, where run tells
}

// AtomPlaces returns where run has symbols with the names of an atom: none when
// the image's symbols tell nothing about it. A weak name, which may mean another
// definition, only counts where no other name tells anything.
func (m *names) AtomPlaces(id object.AtomID) []Place {
	if p := m.atoms[id]; p != nil {
		return p
	}
	var strong, weak []Place
	a := m.Pre.Atom(id)
	for _, i := range a.Symbols {
		sym := m.Sym(i)
		switch {
		case sym.Value != a.Offset || strings.HasPrefix(sym.Name, ".L"):
		case sym.IsWeak():
			weak = append(weak, m.Places(sym)...)
		default:
			strong = append(strong, m.ofFile(i, m.Places(sym))...)
		}
	}
	if len(strong) == 0 {
		strong = weak
	}
	if len(strong) > 1 && strings.HasPrefix(a.Name, padPrefix) {
		strong = m.inFrontOf(a, strong)
	}
	if strong == nil {
		strong = []Place{}
	}
	m.atoms[id] = strong
	return strong
}

// namesakes returns the symbols of run that have the name of a function, by index.
func (m *names) namesakes(a *object.Atom) []int32 {
	list := m.named[a.ID]
	if list == nil {
		if list = m.Image.Named(a.Name); list == nil {
			list = []int32{}
		}
		m.named[a.ID] = list
	}
	return list
}

// padPrefix starts the names of the padding in front of functions, which objtool
// makes behind all files, so that no symbol tells which file it is of
// (tools/objtool/elf.c of Linux 6.12, elf_create_prefix_symbol).
const padPrefix = kerneltab.Padding

// inFrontOf keeps the places of padding that are in front of one of the function
// that it is of, in pre; all where there is none.
func (m *names) inFrontOf(pad *object.Atom, list []Place) []Place {
	if int(pad.ID)+1 >= len(m.Pre.Atoms) {
		return list
	}
	next := m.Pre.Atom(pad.ID + 1)
	if next.Kind != object.Func || next.Section != pad.Section || next.Offset != pad.End() || next.Name != pad.Name[len(padPrefix):] {
		return list
	}
	own := m.AtomPlaces(next.ID)
	out := slices.DeleteFunc(slices.Clone(list), func(p Place) bool { return !m.KnownAt(own, p.Addr+pad.Size, p.Module) })
	if len(out) == 0 {
		return list
	}
	return out
}

// SymbolPlaces returns where run has symbols with the name of one that pre
// doesn't define.
func (m *names) SymbolPlaces(i elfobj.SymbolIndex) []Place {
	if int(i) >= len(m.symbols) {
		return nil
	}
	if p := m.symbols[i]; p != nil {
		return p
	}
	p := m.Places(m.Sym(i))
	if p == nil {
		p = []Place{}
	}
	m.symbols[i] = p
	return p
}

// Places looks up a symbol of pre in run. Local symbols of pre can only be
// local ones in run, and a module that has none was stripped of them. What an
// IFUNC's final address is, no symbol tells.
func (m *names) Places(sym *elfobj.Symbol) []Place {
	if m.NoSymbols || sym.Name == "" {
		return nil
	}
	var out []Place
	for _, i := range m.Image.Named(sym.Name) {
		s := &m.Image.Symbols()[i]
		if s.Type == elf.STT_GNU_IFUNC {
			return nil
		}
		if s.Type == elf.STT_TLS || sym.Bind() == elf.STB_LOCAL && !s.Local && !s.BindingUnknown || !m.InScope(s.Module) && sym.IsDefined() {
			continue
		}
		out = append(out, Place{s.Addr, s.Module, s.File})
	}
	return out
}

// ofFile drops the places of a local symbol that are in the scope of another
// source file than the symbol is in pre: a static function, of which others have
// a copy to the byte. It drops none where run has the name in no such file.
func (m *names) ofFile(i elfobj.SymbolIndex, list []Place) []Place {
	if len(list) < 2 || m.Sym(i).Bind() != elf.STB_LOCAL {
		return list
	}
	file := m.fileOf(i)
	if file == "" {
		return list
	}
	own := slices.DeleteFunc(slices.Clone(list), func(p Place) bool { return p.file != file })
	if len(own) == 0 {
		return list
	}
	return own
}

// fileOf returns the name of the source file in whose scope a local symbol of pre
// is: that of the STT_FILE symbol in front of it (gABI, chapter 4).
func (m *names) fileOf(i elfobj.SymbolIndex) string {
	if m.files == nil {
		m.files = []elfobj.SymbolIndex{0}
		for k := range m.Pre.Symbols() {
			if j := elfobj.SymbolIndex(k); m.Sym(j).Type() == elf.STT_FILE {
				m.files = append(m.files, j)
			}
		}
	}
	k, found := slices.BinarySearch(m.files, i)
	if !found {
		k--
	}
	return m.Sym(m.files[k]).Name
}

// resolves reports whether run's symbols allow that an IFUNC has its resolver at
// addr: an IFUNC's symbol has the value of its resolver.
func (m *names) resolves(name string, addr uint64) bool {
	known := false
	for _, i := range m.Image.Named(name) {
		if s := &m.Image.Symbols()[i]; s.Type == elf.STT_GNU_IFUNC && s.Module == m.ModuleOf(addr) {
			if s.Addr == addr {
				return true
			}
			known = true
		}
	}
	return !known || m.NoSymbols
}

// KnownAt reports whether one of the places is addr. With a module other than
// NoModule only places in that module count.
func (m *names) KnownAt(list []Place, addr uint64, module int) bool {
	for _, p := range list {
		if p.Addr == addr && (module == image.NoModule || p.Module == module) {
			return true
		}
	}
	return false
}

// MayBe reports whether run's symbols allow that an atom is at addr: they know
// it there, or they don't know it in that module. In a module with all its
// symbols, what is known there must not be something else.
func (m *names) MayBe(id object.AtomID, addr uint64) bool {
	list := m.AtomPlaces(id)
	module := m.ModuleOf(addr)
	here := false
	for _, p := range list {
		if p.Addr == addr {
			return true
		}
		here = here || p.Module == module
	}
	return !here && (len(list) > 0 || m.mayBear(id, addr, module))
}

// mayBear reports whether something that run doesn't know by its name in pre
// may be at addr. Names that only differ in a number of the compiler's are the
// same: link time optimisation renumbers.
func (m *names) mayBear(id object.AtomID, addr uint64, module int) bool {
	name := m.Pre.Atom(id).Name
	if name == "" || module == image.NoModule || !m.Image.HasAllSymbols(module) || m.NoSymbols {
		return true
	}
	other := false
	for _, s := range m.Image.SymbolsAt(addr) {
		if s.Type == elf.STT_NOTYPE || s.Module != module {
			continue // the start of a section, an end label
		}
		if stem(s.Name) == stem(name) {
			return true
		}
		other = true
	}
	return !other
}

// stem cuts a name at the first suffix that is a number of the compiler's.
func stem(name string) string {
	for i := 1; i+1 < len(name); i++ {
		if name[i] == '.' && name[i+1] >= '0' && name[i+1] <= '9' {
			return name[:i]
		}
	}
	return name
}

// InScope reports whether candidates may lie in a module.
func (m *names) InScope(module int) bool { return m.Only == image.NoModule || module == m.Only }

// ModuleOf returns the module that a run address lies in, or NoModule.
func (m *names) ModuleOf(addr uint64) int {
	if r := m.View.RegionAt(addr); r != nil {
		return r.Module
	}
	return image.NoModule
}

// elsewhere says in a message where run has an atom.
func (m *names) elsewhere(id object.AtomID) string {
	if list := m.AtomPlaces(id); len(list) > 0 {
		return fmt.Sprintf(", which is at %#x", list[0].Addr)
	}
	return ", which the module's symbols don't know"
}

// runName names a run address for messages.
func (m *names) runName(addr uint64) string {
	name, off, ok := m.Symbolize(addr)
	switch {
	case !ok:
		return fmt.Sprintf("%#x", addr)
	case off == 0:
		return fmt.Sprintf("%s at %#x", name, addr)
	}
	return fmt.Sprintf("%s+%#x at %#x", name, off, addr)
}

// Symbolize is what disassembly asks for the names of targets.
func (m *names) Symbolize(addr uint64) (string, uint64, bool) {
	if m.NoSymbols {
		return "", 0, false
	}
	return Symbolize(m.Image, addr)
}

// Symbolize names what lies at an address.
func Symbolize(img *image.Image, addr uint64) (string, uint64, bool) {
	if s, off, ok := img.SymbolAt(addr); ok {
		return s.Name, off, true
	}
	return "", 0, false
}

// omitted reports whether a kernel's list of symbols leaves a name out: those of
// the list itself are not in it (is_ignored_symbol of scripts/kallsyms.c of
// Linux 6.1), and what the linker script adds for starting processors was not seen
// in that of 6.12.
func omitted(img *image.Image, name string) bool {
	return img.IsKernel() && (strings.HasPrefix(name, "kallsyms_") || strings.HasPrefix(name, "init_per_cpu__")) && len(img.Named(name)) == 0
}
