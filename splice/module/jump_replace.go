package module

import "debug/elf"

// An update that replaces others (Documentation/livepatch/cumulative-patches.rst)
// takes over their jumps too. The kernel does not call the callbacks of updates that
// are replaced, and knows nothing of jumps. So each update with jumps has a state
// (Documentation/livepatch/system-state.rst), which leads others to its rows, and by
// which the kernel refuses cumulative updates that know nothing of it.

// stateID is the number of that state, "gospjump" in memory, and stateVersion that of
// the format of the rows.
const (
	stateID      = 0x706d756a70736f67
	stateVersion = 1
)

// leftFormat is what the log is told when a jump of a replaced update has been changed.
const leftFormat = "\x013%s: somebody else has changed %s, which an earlier update had changed; it stays as it is\n"

// states writes the array of struct klp_state for the update.
func (j *jumper) states(b *builder) uint64 {
	d, s := b.data(), j.state
	at := d.append(8, make([]byte, 2*s.Size)) // zeros end it
	b.define("states", elf.STT_OBJECT, d, at, 2*s.Size)
	put64(d.data[at+s.Offsets["id"]:], stateID)
	put32(d.data[at+s.Offsets["version"]:], stateVersion)
	d.rela(at+s.Offsets["data"], elf.R_X86_64_64, j.rows.symbol, j.rows.addend)
	return at
}

// others goes over the updates that are active besides this one and have jumps:
// those in livepatch's list (klp_patches of kernel/livepatch/core.c, whose lock is
// held in callbacks) with our state. With 0 in %edi this update takes their places
// over; with 1 it puts back what they have left.
func (j *jumper) others(b *builder, a *asm) {
	a.emit(0x53) // push %rbx
	a.depth(16)
	a.emit(0x41, 0x54) // push %r12
	a.depth(24)
	a.emit(0x41, 0x55) // push %r13
	a.depth(32)
	a.emit(0x41, 0x89, 0xfd)                 // mov %edi,%r13d
	a.abs(j.patches, 0x48, 0x8b, 0x1c, 0x25) // mov j.patches,%rbx
	a.label("patch")
	a.abs(j.patches, 0x48, 0x81, 0xfb)                                            // cmp $j.patches,%rbx
	a.jump(0x74, "out")                                                           // je out
	a.number(j.patch.Offsets["states"]-j.patch.Offsets["list"], 0x48, 0x8b, 0x93) // mov j.patch.Offsets["states"] - j.patch.Offsets["list"](%rbx),%rdx
	a.emit(0x48, 0x85, 0xd2)                                                      // test %rdx,%rdx
	a.jump(0x74, "next")                                                          // je next
	a.emit(0x48, 0xb9, 0x67, 0x6f, 0x73, 0x70, 0x6a, 0x75, 0x6d, 0x70)            // movabs $0x706d756a70736f67,%rcx  stateID
	a.label("state")
	a.number(j.state.Offsets["id"], 0x48, 0x8b, 0x82) // mov j.state.Offsets["id"](%rdx),%rax
	a.emit(0x48, 0x85, 0xc0)                          // test %rax,%rax
	a.jump(0x74, "next")                              // je next
	a.emit(0x48, 0x39, 0xc8)                          // cmp %rcx,%rax
	a.jump(0x74, "found")                             // je found
	a.number(j.state.Size, 0x48, 0x81, 0xc2)          // add $j.state.Size,%rdx
	a.jump(0xeb, "state")                             // jmp state
	a.label("found")
	a.number(j.state.Offsets["data"], 0x4c, 0x8b, 0xa2) // mov j.state.Offsets["data"](%rdx),%r12
	a.abs(j.rows, 0x49, 0x81, 0xfc)                     // cmp $j.rows,%r12
	a.jump(0x74, "next")                                // je next
	a.emit(0x4c, 0x89, 0xe7)                            // mov %r12,%rdi
	a.emit(0x45, 0x85, 0xed)                            // test %r13d,%r13d
	a.jump(0x75, "left")                                // jne left
	b.call(a, "adopt")
	a.jump(0xeb, "next") // jmp next
	a.label("left")
	b.call(a, "put_back")
	a.label("next")
	a.emit(0x48, 0x8b, 0x1b) // mov (%rbx),%rbx
	a.jump(0xeb, "patch")    // jmp patch
	a.label("out")
	a.emit(0x41, 0x5d) // pop %r13
	a.depth(24)
	a.emit(0x41, 0x5c) // pop %r12
	a.depth(16)
	a.emit(0x5b) // pop %rbx
	a.depth(8)
	b.ret(a)
}

// putBack puts back what the rows in %rdi have left.
func (j *jumper) putBack(b *builder, a *asm) {
	a.emit(0x53) // push %rbx
	a.depth(16)
	a.abs(j.block, 0x48, 0xc7, 0xc0)     // mov $j.block,%rax
	a.emit(0x48, 0x89, 0x78, 0x30)       // mov %rdi,0x30(%rax)
	a.emit(0xbf, 0x02, 0x00, 0x00, 0x00) // mov $0x2,%edi
	b.call(a, "stop")
	a.emit(0x85, 0xc0)  // test %eax,%eax
	a.jump(0x74, "out") // je out
	j.say(b, a, 16, leftFormat, leftFormat)
	a.label("out")
	a.emit(0x5b) // pop %rbx
	a.depth(8)
	b.ret(a)
}

// adopt notes which of our rows stand where one of those in %rdi does.
func (j *jumper) adopt(b *builder, a *asm) {
	a.label("theirs")
	a.emit(0x48, 0x8b, 0x07)        // mov (%rdi),%rax
	a.emit(0x48, 0x85, 0xc0)        // test %rax,%rax
	a.jump(0x74, "out")             // je out
	a.emit(0x80, 0x7f, 0x38, 0x00)  // cmpb $0x0,0x38(%rdi)
	a.jump(0x74, "next")            // je next
	a.abs(j.rows, 0x48, 0xc7, 0xc6) // mov $j.rows,%rsi
	a.label("ours")
	a.emit(0x48, 0x8b, 0x16)       // mov (%rsi),%rdx
	a.emit(0x48, 0x85, 0xd2)       // test %rdx,%rdx
	a.jump(0x74, "next")           // je next
	a.emit(0x48, 0x39, 0xc2)       // cmp %rax,%rdx
	a.jump(0x75, "other")          // jne other
	a.emit(0x48, 0x89, 0x7e, 0x30) // mov %rdi,0x30(%rsi)
	a.jump(0xeb, "next")           // jmp next
	a.label("other")
	a.emit(0x48, 0x83, 0xc6, 0x40) // add $0x40,%rsi
	a.jump(0xeb, "ours")           // jmp ours
	a.label("next")
	a.emit(0x48, 0x83, 0xc7, 0x40) // add $0x40,%rdi
	a.jump(0xeb, "theirs")         // jmp theirs
	a.label("out")
	b.ret(a)
}

// done is the post_patch callback of an update that replaces others: from now on
// undoing a jump does not lead back to theirs, and what they have left goes.
func (j *jumper) done(b *builder, a *asm) {
	a.emit(endbr...)
	a.emit(0x53) // push %rbx
	a.depth(16)
	a.emit(0x48, 0x89, 0xfb)        // mov %rdi,%rbx
	a.abs(j.rows, 0x48, 0xc7, 0xc6) // mov $j.rows,%rsi
	a.label("row")
	a.emit(0x48, 0x8b, 0x06)                               // mov (%rsi),%rax
	a.emit(0x48, 0x85, 0xc0)                               // test %rax,%rax
	a.jump(0x74, "left")                                   // je left
	a.emit(0x48, 0x8b, 0x56, 0x30)                         // mov 0x30(%rsi),%rdx
	a.emit(0x48, 0x85, 0xd2)                               // test %rdx,%rdx
	a.jump(0x74, "next")                                   // je next
	a.emit(0x8b, 0x42, 0x28)                               // mov 0x28(%rdx),%eax
	a.emit(0x89, 0x46, 0x28)                               // mov %eax,0x28(%rsi)
	a.emit(0x8a, 0x42, 0x2c)                               // mov 0x2c(%rdx),%al
	a.emit(0x88, 0x46, 0x2c)                               // mov %al,0x2c(%rsi)
	a.emit(0x48, 0xc7, 0x46, 0x30, 0x00, 0x00, 0x00, 0x00) // movq $0x0,0x30(%rsi)
	a.label("next")
	a.emit(0x48, 0x83, 0xc6, 0x40) // add $0x40,%rsi
	a.jump(0xeb, "row")            // jmp row
	a.label("left")
	a.emit(0xbf, 0x01, 0x00, 0x00, 0x00) // mov $0x1,%edi
	b.call(a, "others")
	if user, ok := j.user["post_patch"]; ok {
		a.emit(0x48, 0x89, 0xdf) // mov %rbx,%rdi
		a.far(user)
	}
	a.emit(0x5b) // pop %rbx
	a.depth(8)
	b.ret(a)
}
