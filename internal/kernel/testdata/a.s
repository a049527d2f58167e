# as a.s -o a.o; as b.s -o b.o; ld -r a.o b.o -o fuzz.ko; strip -g fuzz.ko
# A module of no kernel, with what its layout and its names depend on.
	.section .note.gnu.build-id,"a",@note
	.long 4, 4, 3
	.asciz "GNU"
	.byte 1, 2, 3, 4
	.section .modinfo,"a"
	.asciz "name=fuzz"
	.asciz "vermagic=6.1 SMP "
	.section __versions,"a"
	.zero 64
	.section .init.text,"ax",@progbits
	.type gone, @function
gone:	ret
	.size gone, .-gone
	.text
	.type one, @function
one:	call first
	.size one, .-one
first:	ret
	.type two, @function
two:	ret
	.size two, .-two
	.section .rodata,"a"
	.quad one
	.section .data..ro_after_init,"aw"
	.quad first
	.section .data..percpu,"aw"
	.quad 7
	.data
	.balign 64
	.quad two
	.bss
	.zero 100
