package module

// stop stops all processors for the work in %edi, and returns what that does. The
// order of the locks is that of the kernel (arch_jump_label_transform and
// kernel/kprobes.c).
func (j *jumper) stop(b *builder, a *asm) {
	a.emit(0x53) // push %rbx
	a.depth(16)
	a.emit(0x41, 0x54) // push %r12
	a.depth(24)
	a.abs(j.block, 0x48, 0xc7, 0xc3) // mov $j.block,%rbx
	a.emit(0x41, 0x89, 0xfc)         // mov %edi,%r12d
	b.call(a, "cpus_read_lock")
	a.abs(j.mutex, 0x48, 0xc7, 0xc7) // mov $j.mutex,%rdi
	b.call(a, "mutex_lock")
	a.emit(0x48, 0xc7, 0x03, 0x00, 0x00, 0x00, 0x00) // movq $0x0,(%rbx)  nobody is there, nothing is done
	a.emit(0x44, 0x89, 0x63, 0x08)                   // mov %r12d,0x8(%rbx)
	a.abs(j.gateAt, 0x48, 0xc7, 0xc7)                // mov $j.gateAt,%rdi
	a.emit(0x31, 0xf6)                               // xor %esi,%esi
	a.abs(j.onlineMask, 0x48, 0xc7, 0xc2)            // mov $j.onlineMask,%rdx
	a.far(j.stopMachine)
	a.emit(0x41, 0x89, 0xc4)         // mov %eax,%r12d
	a.abs(j.mutex, 0x48, 0xc7, 0xc7) // mov $j.mutex,%rdi
	b.call(a, "mutex_unlock")
	b.call(a, "cpus_read_unlock")
	a.emit(0x44, 0x89, 0xe0) // mov %r12d,%eax
	a.emit(0x41, 0x5c)       // pop %r12
	a.depth(16)
	a.emit(0x5b) // pop %rbx
	a.depth(8)
	b.ret(a)
}

// retry does the work in %edi until nobody is in the way, for 3 seconds at most: 30
// times, with 100 ms in between, since each stops the machine.
func (j *jumper) retry(b *builder, a *asm) {
	a.emit(0x53) // push %rbx
	a.depth(16)
	a.emit(0x41, 0x54) // push %r12
	a.depth(24)
	a.emit(0x41, 0x89, 0xfc)             // mov %edi,%r12d
	a.emit(0xbb, 0x1e, 0x00, 0x00, 0x00) // mov $0x1e,%ebx
	a.label("again")
	a.emit(0x44, 0x89, 0xe7) // mov %r12d,%edi
	b.call(a, "stop")
	a.emit(0x83, 0xf8, 0xf0)             // cmp $0xfffffff0,%eax  -EBUSY
	a.jump(0x75, "out")                  // jne out
	a.emit(0xff, 0xcb)                   // dec %ebx
	a.jump(0x74, "out")                  // je out
	a.emit(0xbf, 0x64, 0x00, 0x00, 0x00) // mov $0x64,%edi
	b.call(a, "msleep")
	a.jump(0xeb, "again") // jmp again
	a.label("out")
	a.emit(0x41, 0x5c) // pop %r12
	a.depth(16)
	a.emit(0x5b) // pop %rbx
	a.depth(8)
	b.ret(a)
}

// say tells the log about a failure in %eax, which it returns: -EBUSY or another.
func (j *jumper) say(b *builder, a *asm, depth uint16, busy, other string) {
	a.emit(0x83, 0xf8, 0xf0)                 // cmp $0xfffffff0,%eax  -EBUSY
	a.abs(b.text32(busy), 0x48, 0xc7, 0xc7)  // mov $b.text32(busy),%rdi
	a.jump(0x74, "asked")                    // je asked
	a.abs(b.text32(other), 0x48, 0xc7, 0xc7) // mov $b.text32(other),%rdi
	a.label("asked")
	a.emit(0x50) // push %rax
	a.depth(depth + 8)
	a.abs(j.block, 0x48, 0xc7, 0xc0)              // mov $j.block,%rax
	a.abs(b.text32(b.opt.Name), 0x48, 0xc7, 0xc6) // mov $b.text32(b.opt.Name),%rsi
	a.emit(0x48, 0x8b, 0x50, 0x10)                // mov 0x10(%rax),%rdx
	a.emit(0x48, 0x8d, 0x48, 0x18)                // lea 0x18(%rax),%rcx
	a.emit(0x44, 0x8b, 0x40, 0x28)                // mov 0x28(%rax),%r8d
	a.emit(0x31, 0xc0)                            // xor %eax,%eax
	b.call(a, "_printk")
	a.emit(0x58) // pop %rax
	a.depth(depth)
}

// pre is the pre_patch callback of the kernel itself: first that of the patch, so
// that it finds everything as it was, then the jumps.
func (j *jumper) pre(b *builder, a *asm) {
	a.emit(endbr...)
	a.emit(0x53) // push %rbx
	a.depth(16)
	a.emit(0x41, 0x54) // push %r12
	a.depth(24)
	a.emit(0x48, 0x89, 0xfb) // mov %rdi,%rbx
	if user, ok := j.user["pre_patch"]; ok {
		a.far(user)
		a.emit(0x85, 0xc0)  // test %eax,%eax
		a.jump(0x75, "out") // jne out
	}
	if b.opt.Replace {
		a.emit(0x31, 0xff) // xor %edi,%edi
		b.call(a, "others")
	}
	a.emit(0x31, 0xff) // xor %edi,%edi
	b.call(a, "retry")
	a.emit(0x85, 0xc0)  // test %eax,%eax
	a.jump(0x74, "out") // je out
	j.say(b, a, 24, busyFormat, changedFormat)
	if user, ok := j.user["post_unpatch"]; ok {
		a.emit(0x41, 0x89, 0xc4) // mov %eax,%r12d
		a.emit(0x48, 0x89, 0xdf) // mov %rbx,%rdi
		a.far(user)
		a.emit(0x44, 0x89, 0xe0) // mov %r12d,%eax
	}
	a.label("out")
	a.emit(0x41, 0x5c) // pop %r12
	a.depth(16)
	a.emit(0x5b) // pop %rbx
	a.depth(8)
	b.ret(a)
}

// post is the post_unpatch callback of the kernel itself: first the jumps, then
// that of the patch.
func (j *jumper) post(b *builder, a *asm) {
	a.emit(endbr...)
	a.emit(0x53) // push %rbx
	a.depth(16)
	a.emit(0x41, 0x54) // push %r12
	a.depth(24)
	a.emit(0x48, 0x89, 0xfb)                   // mov %rdi,%rbx
	a.abs(j.block, 0x49, 0xc7, 0xc4)           // mov $j.block,%r12
	a.emit(0x41, 0x83, 0x7c, 0x24, 0x0c, 0x00) // cmpl $0x0,0xc(%r12)
	a.jump(0x74, "clean")                      // je clean
	a.abs(j.rows, 0x48, 0xc7, 0xc0)            // mov $j.rows,%rax
	a.emit(0x49, 0x89, 0x44, 0x24, 0x30)       // mov %rax,0x30(%r12)
	a.emit(0xbf, 0x01, 0x00, 0x00, 0x00)       // mov $0x1,%edi
	b.call(a, "retry")
	a.emit(0x85, 0xc0)                   // test %eax,%eax
	a.jump(0x75, "stay")                 // jne stay
	a.emit(0x41, 0x89, 0x44, 0x24, 0x0c) // mov %eax,0xc(%r12)
	a.label("clean")
	if user, ok := j.user["post_unpatch"]; ok {
		a.emit(0x48, 0x89, 0xdf) // mov %rbx,%rdi
		a.far(user)
	}
	a.emit(0x41, 0x5c) // pop %r12
	a.depth(16)
	a.emit(0x5b) // pop %rbx
	a.depth(8)
	b.ret(a)
	a.depth(24)
	a.label("stay")
	a.emit(0x41, 0xc7, 0x44, 0x24, 0x2c, 0x01, 0x00, 0x00, 0x00) // movl $0x1,0x2c(%r12)
	j.say(b, a, 24, inUseFormat, foreignFormat)
	a.abs(j.this, 0x48, 0xc7, 0xc7) // mov $j.this,%rdi
	b.call(a, "__module_get")
	a.jump(0xeb, "clean") // jmp clean
}

// leave is called on the way out: an update that another has replaced may have
// jumps left (livepatch does not call its callbacks), or its code may be in use.
// It can't refuse any more, and waits.
func (j *jumper) leave(b *builder, a *asm) {
	a.emit(0x53) // push %rbx
	a.depth(16)
	a.emit(0x41, 0x54) // push %r12
	a.depth(24)
	a.abs(j.block, 0x49, 0xc7, 0xc4)           // mov $j.block,%r12
	a.emit(0x41, 0x83, 0x7c, 0x24, 0x0c, 0x00) // cmpl $0x0,0xc(%r12)
	a.jump(0x74, "out")                        // je out
	a.emit(0x31, 0xdb)                         // xor %ebx,%ebx
	a.label("again")
	a.abs(j.rows, 0x48, 0xc7, 0xc0)      // mov $j.rows,%rax
	a.emit(0x49, 0x89, 0x44, 0x24, 0x30) // mov %rax,0x30(%r12)
	a.emit(0xbf, 0x01, 0x00, 0x00, 0x00) // mov $0x1,%edi
	b.call(a, "retry")
	a.emit(0x85, 0xc0)   // test %eax,%eax
	a.jump(0x74, "out")  // je out
	a.emit(0x85, 0xdb)   // test %ebx,%ebx
	a.jump(0x75, "told") // jne told
	j.say(b, a, 24, waitFormat, foreignFormat)
	a.emit(0xbb, 0x01, 0x00, 0x00, 0x00) // mov $0x1,%ebx
	a.label("told")
	a.emit(0xbf, 0xe8, 0x03, 0x00, 0x00) // mov $0x3e8,%edi
	b.call(a, "msleep")
	a.jump(0xeb, "again") // jmp again
	a.label("out")
	a.emit(0x41, 0x5c) // pop %r12
	a.depth(16)
	a.emit(0x5b) // pop %rbx
	a.depth(8)
	b.ret(a)
}
