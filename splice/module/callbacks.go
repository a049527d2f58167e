package module

import (
	"debug/elf"
	"strings"

	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// callbacks are the members of struct klp_callbacks. Livepatch calls them around the
// transition (Documentation/livepatch/callbacks.rst); each exists once for each object
// that is patched, which are vmlinux and each module. An object has pointers to them in
// sections of their own, as kpatch's macros make them: [kerneltab.CallbackHooks].
var callbacks = []string{"pre_patch", "post_patch", "pre_unpatch", "post_unpatch"}

// callbackOf returns which callback a section holds a pointer to. The names of
// extracted sections end in that of the pointer.
func callbackOf(section string) (string, bool) {
	rest, ok := strings.CutPrefix(section, kerneltab.CallbackHooks)
	if !ok {
		return "", false
	}
	name, _, _ := strings.Cut(rest, ".")
	return name, true
}

// callback notes the function that a pointer leads to.
func (l *linker) callback(name, section string, typ uint32, t ko.Dest) {
	known := false
	for _, c := range callbacks {
		known = known || c == name
	}
	_, twice := l.obj.hooks[name]
	switch {
	case !known || typ != uint32(elf.R_X86_64_64):
		l.refused.add(refuse(CodeCallback, name, section, 0, "livepatch has no such callback"))
	case twice:
		l.refused.add(refuse(CodeCallback, name, section, 0, "there is one callback of each kind"))
	default:
		l.obj.hooks[name] = t
	}
}

// setCallbacks fills struct klp_callbacks of the object at off in d.
func (b *builder) setCallbacks(d *ko.Section, off uint64, hooks map[string]ko.Dest) {
	at := off + b.layout["klp_object"].Offsets["callbacks"]
	for _, name := range callbacks {
		if t, ok := hooks[name]; ok {
			d.AddRela(at+b.layout["klp_callbacks"].Offsets[name], elf.R_X86_64_64, t.Symbol, t.Addend)
		}
	}
}

// chained returns the callbacks that the patch itself brings for an object, by the names
// under which the module's own ones call them.
func (o *kobject) chained() map[string]ko.Dest {
	own := map[string]ko.Dest{}
	for name, t := range o.hooks {
		own["patch_"+name] = t
	}
	return own
}

// ownCallbacks has callbacks of the kernel itself do what belongs to the module, and call
// those of the patch.
func (b *builder) ownCallbacks() {
	follows := len(b.probes)+len(b.constants.rows.writes)+len(b.settings) > 0
	jumps := b.hasJumps()
	if !jumps && b.jumpsIn() != "" {
		b.code.Add("jump", "", nil)
	}
	if !follows && !jumps && !b.opt.Replace {
		return
	}
	o := b.objectOf(nil)
	own := o.chained()
	if b.opt.Replace {
		own = b.replacedExits(o, own)
	}
	if jumps {
		if b.plain {
			b.code.Add("stack", "", nil)
			own["adopt_others"] = b.code.Symbols["adopt_accounts"]
		}
		b.code.Add("jump", "", own)
		o.hooks["pre_patch"], o.hooks["post_unpatch"] = b.code.Symbols["jump_pre"], b.code.Symbols["jump_post"]
	}
	if follows || b.opt.Replace {
		b.code.Add("callbacks", "", own)
		o.hooks["post_patch"] = b.code.Symbols["post_patch"]
	}
	if follows {
		o.hooks["pre_unpatch"] = b.code.Symbols["pre_unpatch"]
	}
}
