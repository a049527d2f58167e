package module

// scan looks for the ranges of the table in %rdi on all stacks. It returns 0, or
// -EBUSY with the name and the task in the control block. It runs while all
// processors stand still.
func (j *jumper) scan(b *builder, a *asm) {
	a.emit(0x53) // push %rbx
	a.depth(16)
	a.emit(0x41, 0x54) // push %r12
	a.depth(24)
	a.emit(0x41, 0x55) // push %r13
	a.depth(32)
	a.emit(0x41, 0x56) // push %r14
	a.depth(40)
	a.emit(0x41, 0x57) // push %r15
	a.depth(48)
	a.emit(0x49, 0x89, 0xfc)                     // mov %rdi,%r12
	a.emit(0x31, 0xdb)                           // xor %ebx,%ebx
	a.emit(0x48, 0x89, 0xe6)                     // mov %rsp,%rsi  the stack that this runs on
	a.emit(0x48, 0x89, 0xf2)                     // mov %rsi,%rdx
	a.number(j.stack.size-1, 0x48, 0x81, 0xca)   // or $j.stack.size - 1,%rdx
	a.number(j.stack.unused-1, 0x48, 0x81, 0xea) // sub $j.stack.unused - 1,%rdx
	b.call(a, "words")
	a.emit(0x48, 0x85, 0xc0)            // test %rax,%rax
	a.jump(0x75, "found")               // jne found
	a.abs(j.initTask, 0x49, 0xc7, 0xc5) // mov $j.initTask,%r13
	a.label("leader")
	a.number(j.task.Offsets["signal"], 0x4d, 0x8b, 0xb5)        // mov j.task.Offsets["signal"](%r13),%r14
	a.number(j.signal.Offsets["thread_head"], 0x49, 0x81, 0xc6) // add $j.signal.Offsets["thread_head"],%r14
	a.emit(0x4d, 0x8b, 0x3e)                                    // mov (%r14),%r15
	a.label("thread")
	a.emit(0x4d, 0x39, 0xf7)                                   // cmp %r14,%r15
	a.jump(0x74, "next")                                       // je next
	a.number(-j.task.Offsets["thread_node"], 0x49, 0x8d, 0x9f) // lea -j.task.Offsets["thread_node"](%r15),%rbx
	b.call(a, "walk")
	a.emit(0x48, 0x85, 0xc0) // test %rax,%rax
	a.jump(0x75, "found")    // jne found
	a.emit(0x4d, 0x8b, 0x3f) // mov (%r15),%r15
	a.jump(0xeb, "thread")   // jmp thread
	a.label("next")
	a.number(j.task.Offsets["tasks"], 0x4d, 0x8b, 0xad) // mov j.task.Offsets["tasks"](%r13),%r13
	a.number(j.task.Offsets["tasks"], 0x49, 0x81, 0xed) // sub $j.task.Offsets["tasks"],%r13
	a.abs(j.initTask, 0x49, 0x81, 0xfd)                 // cmp $j.initTask,%r13
	a.jump(0x75, "leader")                              // jne leader
	b.call(a, "idle")
	a.label("found")
	a.emit(0x48, 0x89, 0xc7) // mov %rax,%rdi
	b.call(a, "blame")
	a.emit(0x41, 0x5f) // pop %r15
	a.depth(40)
	a.emit(0x41, 0x5e) // pop %r14
	a.depth(32)
	a.emit(0x41, 0x5d) // pop %r13
	a.depth(24)
	a.emit(0x41, 0x5c) // pop %r12
	a.depth(16)
	a.emit(0x5b) // pop %rbx
	a.depth(8)
	b.ret(a)
}

// idle looks at the idle tasks, which are in no list: one for each processor. It
// leaves in %rbx the task, and returns the row of the table in %r12 or 0.
func (j *jumper) idle(b *builder, a *asm) {
	a.emit(0x41, 0x55) // push %r13
	a.depth(16)
	a.emit(0x45, 0x31, 0xed) // xor %r13d,%r13d
	a.label("cpu")
	a.abs(j.cpus, 0x44, 0x3b, 0x2c, 0x25)           // cmp j.cpus,%r13d
	a.jump(0x73, "none")                            // jae none
	a.abs(j.possible, 0x4c, 0x0f, 0xa3, 0x2c, 0x25) // bt %r13,j.possible
	a.jump(0x73, "next")                            // jnc next
	a.abs(j.offsets, 0x4a, 0x8b, 0x04, 0xed)        // mov j.offsets(,%r13,8),%rax
	a.abs(j.idleThreads, 0x48, 0x8b, 0x98)          // mov j.idleThreads(%rax),%rbx
	a.emit(0x48, 0x85, 0xdb)                        // test %rbx,%rbx
	a.jump(0x74, "next")                            // je next
	b.call(a, "walk")
	a.emit(0x48, 0x85, 0xc0) // test %rax,%rax
	a.jump(0x75, "found")    // jne found
	a.label("next")
	a.emit(0x41, 0xff, 0xc5) // inc %r13d
	a.jump(0xeb, "cpu")      // jmp cpu
	a.label("none")
	a.emit(0x31, 0xc0) // xor %eax,%eax
	a.label("found")
	a.emit(0x41, 0x5d) // pop %r13
	a.depth(8)
	b.ret(a)
}

// walk looks at the stack of the task in %rbx, from where it was switched out.
func (j *jumper) walk(b *builder, a *asm) {
	a.number(j.task.Offsets["stack"], 0x48, 0x8b, 0x93)                         // mov j.task.Offsets["stack"](%rbx),%rdx
	a.emit(0x31, 0xc0)                                                          // xor %eax,%eax
	a.emit(0x48, 0x85, 0xd2)                                                    // test %rdx,%rdx
	a.jump(0x74, "done")                                                        // je done  of a task that is no more
	a.number(j.task.Offsets["thread"]+j.thread.Offsets["sp"], 0x48, 0x8b, 0xb3) // mov j.task.Offsets["thread"] + j.thread.Offsets["sp"](%rbx),%rsi
	a.emit(0x48, 0x89, 0xf1)                                                    // mov %rsi,%rcx
	a.emit(0x48, 0x29, 0xd1)                                                    // sub %rdx,%rcx
	a.number(j.stack.size, 0x48, 0x81, 0xf9)                                    // cmp $j.stack.size,%rcx
	a.jump(0x72, "inside")                                                      // jb inside
	a.emit(0x48, 0x89, 0xd6)                                                    // mov %rdx,%rsi  should never be: all of it
	a.label("inside")
	a.number(j.stack.size-j.stack.unused, 0x48, 0x81, 0xc2) // add $j.stack.size - j.stack.unused,%rdx
	b.call(a, "words")
	a.label("done")
	b.ret(a)
}

// words looks at all words from %rsi up to %rdx, and returns the row of the table
// in %r12 that one of them lies in, or 0. The table begins with a range around
// all others.
func words(b *builder, a *asm) {
	a.emit(0x4d, 0x8b, 0x04, 0x24)       // mov (%r12),%r8
	a.emit(0x4d, 0x8b, 0x4c, 0x24, 0x08) // mov 0x8(%r12),%r9
	a.label("word")
	a.emit(0x48, 0x39, 0xd6)       // cmp %rdx,%rsi
	a.jump(0x73, "none")           // jae none
	a.emit(0x48, 0x8b, 0x0e)       // mov (%rsi),%rcx
	a.emit(0x48, 0x83, 0xc6, 0x08) // add $0x8,%rsi
	a.emit(0x4c, 0x39, 0xc1)       // cmp %r8,%rcx
	a.jump(0x72, "word")           // jb word
	a.emit(0x4c, 0x39, 0xc9)       // cmp %r9,%rcx
	a.jump(0x73, "word")           // jae word
	a.emit(0x4c, 0x89, 0xe0)       // mov %r12,%rax
	a.label("row")
	a.emit(0x48, 0x83, 0xc0, 0x18) // add $0x18,%rax
	a.emit(0x48, 0x83, 0x38, 0x00) // cmpq $0x0,(%rax)
	a.jump(0x74, "word")           // je word
	a.emit(0x48, 0x3b, 0x08)       // cmp (%rax),%rcx
	a.jump(0x72, "row")            // jb row
	a.emit(0x48, 0x3b, 0x48, 0x08) // cmp 0x8(%rax),%rcx
	a.jump(0x73, "row")            // jae row
	a.jump(0xeb, "found")          // jmp found
	a.label("none")
	a.emit(0x31, 0xc0) // xor %eax,%eax
	a.label("found")
	b.ret(a)
}

// blame notes the row in %rdi and the task in %rbx, and returns -EBUSY, or 0 when
// there is no row.
func (j *jumper) blame(b *builder, a *asm) {
	a.emit(0x31, 0xc0)                                   // xor %eax,%eax
	a.emit(0x48, 0x85, 0xff)                             // test %rdi,%rdi
	a.jump(0x74, "out")                                  // je out
	a.abs(j.block, 0x48, 0xc7, 0xc1)                     // mov $j.block,%rcx
	a.emit(0x48, 0x8b, 0x57, 0x10)                       // mov 0x10(%rdi),%rdx
	a.emit(0x48, 0x89, 0x51, 0x10)                       // mov %rdx,0x10(%rcx)
	a.emit(0x48, 0x89, 0x41, 0x18)                       // mov %rax,0x18(%rcx)
	a.emit(0x48, 0x89, 0x41, 0x20)                       // mov %rax,0x20(%rcx)
	a.emit(0x89, 0x41, 0x28)                             // mov %eax,0x28(%rcx)
	a.emit(0x48, 0x85, 0xdb)                             // test %rbx,%rbx
	a.jump(0x74, "busy")                                 // je busy
	a.number(j.task.Offsets["comm"], 0x48, 0x8b, 0x93)   // mov j.task.Offsets["comm"](%rbx),%rdx
	a.emit(0x48, 0x89, 0x51, 0x18)                       // mov %rdx,0x18(%rcx)
	a.number(j.task.Offsets["comm"]+8, 0x48, 0x8b, 0x93) // mov j.task.Offsets["comm"] + 8(%rbx),%rdx
	a.emit(0x48, 0x89, 0x51, 0x20)                       // mov %rdx,0x20(%rcx)
	a.number(j.task.Offsets["pid"], 0x8b, 0x93)          // mov j.task.Offsets["pid"](%rbx),%edx
	a.emit(0x89, 0x51, 0x28)                             // mov %edx,0x28(%rcx)
	a.label("busy")
	a.emit(0xb8, 0xf0, 0xff, 0xff, 0xff) // mov $0xfffffff0,%eax  -EBUSY
	a.label("out")
	b.ret(a)
}
