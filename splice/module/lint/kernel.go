package lint

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// A Kernel is what modules are held against: one build, which need not run. It is not safe for
// concurrent use while modules are added.
type Kernel struct {
	name    string
	magic   string
	layout  kernel.Layout
	exports map[string]kernel.Export // of the kernel and of modules that were added
	sites   *kernel.Sites
	image   *kernel.Image
	modules map[string]*kernel.Module
	loaded  map[string]map[string][]old // of a kernel that runs: the symbols of its modules
}

// OpenKernel opens a kernel's vmlinux, also one without a symbol table, or what it is packed in
// (vmlinuz). Symbols without a table are those that the kernel carries along.
func OpenKernel(ctx context.Context, path string) (*Kernel, error) {
	img, err := kernel.OpenAny(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open kernel: %w", err)
	}
	k, err := newKernel(img)
	if err != nil {
		img.Close()
		return nil, fmt.Errorf("open kernel: %w", err)
	}
	return k, nil
}

func newKernel(img *kernel.Image) (*Kernel, error) {
	k := &Kernel{image: img, modules: map[string]*kernel.Module{}}
	var err error
	if k.layout, err = img.Survey(); err != nil {
		return nil, err
	}
	if k.magic, err = img.Vermagic(); err != nil {
		return nil, err
	}
	if k.sites, err = img.Sites(k.layout); err != nil {
		return nil, err
	}
	exports, err := img.Exports()
	if err != nil {
		return nil, err
	}
	k.exports = maps.Clone(exports)
	k.name, _, _ = strings.Cut(k.magic, " ")
	return k, nil
}

// Name returns the release of the kernel, as "uname -r" prints it.
func (k *Kernel) Name() string { return k.name }

// AddModule opens the file of a module of the kernel, compressed or not: one that exports
// something, or whose functions are replaced.
func (k *Kernel) AddModule(path string) error {
	m, err := kernel.OpenModule(path, k.layout)
	if err != nil {
		return fmt.Errorf("open module: %w", err)
	}
	text, err := kernel.ReadModule(path)
	if err != nil {
		return fmt.Errorf("open module: %w", err)
	}
	list, err := kernel.ModuleExports(text)
	if err != nil {
		return fmt.Errorf("open module %s: %w", path, err)
	}
	k.modules[m.Name] = m
	for _, e := range list {
		if _, ok := k.exports[e.Name]; !ok {
			k.exports[e.Name] = e
		}
	}
	return nil
}

// Close closes the files.
func (k *Kernel) Close() error {
	if k.image == nil {
		return nil
	}
	return k.image.Close()
}

// kernelStart is __START_KERNEL_map of arch/x86/include/asm/page_64_types.h.
const kernelStart = 0xffffffff80000000

// has reports whether something of the kernel is at an address, or may be the end of something.
func (k *Kernel) has(addr uint64) bool {
	if k.image.IsMapped(addr + kernelStart) {
		return true // a physical address
	}
	return k.image.IsMapped(addr) || k.image.IsMapped(addr-1) || k.image.IsPerCPU(addr) || k.image.IsOffset(addr)
}

// isFunction reports whether a function of the kernel begins at an address.
func (k *Kernel) isFunction(addr uint64) bool {
	return k.image.HasSymbol(addr)
}

// An old is a symbol that livepatch would find.
type old struct {
	addr, size uint64         // of the kernel itself, or of a module that is loaded
	symbol     *elfobj.Symbol // of the file of a module
	in         *kernel.Module
	live       bool // of a module that is loaded
	traced     bool // then: it begins with a call of the tracer, that is off or on
}

// find returns the symbols of a name in the order in which livepatch counts them. known is false
// for a module that was not added.
func (k *Kernel) find(object, name string) (list []old, known bool) {
	if isVmlinux(object) {
		for _, s := range k.image.Symbols(name) {
			list = append(list, old{addr: s.Addr, size: s.Size})
		}
		return list, true
	}
	m := k.modules[object]
	if m == nil {
		list, known := k.loaded[object]
		return list[name], known
	}
	for _, s := range m.Lookup(name) {
		list = append(list, old{symbol: &s, in: m})
	}
	return list, true
}

// maxEntry is how far from its start the call of the tracer is in a function whose size is not
// known, in bytes: behind ENDBR64 and prefixes.
const maxEntry = 16

// traced reports whether livepatch can take over a function.
func (k *Kernel) traced(o old) bool {
	switch {
	case o.live:
		return o.traced
	case o.in == nil:
		_, ok := k.sites.Fentry(o.addr, o.addr+cmp.Or(o.size, maxEntry))
		return ok
	}
	part, off, ok := o.in.SymbolAt(o.symbol)
	if !ok {
		return false
	}
	_, fixups, err := o.in.Raw(part, off, min(maxEntry, o.symbol.Size))
	return err == nil && slices.ContainsFunc(fixups, func(f kernel.Fixup) bool { return f.Symbol.Name == kerneltab.Fentry })
}

// isVmlinux reports whether livepatch means the kernel itself by the name of an object.
func isVmlinux(object string) bool { return object == "" || object == "vmlinux" }
