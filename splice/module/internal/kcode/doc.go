// Package kcode holds the code of a module that runs in the kernel, beside the patch
// itself: what proves that the kernel is the right one, enables the update, and takes
// over what livepatch can't.
//
// # Where it is
//
// src has the source, C as a kernel engineer writes it, and a stub in assembly:
//
//	kernel.h           what it uses of the kernel
//	update.h           the tables that the linker writes for each update
//	init.c, exit.c     the start and the end of the module
//	livepatch.c        has livepatch take the functions over
//	plain.c, stack.c   what takes its place where the kernel has none
//	callbacks.c        what follows the transition, and goes in front of its end
//	copy.c             memory that can't be written to
//	constants.c        constants that are overwritten
//	initials.c         members of variables that are set
//	target.c           a module that is patched; target_callback.c once for each
//	imports.c          what a module that is patched has of others
//	module_exit.c      the exit function of a module that is patched
//	jump.c, stacks.c   jumps, and who is in the way of them
//	parts.c            looks at all tasks in parts, so that nothing stands still for long
//	replace.c          the jumps of earlier updates, and replace_exits.c the exit functions
//	states.c           how updates find what others have done
//	probe.c            kprobes; probe_stub.S once for each
//	return.S           the return thunk where the kernel has none
//	layout.c           where members of the tables are, for the linker
//
// obj has what gcc 12.2 of Debian 12 makes of it, which is what a program of this module
// carries: nobody needs a compiler to make an update. After a change of src, go generate
// builds obj anew, and a test compares the two byte for byte. testdata has a kernel in a
// program, in which another test has the objects work; the tests of package module boot
// real ones.
//
// # How it gets into a module
//
// Package klink links the objects that an update needs as the patch is linked: sections
// go where those of the patch go, and relocations stay for the kernel's loader. Nothing
// is encoded at run time, and nothing is known of a version at compile time. What a
// symbol that is undefined means is decided by its name, in this order:
//
//	name                what the linker defines for this update: a table, a number
//	name                a function of another object
//	struct.member       an absolute symbol: the offset, from the kernel's BTF
//	sizeof.struct       likewise the size
//	name                a symbol of the kernel, as the patch's own code would reach it
//
// What only some updates have is called through a weak function that does nothing,
// beside its caller; the object with the real one is linked when the update has it.
//
// Stacks are unwound over this code too, since the kernel waits for tasks in it: the
// rows of ORC are computed from .eh_frame, which the compiler writes, and the stub by
// its .cfi. Returns are jumps to __x86_return_thunk, and listed in .return_sites as
// objtool would.
//
// # Rules for the source
//
//   - No indirect call or jump: retpolines and their tables stay out of it.
//   - No offset, size or address of the kernel's: KERNEL_MEMBER and symbols.
//   - The rows of struct jump and struct exit_function are shared by updates of different versions.
//   - What the kernel calls through a pointer begins with ENDBR64: it is not static, or
//     its address is taken.
package kcode
