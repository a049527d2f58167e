/* The return thunk for kernels that have none. */

	.text
	.globl	__x86_return_thunk
	.type	__x86_return_thunk, @function
	.p2align 4
__x86_return_thunk:
	.cfi_startproc
	ret
	int3
	.cfi_endproc
	.size	__x86_return_thunk, . - __x86_return_thunk

	.section .note.GNU-stack, "", @progbits
