package module

import "debug/elf"

// What the log is told of a member; KERN_NOTICE is SOH and 5.
const (
	setFormat      = "\x015%s: %s had its old initial value, and has the new one now\n"
	otherFormat    = "\x015%s: %s holds another value than its old initial one, and is left alone\n"
	restoredFormat = "\x015%s: %s has its old initial value again\n"
	keptFormat     = "\x015%s: %s was changed since it was set, and is left alone\n"
)

// setter goes over the table of settings in %rdi: with 0 in %esi it sets what holds
// the old value, with 1 it undoes that where the new value stands. A word is compared
// and written at once, so that a write of somebody else is not lost. What is read-only
// since the start has no other writer, and is written to as text is.
func (b *builder) setter(a *asm) {
	a.emit(0x53) // push %rbx
	a.depth(16)
	a.emit(0x41, 0x54) // push %r12
	a.depth(24)
	a.emit(0x41, 0x55) // push %r13              aligns the stack
	a.depth(32)
	a.emit(0x48, 0x89, 0xfb)                       // mov %rdi,%rbx
	a.emit(0x41, 0x89, 0xf4)                       // mov %esi,%r12d
	a.label("row")                                 //
	a.emit(0x4c, 0x8d, 0x6b, settingOld)           // lea old(%rbx),%r13      what has to stand there
	a.emit(0x48, 0x8b, 0x3b)                       // mov (%rbx),%rdi         where
	a.emit(0x48, 0x85, 0xff)                       // test %rdi,%rdi
	a.jump(0x75, "some")                           // jne some
	a.emit(0x41, 0x5d)                             // pop %r13
	a.depth(24)                                    //
	a.emit(0x41, 0x5c)                             // pop %r12
	a.depth(16)                                    //
	a.emit(0x5b)                                   // pop %rbx
	a.depth(8)                                     //
	b.ret(a)                                       //
	a.depth(32)                                    //
	a.label("next")                                //
	a.emit(0x48, 0x83, 0xc3, settingSize)          // add $size,%rbx
	a.jump(0xeb, "row")                            // jmp row
	a.label("some")                                //
	a.emit(0x48, 0x8d, 0x73, settingNew)           // lea new(%rbx),%rsi      what to write
	a.emit(0x45, 0x85, 0xe4)                       // test %r12d,%r12d
	a.jump(0x74, "swap")                           // je swap
	a.emit(0x80, 0x7b, settingDone, 0)             // cmpb $0,done(%rbx)
	a.jump(0x74, "next")                           // je next
	a.emit(0xc6, 0x43, settingDone, 0)             // movb $0,done(%rbx)
	a.emit(0x4c, 0x87, 0xee)                       // xchg %r13,%rsi
	a.label("swap")                                //
	a.emit(0x0f, 0xb6, 0x4b, settingBytes)         // movzbl bytes(%rbx),%ecx
	a.emit(0xf6, 0x43, settingFlags, flagReadOnly) // testb $read-only,flags(%rbx)
	a.jump(0x75, "poke")                           // jne poke
	a.emit(0x49, 0x8b, 0x45, 0x00)                 // mov (%r13),%rax
	a.emit(0x48, 0x8b, 0x16)                       // mov (%rsi),%rdx
	b.exchange(a)
	a.jump(0xeb, "tell") // jmp tell
	b.pokeWord(a)
	b.logSetting(a)
}

// exchange compares the word at %rdi with %rax and replaces it with %rdx, by its size
// in %ecx. The zero flag says whether it did.
func (b *builder) exchange(a *asm) {
	a.emit(0x83, 0xf9, 0x08)             // cmp $8,%ecx
	a.jump(0x74, "eight")                // je eight
	a.emit(0x83, 0xf9, 0x04)             // cmp $4,%ecx
	a.jump(0x74, "four")                 // je four
	a.emit(0x83, 0xf9, 0x02)             // cmp $2,%ecx
	a.jump(0x74, "two")                  // je two
	a.emit(0xf0, 0x0f, 0xb0, 0x17)       // lock cmpxchg %dl,(%rdi)
	a.jump(0xeb, "tell")                 // jmp tell
	a.label("two")                       //
	a.emit(0x66, 0xf0, 0x0f, 0xb1, 0x17) // lock cmpxchg %dx,(%rdi)
	a.jump(0xeb, "tell")                 // jmp tell
	a.label("four")                      //
	a.emit(0xf0, 0x0f, 0xb1, 0x17)       // lock cmpxchg %edx,(%rdi)
	a.jump(0xeb, "tell")                 // jmp tell
	a.label("eight")                     //
	a.emit(0xf0, 0x48, 0x0f, 0xb1, 0x17) // lock cmpxchg %rdx,(%rdi)
}

// pokeWord is exchange for what is read-only. It compares byte by byte.
func (b *builder) pokeWord(a *asm) {
	a.label("poke")
	a.emit(0x31, 0xc0)                   // xor %eax,%eax
	a.label("byte")                      //
	a.emit(0x41, 0x8a, 0x54, 0x05, 0x00) // mov (%r13,%rax,1),%dl
	a.emit(0x3a, 0x14, 0x07)             // cmp (%rdi,%rax,1),%dl
	a.jump(0x75, "tell")                 // jne tell
	a.emit(0xff, 0xc0)                   // inc %eax
	a.emit(0x39, 0xc8)                   // cmp %ecx,%eax
	a.jump(0x72, "byte")                 // jb byte
	a.emit(0x49, 0x89, 0xf5)             // mov %rsi,%r13           what to write
	a.imm(elf.R_X86_64_32S, b.mutex.symbol, b.mutex.addend, 0x48, 0xc7, 0xc7)
	b.call(a, "mutex_lock")
	a.emit(0x48, 0x8b, 0x3b)               // mov (%rbx),%rdi
	a.emit(0x4c, 0x89, 0xee)               // mov %r13,%rsi
	a.emit(0x0f, 0xb6, 0x53, settingBytes) // movzbl bytes(%rbx),%edx
	a.imm(elf.R_X86_64_PLT32, b.poke.symbol, b.poke.addend-4, 0xe8)
	a.imm(elf.R_X86_64_32S, b.mutex.symbol, b.mutex.addend, 0x48, 0xc7, 0xc7)
	b.call(a, "mutex_unlock")
	a.emit(0x31, 0xc0) // xor %eax,%eax         it was written
}

// logSetting notes what was set, and tells the log what became of the row.
func (b *builder) logSetting(a *asm) {
	r := b.rodata()
	format := func(text string) {
		_, f := b.string(text)
		a.imm(elf.R_X86_64_32S, r.anchor, int64(f), 0x48, 0xc7, 0xc7) // mov $format,%rdi
	}
	_, name := b.string(b.opt.Name)
	a.label("tell")
	a.jump(0x75, "other") // jne other
	format(restoredFormat)
	a.emit(0x45, 0x85, 0xe4)           // test %r12d,%r12d
	a.jump(0x75, "log")                // jne log
	a.emit(0xc6, 0x43, settingDone, 1) // movb $1,done(%rbx)
	format(setFormat)
	a.jump(0xeb, "log") // jmp log
	a.label("other")
	format(otherFormat)
	a.emit(0x45, 0x85, 0xe4) // test %r12d,%r12d
	a.jump(0x74, "log")      // je log
	format(keptFormat)
	a.label("log")
	a.imm(elf.R_X86_64_32S, r.anchor, int64(name), 0x48, 0xc7, 0xc6) // mov $name,%rsi
	a.emit(0x48, 0x8b, 0x53, settingName)                            // mov name(%rbx),%rdx
	a.emit(0x31, 0xc0)                                               // xor %eax,%eax          no vector arguments
	b.call(a, anchor)                                                // call _printk
	a.emit(0x48, 0x83, 0xc3, settingSize)                            // add $size,%rbx
	a.emit(0xe9)                                                     // jmp row
	back := int64(a.labels[a.scope+"row"]) - int64(a.len()) - 4
	a.emit(byte(back), byte(back>>8), byte(back>>16), byte(back>>24))
}
