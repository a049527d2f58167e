package module

import (
	"debug/elf"

	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/internal/kerneltab"
)

// An asm collects machine code in .text. Labels are offsets in the section.
type asm struct {
	*section
	start  uint64
	orc    []orcRow
	scope  string // of labels: the function
	labels map[string]uint64
	jumps  map[uint64]string             // one-byte displacements, by the place of their field
	calls  map[string]elfobj.SymbolIndex // the functions, by name
}

// orcRow says how far the stack pointer is from the caller's frame, from an
// offset on.
type orcRow struct {
	off   uint64
	depth uint16 // bytes; 0 ends the code
}

func (a *asm) emit(b ...byte)    { a.data = append(a.data, b...) }
func (a *asm) label(name string) { a.labels[a.scope+name] = a.len() }
func (a *asm) depth(n uint16)    { a.orc = append(a.orc, orcRow{a.len(), n}) }

// jump emits a short jump: the opcode, and a distance that link fills in.
func (a *asm) jump(opcode byte, to string) {
	a.emit(opcode, 0)
	a.jumps[a.len()-1] = a.scope + to
}

// imm emits an instruction whose last four bytes are a reference.
func (a *asm) imm(typ elf.R_X86_64, sym elfobj.SymbolIndex, addend int64, opcode ...byte) {
	a.emit(opcode...)
	a.rela(a.len(), typ, sym, addend)
	a.emit(0, 0, 0, 0)
}

// link fills the jumps in, and reports whether all are short enough.
func (a *asm) link() bool {
	ok := true
	for at, to := range a.jumps {
		d := int64(a.labels[to]) - int64(at) - 1
		a.data[at] = byte(int8(d))
		ok = ok && d == int64(int8(d))
	}
	return ok
}

// What the log is told; KERN_ERR is SOH and 3.
const (
	refusedFormat   = "\x013%s: %s+0x%lx is not what this update was made for; nothing was patched\n"
	refusedInModule = "\x013%s: %s+0x%lx in %s is not what this update was made for; it is not patched\n"
)

// asm begins the module's own code, with what all of it calls.
func (b *builder) asm() *asm {
	a := &asm{section: b.text(), labels: map[string]uint64{}, jumps: map[uint64]string{}}
	a.calls = map[string]elfobj.SymbolIndex{}
	b.function(a, "compare", elf.STB_LOCAL, compare)
	return a
}

// function writes a function and gives it a symbol, in the module's own name.
func (b *builder) function(a *asm, name string, bind elf.SymBind, body func(b *builder, a *asm)) elfobj.SymbolIndex {
	a.pad(16)
	a.scope, a.start = name+".", a.len()
	a.depth(8)
	body(b, a)
	a.depth(0)
	full := name
	if bind == elf.STB_LOCAL {
		full = b.opt.Name + "_" + name
	}
	sym := b.out.AddSymbol(elfobj.Symbol{
		Name: full, Value: a.start, Size: a.len() - a.start, Info: elf.ST_INFO(bind, elf.STT_FUNC), Section: a.index,
	})
	a.calls[name] = sym
	return sym
}

// call emits a call of a function of the module's own, or of an export.
func (b *builder) call(a *asm, name string) {
	sym, ok := a.calls[name]
	if !ok {
		var err error
		if sym, err = b.export(name); err != nil {
			b.refused.add(err)
		}
	}
	a.imm(elf.R_X86_64_PLT32, sym, -4, 0xe8)
}

// compare goes over a table of checks in %rdi, and returns the row that does not
// hold, or 0, and the offset of the first byte in %rdx.
func compare(b *builder, a *asm) {
	a.label("row")
	a.emit(0x4c, 0x8b, 0x0f)       // mov (%rdi),%r9         what runs
	a.emit(0x4d, 0x85, 0xc9)       // test %r9,%r9
	a.jump(0x74, "good")           // je good
	a.emit(0x48, 0x8b, 0x77, 0x08) // mov 0x8(%rdi),%rsi     what is expected
	a.emit(0x4c, 0x8b, 0x47, 0x10) // mov 0x10(%rdi),%r8     mask
	a.emit(0x31, 0xd2)             // xor %edx,%edx
	a.label("byte")
	a.emit(0x41, 0x8a, 0x0c, 0x11) // mov (%r9,%rdx,1),%cl
	a.emit(0x32, 0x0c, 0x16)       // xor (%rsi,%rdx,1),%cl
	a.emit(0x41, 0x22, 0x0c, 0x10) // and (%r8,%rdx,1),%cl
	a.jump(0x75, "bad")            // jne bad
	a.emit(0x48, 0xff, 0xc2)       // inc %rdx
	a.emit(0x48, 0x3b, 0x57, 0x18) // cmp 0x18(%rdi),%rdx    size
	a.jump(0x72, "byte")           // jb byte
	a.emit(0x48, 0x83, 0xc7, 0x28) // add $0x28,%rdi
	a.jump(0xeb, "row")            // jmp row
	a.label("good")
	a.emit(0x31, 0xff) // xor %edi,%edi
	a.label("bad")
	a.emit(0x48, 0x89, 0xf8) // mov %rdi,%rax
	b.ret(a)
}

// complain tells the log about the row in %rax, and returns -EINVAL. extra is
// the name of the module, when it is about one.
func (b *builder) complain(a *asm, format, extra string) {
	r := b.rodata()
	_, f := b.string(format)
	_, name := b.string(b.opt.Name)
	a.emit(0x48, 0x89, 0xd1)                                         // mov %rdx,%rcx          offset
	a.emit(0x48, 0x8b, 0x50, 0x20)                                   // mov 0x20(%rax),%rdx    name of the function
	a.imm(elf.R_X86_64_32S, r.anchor, int64(f), 0x48, 0xc7, 0xc7)    // mov $format,%rdi
	a.imm(elf.R_X86_64_32S, r.anchor, int64(name), 0x48, 0xc7, 0xc6) // mov $name,%rsi
	if extra != "" {
		_, module := b.string(extra)
		a.imm(elf.R_X86_64_32S, r.anchor, int64(module), 0x49, 0xc7, 0xc0) // mov $module,%r8
	}
	a.emit(0x31, 0xc0)                   // xor %eax,%eax          no vector arguments
	b.call(a, anchor)                    // call _printk
	a.emit(0xb8, 0xea, 0xff, 0xff, 0xff) // mov $-22,%eax          -EINVAL
}

// code writes init_module and cleanup_module. Both are called through pointers,
// so that they begin with ENDBR.
func (b *builder) code(a *asm, patch uint64) {
	mod := b.layout["module"]
	if len(b.copies) > 0 {
		b.pokes(a, "copy", b.copier)
	}
	sym := b.function(a, "init_module", elf.STB_GLOBAL, func(b *builder, a *asm) { b.init(a, patch) })
	b.thisModule().rela(mod.Offsets["init"], elf.R_X86_64_64, sym, 0)
	if !b.isPinned() {
		b.cleanup(a)
	}
	if !a.link() {
		b.refused.add(refuse(CodeTooLarge, "", "struct module", 0, "its own code has jumps that are too long"))
	}
	b.unwinding(a)
}

// cleanup writes cleanup_module. The kernel removes no module that has an init function
// and none for the end (delete_module of kernel/module/main.c).
func (b *builder) cleanup(a *asm) {
	sym := b.function(a, "cleanup_module", elf.STB_GLOBAL, func(b *builder, a *asm) {
		a.emit(endbr...)
		if b.jumper != nil {
			a.emit(0x50) // push %rax              aligns the stack
			a.depth(16)
			b.call(a, "leave")
			a.emit(0x58) // pop %rax
			a.depth(8)
		}
		b.leave(a)
		b.ret(a)
	})
	b.thisModule().rela(b.layout["module"].Offsets["exit"], elf.R_X86_64_64, sym, 0)
}

// endbr is endbr64, where indirect calls have to land.
var endbr = []byte{0xf3, 0x0f, 0x1e, 0xfa}

// init compares, and enables the patch.
func (b *builder) init(a *asm, patch uint64) {
	a.emit(endbr...)
	a.emit(0x53) // push %rbx              aligns the stack
	a.depth(16)
	a.imm(elf.R_X86_64_32S, b.rodata().anchor, int64(b.table), 0x48, 0xc7, 0xc7) // mov $checks,%rdi
	b.call(a, "compare")
	a.emit(0x48, 0x85, 0xc0) // test %rax,%rax
	a.jump(0x75, "bad")      // jne bad
	if len(b.copies) > 0 {
		b.overwrite(a, b.copyTable("copies", b.copies))
	}
	b.register(a)
	a.imm(elf.R_X86_64_32S, b.data().anchor, int64(patch), 0x48, 0xc7, 0xc7) // mov $patch,%rdi
	b.call(a, "klp_enable_patch")
	b.unregister(a)
	if b.jumper != nil {
		b.jumper.settle(a)
	}
	a.label("out")
	a.emit(0x5b) // pop %rbx
	a.depth(8)
	b.ret(a)
	a.depth(16)
	a.label("bad")
	b.complain(a, refusedFormat, "")
	a.jump(0xeb, "out") // jmp out
}

// ret returns as the compiler does for this kernel: through the return thunk,
// listed for the loader to rewrite, where there is one.
func (b *builder) ret(a *asm) {
	const thunk = kerneltab.ReturnThunk
	if _, ok := b.exports[thunk]; !ok {
		a.emit(0xc3, 0xcc) // ret; int3
		return
	}
	sym, err := b.export(thunk)
	if err != nil {
		b.refused.add(err)
	}
	s := b.section(kerneltab.ReturnSites, elf.SHT_PROGBITS, flagsA, 1)
	s.rela(s.append(1, make([]byte, 4)), elf.R_X86_64_PC32, a.anchor, int64(a.len()))
	a.imm(elf.R_X86_64_PLT32, sym, -4, 0xe9) // jmp __x86_return_thunk
	a.emit(0xcc)                             // int3: no speculation behind it
}

// unwinding writes ORC rows for the module's own code: an insmod that sleeps in
// klp_enable_patch must have a reliable stack, or the transition waits for it.
func (b *builder) unwinding(a *asm) {
	orc := b.layout["orc_entry"]
	form, ok := kerneltab.ORCOf(orc.Bits["type"])
	if !ok || orc.Size != 6 || orc.Offsets["sp_offset"] != 0 {
		b.refused.add(refuse(CodeKernel, "", kerneltab.ORCRows, 0, "struct orc_entry is of an unknown version: %d bits of type", orc.Bits["type"]))
		return
	}
	ip := b.section(kerneltab.ORCAddresses, elf.SHT_PROGBITS, flagsA, 4)
	rows := b.section(kerneltab.ORCRows, elf.SHT_PROGBITS, flagsA, 2)
	for _, r := range a.orc {
		ip.rela(ip.append(1, make([]byte, 4)), elf.R_X86_64_PC32, a.anchor, int64(r.off))
		row := make([]byte, 6)
		if r.depth > 0 {
			row[0], row[1] = byte(r.depth), byte(r.depth>>8)
			bits := form.SP | form.Call<<8
			row[4], row[5] = byte(bits), byte(bits>>8)
		}
		rows.append(1, row)
	}
}
