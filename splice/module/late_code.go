package module

import "debug/elf"

// fill goes over a table of fixups in %rdi with the bases in %rsi.
func (b *builder) fill(a *asm) {
	a.emit(0x53) // push %rbx
	a.depth(16)
	a.emit(0x41, 0x54) // push %r12
	a.depth(24)
	a.emit(0x48, 0x83, 0xec, 0x08) // sub $0x8,%rsp           room for a value
	a.depth(32)
	a.emit(0x48, 0x89, 0xfb) // mov %rdi,%rbx
	a.emit(0x49, 0x89, 0xf4) // mov %rsi,%r12
	a.label("row")
	a.emit(0x0f, 0xb6, 0x53, 0x12)       // movzbl 0x12(%rbx),%edx   size
	a.emit(0x85, 0xd2)                   // test %edx,%edx
	a.jump(0x74, "done")                 // je done
	a.emit(0x48, 0x8b, 0x3b)             // mov (%rbx),%rdi          where
	a.emit(0x49, 0x89, 0x7c, 0x24, 0x08) // mov %rdi,0x8(%r12)       basePlace
	a.emit(0x48, 0x8b, 0x43, 0x08)       // mov 0x8(%rbx),%rax       what to add
	a.emit(0x0f, 0xb6, 0x4b, 0x10)       // movzbl 0x10(%rbx),%ecx   base to add
	a.emit(0x49, 0x03, 0x04, 0xcc)       // add (%r12,%rcx,8),%rax
	a.emit(0x0f, 0xb6, 0x4b, 0x11)       // movzbl 0x11(%rbx),%ecx   base to subtract
	a.emit(0x49, 0x2b, 0x04, 0xcc)       // sub (%r12,%rcx,8),%rax
	a.emit(0x80, 0x7b, 0x13, 0x00)       // cmpb $0x0,0x13(%rbx)     in text?
	a.jump(0x75, "poke")                 // jne poke
	a.emit(0x83, 0xfa, 0x08)             // cmp $0x8,%edx
	a.jump(0x74, "eight")                // je eight
	a.emit(0x89, 0x07)                   // mov %eax,(%rdi)
	a.jump(0xeb, "next")                 // jmp next
	a.label("eight")
	a.emit(0x48, 0x89, 0x07) // mov %rax,(%rdi)
	a.jump(0xeb, "next")     // jmp next
	a.label("poke")
	a.emit(0x48, 0x89, 0x04, 0x24) // mov %rax,(%rsp)
	a.emit(0x48, 0x89, 0xe6)       // mov %rsp,%rsi
	a.imm(elf.R_X86_64_PLT32, b.poke.symbol, b.poke.addend-4, 0xe8)
	a.label("next")
	a.emit(0x48, 0x83, 0xc3, 0x18) // add $0x18,%rbx
	a.jump(0xeb, "row")            // jmp row
	a.label("done")
	a.emit(0x48, 0x83, 0xc4, 0x08) // add $0x8,%rsp
	a.depth(24)
	a.emit(0x41, 0x5c) // pop %r12
	a.depth(16)
	a.emit(0x5b) // pop %rbx
	a.depth(8)
	b.ret(a)
}

// callback is the pre_patch callback of a module: its tables are in .data.
type callback struct {
	*object
	bases, early, checks uint64
	late                 uint64  // 0 when there is nothing to fill in
	user                 *target // the callback that the patch itself brings
}

// write emits int pre_patch(struct klp_object *).
func (c *callback) write(b *builder, a *asm) {
	d := b.data()
	a.emit(endbr...)
	a.emit(0x53) // push %rbx
	a.depth(16)
	a.emit(0x48, 0x89, 0xfb)                                            // mov %rdi,%rbx
	a.imm(elf.R_X86_64_32S, d.anchor, int64(c.bases), 0x48, 0xc7, 0xc6) // mov $bases,%rsi
	a.number(b.layout["klp_object"].Offsets["mod"], 0x48, 0x8b, 0x87)   // mov mod(%rdi),%rax
	a.number(8*baseMod, 0x48, 0x89, 0x86)                               // mov %rax,N(%rsi)
	for i, p := range c.target.mod.Parts {
		if p.Field >= 0 {
			a.number(uint64(p.Field), 0x48, 0x8b, 0x88)         // mov base(%rax),%rcx
			a.number(uint64(8*(firstPart+i)), 0x48, 0x89, 0x8e) // mov %rcx,N(%rsi)
		}
	}
	a.imm(elf.R_X86_64_32S, d.anchor, int64(c.early), 0x48, 0xc7, 0xc7) // mov $early,%rdi
	b.call(a, "fill")
	a.imm(elf.R_X86_64_32S, d.anchor, int64(c.checks), 0x48, 0xc7, 0xc7) // mov $checks,%rdi
	b.call(a, "compare")
	a.emit(0x48, 0x85, 0xc0) // test %rax,%rax
	a.jump(0x75, "bad")      // jne bad
	if c.late != 0 {
		a.imm(elf.R_X86_64_32S, b.mutex.symbol, b.mutex.addend, 0x48, 0xc7, 0xc7) // mov $text_mutex,%rdi
		b.call(a, "mutex_lock")
		a.imm(elf.R_X86_64_32S, d.anchor, int64(c.late), 0x48, 0xc7, 0xc7)  // mov $late,%rdi
		a.imm(elf.R_X86_64_32S, d.anchor, int64(c.bases), 0x48, 0xc7, 0xc6) // mov $bases,%rsi
		b.call(a, "fill")
		a.imm(elf.R_X86_64_32S, b.mutex.symbol, b.mutex.addend, 0x48, 0xc7, 0xc7) // mov $text_mutex,%rdi
		b.call(a, "mutex_unlock")
	}
	if c.user != nil {
		a.emit(0x48, 0x89, 0xdf) // mov %rbx,%rdi
		a.imm(elf.R_X86_64_PLT32, c.user.symbol, c.user.addend-4, 0xe8)
	} else {
		a.emit(0x31, 0xc0) // xor %eax,%eax
	}
	a.label("out")
	a.emit(0x5b) // pop %rbx
	a.depth(8)
	b.ret(a)
	a.depth(16)
	a.label("bad")
	b.complain(a, refusedInModule, c.target.Name())
	a.jump(0xeb, "out") // jmp out
}

// number emits an instruction whose last four bytes are a number.
func (a *asm) number(n uint64, opcode ...byte) {
	a.emit(opcode...)
	a.emit(byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
}
