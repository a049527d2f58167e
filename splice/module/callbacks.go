package module

import (
	"debug/elf"
	"strings"

	"github.com/gosplice/gosplice/internal/kerneltab"
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
func (l *linker) callback(name, section string, typ uint32, t target) {
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
func (b *builder) setCallbacks(d *section, off uint64, hooks map[string]target) {
	at := off + b.layout["klp_object"].Offsets["callbacks"]
	for _, name := range callbacks {
		if t, ok := hooks[name]; ok {
			d.rela(at+b.layout["klp_callbacks"].Offsets[name], elf.R_X86_64_64, t.symbol, t.addend)
		}
	}
}

// own has a callback of the kernel itself do something for the module, in front of
// what the patch brings for it.
func (b *builder) own(name string, part func(a *asm)) {
	if b.parts == nil {
		b.parts = map[string][]func(a *asm){}
	}
	b.parts[name] = append(b.parts[name], part)
}

// ownCallbacks writes these callbacks. Each part may use %rbx.
func (b *builder) ownCallbacks(a *asm) {
	for _, name := range callbacks {
		parts := b.parts[name]
		if len(parts) == 0 {
			continue
		}
		hooks := b.objectOf(nil).hooks
		user, chained := hooks[name]
		hooks[name] = target{symbol: b.function(a, name, elf.STB_LOCAL, func(b *builder, a *asm) {
			a.emit(endbr...)
			a.emit(0x53) // push %rbx
			a.depth(16)
			a.emit(0x41, 0x54) // push %r12
			a.depth(24)
			a.emit(0x49, 0x89, 0xfc) // mov %rdi,%r12
			for _, part := range parts {
				part(a)
			}
			a.emit(0x31, 0xc0) // xor %eax,%eax
			if chained {
				a.emit(0x4c, 0x89, 0xe7) // mov %r12,%rdi
				a.imm(elf.R_X86_64_PLT32, user.symbol, user.addend-4, 0xe8)
			}
			a.emit(0x41, 0x5c) // pop %r12
			a.depth(16)
			a.emit(0x5b) // pop %rbx
			a.depth(8)
			b.ret(a)
		})}
	}
}
