package module

import (
	"context"
	"debug/elf"
	"fmt"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
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
func (t *Target) Name() string { return t.mod.Name }

// Run returns the image to match against: the module as the loader would have
// it before it rewrites code, at addresses that are made up.
func (t *Target) Run() *image.Image { return t.run }

// BuildID returns the build-id of the module, as in
// /sys/module/NAME/notes/.note.gnu.build-id.
func (t *Target) BuildID() []byte { return t.mod.BuildID }

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
func (l *linker) resolveIn(t *Target, undefined map[string]elfobj.SymbolIndex, name string, located uint64, ok bool) (ko.Dest, error) {
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
		return l.foreign(name, &x)
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
	l.refs[Reference{Name: name, Addr: p.Base + uint64(to.Addend), By: "module", Module: t.Name()}] = true
	return to, nil
}
