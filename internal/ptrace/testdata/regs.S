# long check_regs(const void *pattern, long spins)
#
# Fills all general registers, the red zone, x87 and ymm0-15 (xmm0-15 without
# AVX) with a pattern, spins, and returns 0 when all of it is still there,
# otherwise a number that names what is not. pattern points to 512 bytes.
	.globl	check_regs
	.type	check_regs, @function
	.text
check_regs:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	# the red zone
	movabs	$0x5ca1ab1e0ddba11, %rax
	mov	%rax, -8(%rsp)
	mov	%rax, -64(%rsp)
	mov	%rax, -128(%rsp)
	fldpi
	testb	$1, have_avx(%rip)
	jz	1f
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	vmovdqu	32*\n(%rdi), %ymm\n
	.endr
	jmp	2f
1:	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	movdqu	32*\n(%rdi), %xmm\n
	.endr
2:	mov	$0x101, %ebx
	mov	$0x202, %edx
	mov	$0x303, %ebp
	mov	$0x808, %r8d
	mov	$0x909, %r9d
	mov	$0xa0a, %r10d
	mov	$0xb0b, %r11d
	mov	$0xc0c, %r12d
	mov	$0xd0d, %r13d
	mov	$0xe0e, %r14d
	mov	$0xf0f, %r15d
	mov	$0x404, %ecx
	std				# flags are registers too
3:	dec	%rsi
	jnz	3b
	pushf
	pop	%rax
	cld
	bt	$10, %rax
	mov	$1, %eax
	jnc	9f
	.macro	same reg, val, code
	mov	$\code, %eax
	cmp	$\val, \reg
	jne	9f
	.endm
	same	%rbx, 0x101, 2
	same	%rdx, 0x202, 3
	same	%rbp, 0x303, 4
	same	%r8, 0x808, 5
	same	%r9, 0x909, 6
	same	%r10, 0xa0a, 7
	same	%r11, 0xb0b, 8
	same	%r12, 0xc0c, 9
	same	%r13, 0xd0d, 10
	same	%r14, 0xe0e, 11
	same	%r15, 0xf0f, 12
	same	%rcx, 0x404, 13
	movabs	$0x5ca1ab1e0ddba11, %rdx
	mov	$14, %eax
	cmp	%rdx, -64(%rsp)
	jne	9f
	cmp	%rdx, -128(%rsp)
	jne	9f
	mov	$15, %eax
	fldpi
	fcomip	%st(1), %st
	jne	9f
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	mov	$(32+\n), %eax
	testb	$1, have_avx(%rip)
	jz	4f
	vpcmpeqb 32*\n(%rdi), %ymm\n, %ymm\n
	vpmovmskb %ymm\n, %edx
	cmp	$-1, %edx
	jne	9f
	jmp	5f
4:	movdqu	32*\n(%rdi), %xmm0
	.if	\n
	pcmpeqb	%xmm0, %xmm\n
	pmovmskb %xmm\n, %edx
	cmp	$0xffff, %edx
	jne	9f
	.endif
5:
	.endr
	xor	%eax, %eax
9:	fstp	%st(0)
	testb	$1, have_avx(%rip)
	jz	6f
	vzeroupper
6:	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size	check_regs, .-check_regs
	.section .note.GNU-stack, "", @progbits
