/*
 * A server with several threads: one for each descriptor from 3 on. A request
 * is a line "ITEM PIECES", the answer is a line.
 *
 * It has no C library, so that the program which is checked in is small and
 * runs on every x86-64 Linux.
 */
#include "shop.h"

enum {
	SYS_read = 0, SYS_write = 1, SYS_fcntl = 72, SYS_clone = 56, SYS_mmap = 9, SYS_mprotect = 10,
	SYS_exit = 60, SYS_exit_group = 231, SYS_pause = 34,
};

/*
 * What every C library has: system calls, and the return from a signal
 * handler. A tracer that lets the program make system calls needs the latter
 * as well.
 */
long call(long n, long a, long b, long c, long d, long e, long f);
__asm__(
	".text\n"
	".type call, @function\n"
	"call:\n"
	"	.cfi_startproc\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"	mov %r8, %r10\n"
	"	mov %r9, %r8\n"
	"	mov 8(%rsp), %r9\n"
	"	syscall\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size call, .-call\n"
	".type restore, @function\n"
	"restore:\n"
	"	mov $15, %rax\n"
	"	syscall\n"
	".size restore, .-restore\n");

void put_text(struct text *t, const char *s)
{
	while (*s && t->used < t->room)
		t->to[t->used++] = *s++;
}

void put_number(struct text *t, long n)
{
	char digits[24], *p = digits + sizeof digits;
	unsigned long u = n < 0 ? -(unsigned long)n : (unsigned long)n;

	*--p = 0;
	do
		*--p = '0' + u % 10;
	while (u /= 10);
	if (n < 0)
		*--p = '-';
	put_text(t, p);
}

static long number(const char **s)
{
	long n = 0;

	while (**s == ' ')
		++*s;
	while (**s >= '0' && **s <= '9')
		n = n * 10 + *(*s)++ - '0';
	return n;
}

static void request(int fd, const char *line)
{
	char out[128];
	int item = number(&line);

	call(SYS_write, fd, (long)out, answer(out, sizeof out, item, number(&line)), 0, 0, 0);
}

static void serve(long fd)
{
	char in[64];
	int used = 0;

	for (;;) {
		if (call(SYS_read, fd, (long)(in + used), 1, 0, 0, 0) != 1)
			call(SYS_exit_group, 0, 0, 0, 0, 0, 0);
		if (in[used] == '\n') {
			in[used] = 0;
			request(fd, in);
			used = 0;
		} else if (used < (int)sizeof in - 1) {
			used++;
		}
	}
}

/* A new thread starts with its descriptor on top of its stack. */
void begin(long fd);
__asm__(
	".text\n"
	".type begin_thread, @function\n"
	"begin_thread:\n"
	"	.cfi_startproc\n"
	"	.cfi_undefined rip\n"
	"	pop %rdi\n"
	"	xor %ebp, %ebp\n"
	"	and $-16, %rsp\n"
	"	call begin\n"
	"	ud2\n"
	"	.cfi_endproc\n"
	".size begin_thread, .-begin_thread\n");

void begin(long fd)
{
	serve(fd);
}

static void start(long fd)
{
	enum { page = 4096, size = 65536, flags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 };
	char *stack = (char *)call(SYS_mmap, 0, size, 3, 0x20022, -1, 0);
	long *top = (long *)(stack + size) - 2;
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	long n = SYS_clone;

	call(SYS_mprotect, (long)stack, page, 0, 0, 0, 0); /* guard */
	top[0] = fd;
	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jz begin_thread"
			 : "+a"(n) : "D"((long)flags), "S"(top), "d"(0L), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
}

void run(void)
{
	long fd = 3;

	while (call(SYS_fcntl, fd, 1, 0, 0, 0, 0) >= 0)
		start(fd++);
	for (;;)
		call(SYS_pause, 0, 0, 0, 0, 0, 0);
}

__asm__(
	".text\n"
	".globl _start\n"
	".type _start, @function\n"
	"_start:\n"
	"	.cfi_startproc\n"
	"	.cfi_undefined rip\n"
	"	xor %ebp, %ebp\n"
	"	and $-16, %rsp\n"
	"	call run\n"
	"	ud2\n"
	"	.cfi_endproc\n"
	".size _start, .-_start\n");
