package module

import (
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// A kobject is what livepatch calls so: the kernel itself or a module, with the
// functions that are replaced in it.
type kobject struct {
	target  *Target // nil for the kernel itself
	patched []patched
	jumps   []jump // that livepatch can't replace
	checks  []check
	exit    *exited  // of a module; nil where it is not replaced
	exitRow ko.Dest  // what says so
	rows    dataRows // of a module: constants that are overwritten
	// settings are likewise members of variables that are set.
	settings []setting
	hooks    map[string]ko.Dest // callbacks by name
	fixups   []fixup            // references to the module
	imports  imports            // what the module depends on has
}

// patched is a function that is replaced.
type patched struct {
	Function
	to ko.Dest // the new one
	at uint64  // of its struct klp_func, in .data
}

// objectOf returns the object of a target. The kernel itself comes first.
func (b *builder) objectOf(t *Target) *kobject {
	for _, o := range b.objects {
		if o.target == t || t != nil && o.target != nil && o.target.Name() == t.Name() {
			return o
		}
	}
	o := &kobject{target: t, hooks: map[string]ko.Dest{}}
	if t == nil {
		b.objects = append([]*kobject{o}, b.objects...)
	} else {
		b.objects = append(b.objects, o)
	}
	return o
}

// replaces reports whether the function at an address is replaced already.
func (o *kobject) replaces(addr uint64) bool {
	for i := range o.patched {
		if o.patched[i].Addr == addr {
			return true
		}
	}
	for i := range o.jumps {
		if o.jumps[i].Addr == addr {
			return true
		}
	}
	return o.exit != nil && o.exit.Addr == addr
}

// name returns the name of the module, "" for the kernel itself.
func (o *kobject) name() string {
	if o.target == nil {
		return ""
	}
	return o.target.Name()
}

func (o *kobject) sitesOf(b *builder) *kernel.Sites {
	if o.target == nil {
		return b.sites
	}
	return o.target.sites
}

// identify returns the name and the position by which livepatch finds the
// function at an address, and refuses functions that are gone by then.
func (o *kobject) identify(b *builder, name string, addr uint64) (string, uint64, error) {
	if o.target != nil {
		return o.target.identify(name, addr)
	}
	if b.image.IsInit(addr) {
		return "", 0, refuse(CodeInit, name, "", addr, "it ran at boot, and is freed")
	}
	sym, ok := b.image.FunctionAt(addr)
	if !ok {
		return "", 0, refuse(CodeNoSymbol, name, "", addr, "the image has no symbol there")
	}
	pos, _ := b.image.Position(sym.Name, sym.Addr)
	return sym.Name, pos, nil
}

func (t *Target) identify(name string, addr uint64) (string, uint64, error) {
	part, off, ok := t.mod.Locate(addr)
	if ok && t.mod.Parts[part].Init {
		return "", 0, refuse(CodeInit, name, t.Name(), addr, "it is freed once the module is loaded")
	}
	if !ok {
		return "", 0, refuse(splice.CodeNotMatched, name, t.Name(), addr, "it is not in the module")
	}
	sym, ok := t.mod.Function(part, off)
	if !ok {
		return "", 0, refuse(CodeNoSymbol, name, t.Name(), addr, "the module has no symbol there")
	}
	pos, err := t.mod.Position(sym.Name, part, off)
	if err != nil {
		r := refuse(CodeNoSymbol, sym.Name, t.Name(), addr, "livepatch can't find it")
		r.Err = err
		return "", 0, r
	}
	return sym.Name, pos, nil
}
