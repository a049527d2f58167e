/* The stub that a probe leads to: linked once for each function that a probe takes over.
 * It counts the calls in the module's reference count, so that the module stays while
 * one runs, and calls the new function with a copy of the arguments on the stack. */

	.text
	.globl	probe_stub
	.type	probe_stub, @function
	.p2align 4
probe_stub:
	.cfi_startproc
	mov	$module.refcnt, %r11
	lock incl __this_module(%r11)
	push	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	mov	$probe_stack_words, %r11	/* eightbytes of arguments on the stack */
	test	%r11, %r11
	jz	2f
1:	push	8(%rbp,%r11,8)			/* the last one first */
	dec	%r11
	jnz	1b
2:	call	replacement
	leave
	.cfi_def_cfa %rsp, 8
	.cfi_restore %rbp
	mov	$module.refcnt, %r11
	lock decl __this_module(%r11)
	jmp	__x86_return_thunk
	int3
	.cfi_endproc
	.size	probe_stub, . - probe_stub

	.section .note.GNU-stack, "", @progbits
