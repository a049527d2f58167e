package module

import (
	"debug/elf"
	"strings"
)

// callbackSection begins the names of sections with pointers to callbacks, as
// kpatch's macros make them. Livepatch calls them around the transition
// (Documentation/livepatch/callbacks.rst); each exists once for each object
// that is patched, which are vmlinux and each module.
const callbackSection = ".kpatch.callbacks."

// callbacks are the members of struct klp_callbacks.
var callbacks = []string{"pre_patch", "post_patch", "pre_unpatch", "post_unpatch"}

// callbackOf returns which callback a section holds a pointer to. The names of
// extracted sections end in that of the pointer.
func callbackOf(section string) (string, bool) {
	rest, ok := strings.CutPrefix(section, callbackSection)
	if !ok {
		return "", false
	}
	name, _, _ := strings.Cut(rest, ".")
	return name, true
}

// callback notes the function that a pointer leads to.
func (l *linker) callback(name, section string, typ uint32, t target) {
	known := false
	for _, c := range callbacks {
		known = known || c == name
	}
	_, twice := l.obj.hooks[name]
	switch {
	case !known || typ != uint32(elf.R_X86_64_64):
		l.refused.add(refuse(CodeSection, name, section, 0, "livepatch has no such callback"))
	case twice:
		l.refused.add(refuse(CodeTwice, name, section, 0, "there is one callback of each kind"))
	default:
		l.obj.hooks[name] = t
	}
}

// setCallbacks fills struct klp_callbacks of the object at off in d.
func (b *builder) setCallbacks(d *section, off uint64, hooks map[string]target) {
	at := off + b.layout["klp_object"].Offsets["callbacks"]
	for _, name := range callbacks {
		if t, ok := hooks[name]; ok {
			d.rela(at+b.layout["klp_callbacks"].Offsets[name], elf.R_X86_64_64, t.symbol, t.addend)
		}
	}
}
