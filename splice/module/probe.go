package module

import (
	"debug/elf"
	"errors"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/kerneltab"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/ko"
)

// Functions that are not traced (declared inline or notrace, or in a folder that is
// built so, as lib and kernel/trace are) can't be taken over by livepatch. A kprobe
// can take them over: its handler sets the place where execution goes on
// (Documentation/trace/kprobes.rst, "Changing Execution Path").
//
// It goes to a stub that counts the calls in the module's reference count, so that
// the module stays while one runs, and calls the new function.
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
	to     ko.Dest
	stack  int   // eightbytes of arguments on the stack
	noJump error // why it is not a jump
}

// maxStack bounds the arguments on the stack, in eightbytes.
const maxStack = 15

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
	types, err := b.types.read()
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

// probeDisabled is KPROBE_FLAG_DISABLED (include/linux/kprobes.h).
const probeDisabled = 2

// probeCode links the handlers, and for each function a stub and a struct kprobe, with
// the address of its stub behind it.
func (b *builder) probeCode() {
	if len(b.probes) == 0 {
		return
	}
	kprobe, ok := b.layout["kprobe"]
	if !ok {
		b.refused.add(refuse(CodeKernel, "kprobe", kerneltab.BTF, 0, "the image has no such structure"))
		return
	}
	d, n := b.Data(), uint64(len(b.probes))
	each := kprobe.Size + 8
	at := d.Append(8, make([]byte, each*n))
	b.code.Define("probes", elf.STT_OBJECT, d, at, each*n)
	list := d.Append(8, make([]byte, 8*(n+1)))
	b.code.Define("probe_list", elf.STT_OBJECT, d, list, 8*(n+1))
	b.code.Number("probe_count", n)
	b.code.Add("probe", "", nil)
	for i := range b.probes {
		p, this := &b.probes[i], at+each*uint64(i)
		d.AddRela(list+uint64(8*i), elf.R_X86_64_64, d.Anchor, int64(this))
		where, err := b.at(p.Name, p.Addr)
		if err != nil {
			b.refused.add(err)
		}
		put32(d.Data[this+kprobe.Offsets["flags"]:], probeDisabled)
		refer := func(off uint64, to ko.Dest) { d.AddRela(this+off, elf.R_X86_64_64, to.Symbol, to.Addend) }
		refer(kprobe.Offsets["addr"], where)
		refer(kprobe.Offsets["pre_handler"], b.code.Symbols["probe_handler"])
		refer(kprobe.Offsets["post_handler"], b.code.Symbols["probe_after"])
		refer(kprobe.Size, b.stub(p))
	}
}

// stub links the stub of a probe.
func (b *builder) stub(p *probed) ko.Dest {
	own := map[string]ko.Dest{"replacement": p.to, "probe_stack_words": b.code.Number("probe_stack_words", uint64(p.stack))}
	return b.code.Add("probe_stub", p.Name, own).Symbol("probe_stub")
}

// kernelTypes are the kernel's types, which are read when they are needed.
type kernelTypes struct {
	image *kernel.Image
	types *kernel.Types
}

func (k *kernelTypes) read() (*kernel.Types, error) {
	if k.types == nil {
		types, err := k.image.Types()
		if err != nil {
			return nil, err
		}
		k.types = types
	}
	return k.types, nil
}
