package module

import (
	"context"
	"debug/elf"
	"fmt"
	"slices"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/calls"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// A Target is a kernel module that an update changes: its file, which must be
// the one that is loaded, or will be. It is immutable and safe for concurrent
// use.
type Target struct {
	kernel *Kernel
	mod    *kernel.Module
	run    *image.Image
	sites  *kernel.Sites

	calls calls.Lazy // until an update is built
}

// OpenModule opens the file of a module of this kernel, as it is shipped: .ko,
// or compressed. It need not be loaded now, nor when the update is.
func (k *Kernel) OpenModule(path string) (*Target, error) {
	m, err := kernel.OpenModule(path, k.layout)
	if err != nil {
		return nil, fmt.Errorf("open module: %w", nameError(err, ErrNotModule))
	}
	t := &Target{kernel: k, mod: m}
	if err := t.read(); err != nil {
		return nil, fmt.Errorf("open module: %w", nameError(err, ErrNotModule))
	}
	return t, nil
}

func (t *Target) read() error {
	m := t.mod
	if m.Magic != t.kernel.magic {
		return refuse(CodeOtherBuild, m.Name, kerneltab.Modinfo, 0, "it is for %q", m.Magic)
	}
	if m.BuildID == nil {
		return refuse(CodeOtherBuild, m.Name, kerneltab.BuildIDNote, 0, "it has no build-id to be known by")
	}
	if len(m.Lookup("__this_module")) != 1 {
		return refuse(CodeOtherBuild, m.Name, kerneltab.SymTab, 0, "it has no symbol __this_module")
	}
	at, err := m.Addresses()
	if err != nil {
		return err
	}
	t.run, err = image.OpenModule(m.Path, image.ModuleOptions{Sections: at, PerCPU: kernel.PerCPUBase})
	if err != nil {
		return err
	}
	t.sites, err = m.Sites(t.kernel.layout, t.run.ReadAddr)
	return err
}

// Name returns the name by which the kernel knows the module.
func (t *Target) Name() string {
	if t.mod == nil {
		return ""
	}
	return t.mod.Name
}

// Run returns the image to match against: the module as the loader would have
// it before it rewrites code, at addresses that are made up.
func (t *Target) Run() *image.Image { return t.run }

// BuildID returns the build-id of the module, as in
// /sys/module/NAME/notes/.note.gnu.build-id.
func (t *Target) BuildID() []byte {
	if t.mod == nil {
		return nil
	}
	return t.mod.BuildID
}

// BTF returns the types of the module alone, which stand on those of the kernel.
func (t *Target) BTF() ([]byte, error) {
	if t.mod == nil {
		return nil, errNotOpened
	}
	return typesOf(t.mod.File, t.Name(), "CONFIG_DEBUG_INFO_BTF_MODULES")
}

// callsOf makes the call graph of the module, once.
func (t *Target) callsOf(ctx context.Context) (*calls.Info, error) {
	outer, err := t.kernel.callsOf(ctx)
	if err != nil {
		return nil, err
	}
	return t.calls.Get(func() (*calls.Info, error) { return calls.OfModule(ctx, t.run, outer) })
}

// at returns how to reach an address in the module.
func (t *Target) at(addr uint64) (ko.Dest, bool) {
	part, off, ok := t.mod.Locate(addr)
	if !ok {
		return ko.Dest{}, false
	}
	return ko.Dest{Part: firstPart + part, Addend: int64(off)}, true
}

// isPlain reports whether a place in the module can be written to, also once it has started.
func (t *Target) isPlain(to ko.Dest) bool {
	s, ok := t.mod.SectionAt(to.Part-firstPart, uint64(to.Addend))
	return ok && s.Flags&elf.SHF_WRITE != 0 && kerneltab.MemoryOf(s.Name) != kerneltab.MemoryAfterInit
}

// symbol is at for a symbol of the module.
func (t *Target) symbol(s *elfobj.Symbol) (ko.Dest, bool) {
	part, off, ok := t.mod.SymbolAt(s)
	return ko.Dest{Part: firstPart + part, Addend: int64(off)}, ok
}

// resolveIn finds what an undefined symbol of an object of a module is: in the
// module itself first, as when it was linked, then what the kernel and other
// modules export, and at last anything in the kernel.
func (l *linker) resolveIn(t *Target, undefined map[string]elfobj.SymbolIndex, e *extract.External, located uint64, ok bool) (ko.Dest, error) {
	name := e.Name
	if i, known := undefined[name]; known && !ok {
		if v, found := l.pair.Match.SymbolValue(i); found && v.Has&reloc.UseAddress != 0 {
			located, ok = v.Address, true
		}
	}
	if ok {
		if to, in := t.at(located); in {
			return l.inModule(t, name, to)
		}
	}
	list := t.mod.Lookup(name)
	if len(list) == 1 {
		if to, in := t.symbol(&list[0]); in {
			return l.inModule(t, name, to)
		}
	}
	if len(list) > 1 {
		return ko.Dest{}, refuse(splice.CodeNotLocated, name, t.Name(), 0, "no function that was matched refers to it, and the module has %d symbols of that name", len(list))
	}
	if x, ok := l.exports[name]; ok {
		return l.at(name, x.Addr)
	}
	if x, ok := l.symvers[name]; ok && x.Module != "" {
		return l.foreign(t, e.Symbol, &x)
	}
	if t.mod.Imports(name) {
		return ko.Dest{}, refuse(CodeNoCRC, name, "Module.symvers", 0, "another module exports it, which only a Module.symvers says")
	}
	return l.unique(name, l.Object)
}

// inModule notes the reference, and refuses what does not last.
func (l *linker) inModule(t *Target, name string, to ko.Dest) (ko.Dest, error) {
	p := &t.mod.Parts[to.Part-firstPart]
	if p.Field < 0 {
		return ko.Dest{}, refuse(CodeInit, name, t.Name(), uint64(to.Addend), "it is freed once the module is loaded")
	}
	addr := p.Base + uint64(to.Addend)
	l.refs[Reference{Name: name, Addr: addr, By: "module", Module: t.Name()}] = true
	if t.lacksEndbr(addr) {
		to.Memory = ko.MemoryNoEndbr
	}
	return to, nil
}

// imports are the exports of other modules that new code of a module uses, where the module itself
// depends on them: they are there whenever it is, so that the update need not depend on them too.
type imports struct {
	list []kernel.Export
	// versions are the CRCs that the target was linked with, uses the modules that it uses itself, and
	// needs those that it depends on by way of others too; nil until they are asked for.
	versions map[string]uint32
	uses     map[string]kernel.Export
	needs    map[string]bool
}

// maxBases is how many bases a fixup can name.
const maxBases = 256

// foreign returns how to reach what another module exports. A module that the target depends on is
// there whenever the target is, and what it exports is found then. A further one is what the update
// itself depends on, which is a finding.
func (l *linker) foreign(t *Target, sym elfobj.SymbolIndex, e *kernel.Export) (ko.Dest, error) {
	if l.obj.imports.versions == nil {
		l.obj.imports.versions = t.mod.Versions()
	}
	if crc, ok := l.obj.imports.versions[e.Name]; ok && l.hasCRCs() && crc != e.CRC {
		return ko.Dest{}, refuse(CodeCRCDiffers, e.Name, "Module.symvers", 0, "CRC %#08x, and %#08x in %s", e.CRC, crc, t.Name())
	}
	why := ""
	switch {
	case !l.needs(t, e.Owner()):
		why = fmt.Sprintf("%s itself does not depend on it", t.Name())
	case !l.canFind():
		why = "this kernel has no way to find it later (find_symbol)"
	case l.isEarly(sym):
		why = fmt.Sprintf("a table has to have it before %s is loaded", t.Name())
	case firstPart+len(t.mod.Parts)+len(l.obj.imports.list) >= maxBases:
		why = fmt.Sprintf("new code of %s uses more of other modules than can be found later", t.Name())
	}
	if why != "" {
		l.depending(e, why)
		return l.dependOn(e.Name, e)
	}
	i := slices.IndexFunc(l.obj.imports.list, func(x kernel.Export) bool { return x.Name == e.Name })
	if i < 0 {
		i = len(l.obj.imports.list)
		l.obj.imports.list = append(l.obj.imports.list, *e)
	}
	if e.Namespace != "" {
		l.spaces[e.Namespace] = true
	}
	l.refs[Reference{Name: e.Name, By: "export", Module: e.Owner(), For: t.Name()}] = true
	return ko.Dest{Part: firstPart + len(t.mod.Parts) + i}, nil
}

// needs reports whether a module is loaded whenever a target is: the target uses it, or what it uses
// does, as far as the files of these are beside its own.
func (l *linker) needs(t *Target, owner string) bool {
	known := &l.obj.imports
	if known.uses == nil {
		known.uses = t.mod.Uses(l.symvers)
	}
	if _, ok := known.uses[owner]; ok {
		return true
	}
	if known.needs == nil {
		known.needs = t.needs()
	}
	return known.needs[owner]
}

func (t *Target) needs() map[string]bool {
	out := map[string]bool{}
	for todo := []*kernel.Module{t.mod}; len(todo) > 0; todo = todo[1:] {
		for owner, e := range todo[0].Uses(t.kernel.symvers) {
			if out[owner] {
				continue
			}
			out[owner] = true
			if path := t.mod.Beside(e.Module); path != "" {
				if m, err := kernel.OpenModule(path, t.kernel.layout); err == nil && m.Name == owner && m.Magic == t.mod.Magic {
					todo = append(todo, m)
				}
			}
		}
	}
	return out
}

// canFind reports whether the module's own code can ask the kernel for an export.
func (k *Kernel) canFind() bool {
	arg := k.layout["find_symbol_arg"]
	for _, m := range []string{"name", "gplok", "owner", "crc", "sym"} {
		if _, ok := arg.Offsets[m]; !ok {
			return false
		}
	}
	form := kerneltab.Named(kerneltab.KSymTab).Usual()
	_, relative := k.layout[form.Struct].Offsets["value_offset"]
	_, taints := k.layout["module"].Offsets["taints"]
	return relative && taints && arg.Size <= 8*findSymbolWords && len(k.image.Symbols("find_symbol")) == 1 && len(k.image.Symbols("module_mutex")) == 1
}

// findSymbolWords is FIND_SYMBOL_ARG_WORDS of the module's own code.
const findSymbolWords = 16

// isEarly reports whether something refers to a symbol that is filled in before the target is there.
func (l *linker) isEarly(sym elfobj.SymbolIndex) bool {
	if l.early == nil {
		l.early = l.earlyUses()
	}
	return l.early[sym]
}

// earlyUses are the symbols that tables refer to, and instructions that init completes. Code and data
// can wait, and entries of a table that may be left out are no matter.
func (l *linker) earlyUses() map[elfobj.SymbolIndex]bool {
	early := map[elfobj.SymbolIndex]bool{}
	for i := range l.carried.Immediates {
		early[l.carried.Immediates[i].Variable] = true
	}
	for i := range l.Spec.Sections {
		s := &l.Spec.Sections[i]
		if s.Type != elf.SHT_RELA || int(s.Info) >= len(l.Spec.Sections) {
			continue
		}
		to := l.Spec.Sections[s.Info].Name
		if row := kerneltab.Carried(to); row != nil && (slices.Contains(waits, row.Module.To) || row.Has(kerneltab.Optional)) {
			continue
		}
		for _, r := range s.Relas {
			if to != kerneltab.JumpTable || traceOf(l.Spec.Symbols[r.Sym].Name) == "" {
				early[r.Sym] = true
			}
		}
	}
	return early
}

// waits are the parts of a module in which references to its target are filled in late.
var waits = []string{kerneltab.Text, kerneltab.Rodata, kerneltab.Data}

// FindingNeeds is the code of the finding about a module that an update depends on, beside those
// that what it changes depends on.
const FindingNeeds elfdiff.Code = "needs-module"

// depending reports it, once for each module.
func (l *linker) depending(e *kernel.Export, why string) {
	for i := range l.found {
		if l.found[i].Code == FindingNeeds && l.found[i].Symbol == e.Owner() {
			return
		}
	}
	l.found = append(l.found, elfdiff.Finding{
		Code: FindingNeeds, Severity: elfdiff.Carried, Symbol: e.Owner(),
		Message: fmt.Sprintf("the update depends on this module, whose %s the new code uses: %s", e.Name, why),
		Hint:    "have it loaded where the update is to be",
	})
}
