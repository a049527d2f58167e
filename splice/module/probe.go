package module

import (
	"debug/elf"
	"errors"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice"
)

// Functions that are not traced (declared inline or notrace, or in a folder that is
// built so, as lib and kernel/trace are) can't be taken over by livepatch. A kprobe
// can take them over: its handler sets the place where execution goes on
// (Documentation/trace/kprobes.rst, "Changing Execution Path").
//
// It goes to a stub that counts the calls in the module's reference count, so that
// the module stays while one runs:
//
//	lock incl refcnt(%rip)
//	push 8*n(%rsp)            n times: the arguments on the stack
//	call new
//	add $8*n,%rsp
//	lock decl refcnt(%rip)
//	ret
//
// The kernel's BTF says what the arguments are. The probes are
// registered when the module is loaded, which fails where the kernel does not allow
// one; they take effect when the transition of livepatch is over, and cease to
// before it is undone, so that code that livepatch replaces never runs with the
// wrong version of these. Between probed functions there is no such order, which is
// why several have to be asked for, see [Options].Probes.
//
// A call out of the handler of another kprobe still runs the old function: the
// kernel does not nest them.

// probed is a function that a kprobe takes over.
type probed struct {
	Function
	to     target
	stack  int    // eightbytes of arguments on the stack
	probe  uint64 // its struct kprobe, in .data
	noJump error  // why it is not a jump
}

// probeKit is what the code needs to know about the kernel.
type probeKit struct {
	probe, regs kernel.Struct
	refcnt      uint64 // in struct module
	list        uint64 // of pointers to the probes, in .data; ends in a null
}

// maxStack bounds the arguments on the stack, in eightbytes.
const maxStack = 15 // so that 8*n is a signed byte

// probeable returns how many eightbytes of arguments a function has on the stack,
// or why a kprobe can't take it over.
func (b *builder) probeable(name string, addr uint64) (stack int, why string) {
	if _, ok := b.exports["register_kprobes"]; !ok {
		return 0, "the kernel has no kprobes"
	}
	for row := range kerneltab.With(kerneltab.Unprobed) { // kernel/kprobes.c, arch/x86/kernel/kprobes/core.c
		if span, ok := b.image.Bounds(row); ok && span[0] <= addr && addr < span[1] {
			return 0, "it lies where the kernel allows no probe"
		}
	}
	if strings.Contains(name, ".") {
		return 0, "the compiler changed its arguments"
	}
	types, err := b.typesOf()
	if err != nil {
		return 0, err.Error()
	}
	switch n, ok := types.StackWords(name); {
	case !ok:
		return 0, "the kernel's types do not say what its arguments are"
	case n > maxStack:
		return 0, "it has too many arguments on the stack"
	default:
		return n, ""
	}
}

// probe prepares a kprobe for a function that livepatch can't take over, or says why
// there can't be one.
func (l *linker) probe(p *probed) (why string) {
	if l.obj.target != nil {
		return "it is in a module"
	}
	p.stack, why = l.probeable(p.Name, p.Addr)
	return why
}

// isProbed reports whether a kprobe takes the function at an address over already.
func (b *builder) isProbed(addr uint64) bool {
	return slices.ContainsFunc(b.probes, func(p probed) bool { return p.Addr == addr })
}

// checkProbes refuses several probes that were not asked for.
func (b *builder) checkProbes() {
	others := len(b.probes) - 1
	for _, o := range b.objects {
		others += len(o.jumps)
	}
	if len(b.probes) == 0 || others == 0 || b.opt.Probes {
		return
	}
	for i := range b.probes {
		p := &b.probes[i]
		b.refused.add(refuse(CodeSeveralProbes, p.Name, "", p.Addr, "%d functions are not traced (%s): nothing makes a task run the old or the new of all of them", others+1, causeText(p.noJump)))
	}
}

// causeText is the text of a reason, which is a refusal as a rule.
func causeText(err error) string {
	var r *splice.Refusal
	if errors.As(err, &r) {
		return r.Text()
	}
	return err.Error()
}

// kit reads the layouts, and lays out the probes.
func (b *builder) kit() *probeKit {
	types, err := b.typesOf()
	if err != nil {
		b.refused.add(err)
		return nil
	}
	k := &probeKit{}
	var errs [3]error
	var mod kernel.Struct
	k.probe, errs[0] = types.Struct("kprobe", "addr", "pre_handler", "post_handler", "flags")
	k.regs, errs[1] = types.Struct("pt_regs", "ip")
	mod, errs[2] = types.Struct("module", "refcnt")
	for _, err := range errs {
		if err != nil {
			b.refused.add(refuse(CodeKernel, "", kerneltab.BTF, 0, "%v", err))
			return nil
		}
	}
	k.refcnt = mod.Offsets["refcnt"]
	b.layProbes(k)
	return k
}

// probeDisabled is KPROBE_FLAG_DISABLED (include/linux/kprobes.h).
const probeDisabled = 2

// layProbes writes a struct kprobe for each function, with the address of its stub
// behind it, and the list of pointers to them.
func (b *builder) layProbes(k *probeKit) {
	d := b.data()
	each := k.probe.Size + 8
	at := d.append(8, make([]byte, each*uint64(len(b.probes))))
	b.define("probes", elf.STT_OBJECT, d, at, each*uint64(len(b.probes)))
	k.list = d.append(8, make([]byte, 8*(len(b.probes)+1)))
	b.define("probe_list", elf.STT_OBJECT, d, k.list, 8*uint64(len(b.probes)+1))
	for i := range b.probes {
		p := &b.probes[i]
		p.probe = at + each*uint64(i)
		where, err := b.at(p.Name, p.Addr)
		if err != nil {
			b.refused.add(err)
		}
		d.rela(p.probe+k.probe.Offsets["addr"], elf.R_X86_64_64, where.symbol, where.addend)
		put32(d.data[p.probe+k.probe.Offsets["flags"]:], probeDisabled)
		d.rela(k.list+uint64(8*i), elf.R_X86_64_64, d.anchor, int64(p.probe))
	}
}

// probeCode writes the handlers, the stubs, and the callbacks.
func (b *builder) probeCode(a *asm) {
	if len(b.probes) == 0 {
		return
	}
	if b.probing = b.kit(); b.probing == nil {
		return
	}
	k, d := b.probing, b.data()
	handler := b.function(a, "probe", elf.STB_LOCAL, (*builder).handler)
	// With this one, the kernel does not turn the probe into a jump to a copy of
	// the function's first instructions, which would not come here.
	after := b.function(a, "probe_after", elf.STB_LOCAL, func(b *builder, a *asm) {
		a.emit(endbr...)
		b.ret(a)
	})
	for i := range b.probes {
		p := &b.probes[i]
		stub := b.function(a, "stub_"+p.Name, elf.STB_LOCAL, func(b *builder, a *asm) { b.stub(a, p) })
		d.rela(p.probe+k.probe.Offsets["pre_handler"], elf.R_X86_64_64, handler, 0)
		d.rela(p.probe+k.probe.Offsets["post_handler"], elf.R_X86_64_64, after, 0)
		d.rela(p.probe+k.probe.Size, elf.R_X86_64_64, stub, 0)
	}
	b.own("post_patch", func(a *asm) { b.eachProbe(a, "enable_kprobe") })
	b.own("pre_unpatch", func(a *asm) { b.eachProbe(a, "disable_kprobe") })
}

// handler has execution go on at the stub.
func (b *builder) handler(a *asm) {
	a.emit(endbr...)
	a.emit(0x48, 0x8b, 0x87) // mov size(%rdi),%rax
	a.word(b.probing.probe.Size)
	a.emit(0x48, 0x89, 0x86) // mov %rax,ip(%rsi)
	a.word(b.probing.regs.Offsets["ip"])
	a.emit(0xb8, 1, 0, 0, 0) // mov $1,%eax
	b.ret(a)
}

// stub counts a call of the new function. Each push takes the argument that is n
// words above the last one that was pushed.
func (b *builder) stub(a *asm, p *probed) {
	n := byte(8 * p.stack)
	b.count(a, 0x05) // lock incl refcnt(%rip)
	for i := range p.stack {
		a.emit(0xff, 0x74, 0x24, n) // push 8*n(%rsp)
		a.depth(uint16(8 * (i + 2)))
	}
	a.imm(elf.R_X86_64_PLT32, p.to.symbol, p.to.addend-4, 0xe8) // call new
	if p.stack > 0 {
		a.emit(0x48, 0x83, 0xc4, n) // add $8*n,%rsp
		a.depth(8)
	}
	b.count(a, 0x0d) // lock decl refcnt(%rip)
	b.ret(a)
}

// count changes the module's reference count: ModRM says which way.
func (b *builder) count(a *asm, modrm byte) {
	a.imm(elf.R_X86_64_PC32, b.thisModule().anchor, int64(b.probing.refcnt)-4, 0xf0, 0xff, modrm)
}

// word emits four bytes.
func (a *asm) word(v uint64) { a.emit(byte(v), byte(v>>8), byte(v>>16), byte(v>>24)) }

// notRedirected is what the log hears when a probe can't be switched; KERN_ERR is
// SOH and 3.
const notRedirected = "\x013%s: %s failed for the probe at %pS\n"

// eachProbe calls a function for every probe. It is part of a callback.
func (b *builder) eachProbe(a *asm, fn string) {
	r := b.rodata()
	_, format := b.string(notRedirected)
	_, name := b.string(b.opt.Name)
	_, what := b.string(fn)
	a.imm(elf.R_X86_64_32S, b.data().anchor, int64(b.probing.list), 0x48, 0xc7, 0xc3) // mov $list,%rbx
	a.label("probe")
	a.emit(0x48, 0x8b, 0x3b) // mov (%rbx),%rdi
	a.emit(0x48, 0x85, 0xff) // test %rdi,%rdi
	a.jump(0x74, "end")      // je end
	b.call(a, fn)
	a.emit(0x85, 0xc0)       // test %eax,%eax
	a.jump(0x74, "next")     // je next
	a.emit(0x48, 0x8b, 0x0b) // mov (%rbx),%rcx
	a.emit(0x48, 0x8b, 0x89) // mov addr(%rcx),%rcx
	a.word(b.probing.probe.Offsets["addr"])
	a.imm(elf.R_X86_64_32S, r.anchor, int64(format), 0x48, 0xc7, 0xc7) // mov $format,%rdi
	a.imm(elf.R_X86_64_32S, r.anchor, int64(name), 0x48, 0xc7, 0xc6)   // mov $name,%rsi
	a.imm(elf.R_X86_64_32S, r.anchor, int64(what), 0x48, 0xc7, 0xc2)   // mov $fn,%rdx
	a.emit(0x31, 0xc0)                                                 // xor %eax,%eax
	b.call(a, anchor)                                                  // call _printk
	a.label("next")
	a.emit(0x48, 0x83, 0xc3, 0x08) // add $8,%rbx
	a.jump(0xeb, "probe")          // jmp probe
	a.label("end")
}

// allProbes calls register_kprobes or unregister_kprobes.
func (b *builder) allProbes(a *asm, fn string) {
	a.imm(elf.R_X86_64_32S, b.data().anchor, int64(b.probing.list), 0x48, 0xc7, 0xc7) // mov $list,%rdi
	a.emit(0xbe)                                                                      // mov $n,%esi
	a.word(uint64(len(b.probes)))
	b.call(a, fn)
}

// register is the part of init in front of klp_enable_patch: it fails where the
// kernel allows no probe.
func (b *builder) register(a *asm) {
	if b.probing == nil {
		return
	}
	b.allProbes(a, "register_kprobes")
	a.emit(0x85, 0xc0)  // test %eax,%eax
	a.jump(0x75, "out") // jne out
}

// unregister is the part behind it, for when livepatch does not take the patch.
func (b *builder) unregister(a *asm) {
	if b.probing == nil {
		return
	}
	a.emit(0x89, 0xc3)  // mov %eax,%ebx
	a.emit(0x85, 0xc0)  // test %eax,%eax
	a.jump(0x74, "out") // je out
	b.allProbes(a, "unregister_kprobes")
	a.emit(0x89, 0xd8) // mov %ebx,%eax
}

// leave is what cleanup does: no probe leads to the stubs any more, whoever came
// from one has counted itself, for which tasks have to have switched once, and all
// who did have left.
func (b *builder) leave(a *asm) {
	if b.probing == nil {
		return
	}
	b.allProbes(a, "unregister_kprobes")
	b.call(a, "synchronize_rcu_tasks")
	a.label("wait")
	a.imm(elf.R_X86_64_PC32, b.thisModule().anchor, int64(b.probing.refcnt)-5, 0x83, 0x3d) // cmpl $0,refcnt(%rip)
	a.emit(0)
	a.jump(0x74, "gone")      // je gone
	a.emit(0xbf, 10, 0, 0, 0) // mov $10,%edi
	b.call(a, "msleep")
	a.jump(0xeb, "wait") // jmp wait
	a.label("gone")
	b.call(a, "synchronize_rcu_tasks")
}

// typesOf reads the kernel's types when they are needed.
func (b *builder) typesOf() (*kernel.Types, error) {
	if b.types == nil {
		types, err := b.image.Types()
		if err != nil {
			return nil, err
		}
		b.types = types
	}
	return b.types, nil
}
