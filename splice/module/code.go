package module

import (
	"debug/elf"

	"github.com/gosplice/gosplice/internal/elfobj"
)

// An asm collects machine code in .text. Labels are offsets in the section.
type asm struct {
	*section
	start  uint64
	orc    []orcRow
	labels map[string]uint64
	jumps  map[uint64]string // one-byte displacements, by the place of their field
}

// orcRow says how far the stack pointer is from the caller's frame, from an
// offset on.
type orcRow struct {
	off   uint64
	depth uint16 // bytes; 0 ends the code
}

func (a *asm) emit(b ...byte)    { a.data = append(a.data, b...) }
func (a *asm) label(name string) { a.labels[name] = a.len() }
func (a *asm) depth(n uint16)    { a.orc = append(a.orc, orcRow{a.len(), n}) }

// jump emits a short jump: the opcode, and a distance that link fills in.
func (a *asm) jump(opcode byte, to string) {
	a.emit(opcode, 0)
	a.jumps[a.len()-1] = to
}

// imm emits an instruction whose last four bytes are a reference.
func (a *asm) imm(typ elf.R_X86_64, sym elfobj.SymbolIndex, addend int64, opcode ...byte) {
	a.emit(opcode...)
	a.rela(a.len(), typ, sym, addend)
	a.emit(0, 0, 0, 0)
}

func (a *asm) link() {
	for at, to := range a.jumps {
		a.data[at] = byte(int8(int64(a.labels[to]) - int64(at) - 1))
	}
}

// refused is what init tells the log; KERN_ERR is SOH and 3.
const refusedFormat = "\x013%s: %s+0x%lx is not what this update was made for; nothing was patched\n"

// code writes init_module and cleanup_module. Both are called through pointers,
// so that they begin with ENDBR.
func (b *builder) code(patch uint64) {
	syms := map[string]elfobj.SymbolIndex{}
	for _, name := range []string{anchor, "klp_enable_patch"} {
		sym, err := b.export(name)
		if err != nil {
			b.refused.add(err)
		}
		syms[name] = sym
	}
	a := &asm{section: b.text(), labels: map[string]uint64{}, jumps: map[uint64]string{}}
	a.pad(16)
	a.start = a.len()
	b.init(a, syms, patch)
	end := a.len()
	b.global("init_module", a, a.start, end, "init")
	a.pad(16)
	exit := a.len()
	a.depth(8)
	a.emit(0xf3, 0x0f, 0x1e, 0xfa) // endbr64
	b.ret(a)
	a.depth(0)
	b.global("cleanup_module", a, exit, a.len(), "exit")
	a.link()
	b.unwinding(a)
}

// init compares, and enables the patch.
func (b *builder) init(a *asm, syms map[string]elfobj.SymbolIndex, patch uint64) {
	r := b.rodata()
	_, format := b.string(refusedFormat)
	_, name := b.string(b.opt.Name)
	table := int64(b.table)
	a.depth(8)
	a.emit(0xf3, 0x0f, 0x1e, 0xfa) // endbr64
	a.emit(0x53)                   // push %rbx
	a.depth(16)
	a.imm(elf.R_X86_64_32S, r.anchor, table, 0x48, 0xc7, 0xc3) // mov $checks,%rbx
	a.label("row")
	a.emit(0x48, 0x8b, 0x3b)       // mov (%rbx),%rdi        what runs
	a.emit(0x48, 0x85, 0xff)       // test %rdi,%rdi
	a.jump(0x74, "good")           // je good
	a.emit(0x48, 0x8b, 0x73, 0x08) // mov 0x8(%rbx),%rsi     what is expected
	a.emit(0x48, 0x8b, 0x53, 0x10) // mov 0x10(%rbx),%rdx    mask
	a.emit(0x31, 0xc0)             // xor %eax,%eax
	a.label("byte")
	a.emit(0x8a, 0x0c, 0x07)       // mov (%rdi,%rax,1),%cl
	a.emit(0x32, 0x0c, 0x06)       // xor (%rsi,%rax,1),%cl
	a.emit(0x22, 0x0c, 0x02)       // and (%rdx,%rax,1),%cl
	a.jump(0x75, "bad")            // jne bad
	a.emit(0x48, 0xff, 0xc0)       // inc %rax
	a.emit(0x48, 0x3b, 0x43, 0x18) // cmp 0x18(%rbx),%rax    size
	a.jump(0x72, "byte")           // jb byte
	a.emit(0x48, 0x83, 0xc3, 0x28) // add $0x28,%rbx
	a.jump(0xeb, "row")            // jmp row
	a.label("good")
	a.imm(elf.R_X86_64_32S, b.data().anchor, int64(patch), 0x48, 0xc7, 0xc7) // mov $patch,%rdi
	a.imm(elf.R_X86_64_PLT32, syms["klp_enable_patch"], -4, 0xe8)            // call klp_enable_patch
	a.emit(0x5b)                                                             // pop %rbx
	a.depth(8)
	b.ret(a)
	a.depth(16)
	a.label("bad")
	a.imm(elf.R_X86_64_32S, r.anchor, int64(format), 0x48, 0xc7, 0xc7) // mov $format,%rdi
	a.imm(elf.R_X86_64_32S, r.anchor, int64(name), 0x48, 0xc7, 0xc6)   // mov $name,%rsi
	a.emit(0x48, 0x8b, 0x53, 0x20)                                     // mov 0x20(%rbx),%rdx    name of the function
	a.emit(0x48, 0x89, 0xc1)                                           // mov %rax,%rcx          offset
	a.emit(0x31, 0xc0)                                                 // xor %eax,%eax          no vector arguments
	a.imm(elf.R_X86_64_PLT32, syms[anchor], -4, 0xe8)                  // call _printk
	a.emit(0xb8, 0xea, 0xff, 0xff, 0xff)                               // mov $-22,%eax          -EINVAL
	a.emit(0x5b)                                                       // pop %rbx
	a.depth(8)
	b.ret(a)
	a.depth(0)
}

// ret returns as the compiler does for this kernel: through the return thunk,
// listed for the loader to rewrite, where there is one.
func (b *builder) ret(a *asm) {
	const thunk = "__x86_return_thunk"
	if _, ok := b.exports[thunk]; !ok {
		a.emit(0xc3, 0xcc) // ret; int3
		return
	}
	sym, err := b.export(thunk)
	if err != nil {
		b.refused.add(err)
	}
	s := b.section(".return_sites", elf.SHT_PROGBITS, flagsA, 1)
	s.rela(s.append(1, make([]byte, 4)), elf.R_X86_64_PC32, a.anchor, int64(a.len()))
	a.imm(elf.R_X86_64_PLT32, sym, -4, 0xe9) // jmp __x86_return_thunk
	a.emit(0xcc)                             // int3: no speculation behind it
}

// global defines a function by the name that kallsyms shows, and has struct
// module point to it.
func (b *builder) global(name string, a *asm, lo, hi uint64, member string) {
	sym := b.out.AddSymbol(elfobj.Symbol{Name: name, Value: lo, Size: hi - lo, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Section: a.index})
	b.thisModule().rela(b.layout["module"].Offsets[member], elf.R_X86_64_64, sym, 0)
}

// The ORC format (arch/x86/include/asm/orc_types.h): registers, and the type of
// an ordinary frame by the width of the field, which says the version.
const orcSP = 5

var orcCall = map[uint64]uint16{2: 0, 3: 2}

// unwinding writes ORC rows for the module's own code: an insmod that sleeps in
// klp_enable_patch must have a reliable stack, or the transition waits for it.
func (b *builder) unwinding(a *asm) {
	orc := b.layout["orc_entry"]
	call, ok := orcCall[orc.Bits["type"]]
	if !ok || orc.Size != 6 || orc.Offsets["sp_offset"] != 0 {
		b.refused.add(refuse(CodeKernel, "", ".orc_unwind", 0, "struct orc_entry is of an unknown version: %d bits of type", orc.Bits["type"]))
		return
	}
	ip := b.section(".orc_unwind_ip", elf.SHT_PROGBITS, flagsA, 4)
	rows := b.section(".orc_unwind", elf.SHT_PROGBITS, flagsA, 2)
	for _, r := range a.orc {
		ip.rela(ip.append(1, make([]byte, 4)), elf.R_X86_64_PC32, a.anchor, int64(r.off))
		row := make([]byte, 6)
		if r.depth > 0 {
			row[0], row[1] = byte(r.depth), byte(r.depth>>8)
			bits := orcSP | call<<8
			row[4], row[5] = byte(bits), byte(bits>>8)
		}
		rows.append(1, row)
	}
}
