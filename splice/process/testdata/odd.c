/* threads that stand where they shouldn't, and processes in odd conditions */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "crowd.h"
#include "victim.h"

#ifdef PATCHED
#define VERSION 2
#else
#define VERSION 1
#endif

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

extern char **environ;
volatile int zero;

__attribute__((noinline)) static void middle(void)
{
	park();
	zero = 0;
}

/* slow is what is patched. */
__attribute__((noinline)) static int slow(int n)
{
	int r = VERSION * 100 + n;

	if (n == 1)
		park();
	if (n == 2)
		middle();
	if (n == 3 || n == 4) {
		kill(getpid(), SIGUSR1 + (n == 4) * (SIGUSR2 - SIGUSR1));
		r += zero;
	}
	if (__builtin_expect(n == 5, 0)) {
		put((char[64]){ 0 }, "this is the cold part, which is long enough");
		park();
		r += zero + 1000 * VERSION;
	}
	return r;
}

static void handler(int sig)
{
	(void)sig;
	middle();
}

static void handlers(void)
{
	stack_t st = { .ss_sp = malloc(1 << 16), .ss_size = 1 << 16 };
	struct sigaction sa = { .sa_handler = handler };

	sigaltstack(&st, 0);
	sigaction(SIGUSR1, &sa, 0);
	sa.sa_flags = SA_ONSTACK;
	sigaction(SIGUSR2, &sa, 0);
}

static int filter(void)
{
	struct sock_filter f[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
	struct sock_fprog p = { 1, f };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p, 0, 0);
}

/* forge maps what is in the file named by FORGED as an update's memory would
 * be: a page to read, one to execute, one to write. */
static long forge(void)
{
	char *at = (char *)0x200000000000, *name = getenv("FORGED");
	int fd = open(name, O_RDONLY);
	char *p = mmap(at, 3 << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	long n = read(fd, p, 1 << 12);

	close(fd);
	mprotect(p, 1 << 12, PROT_READ);
	mprotect(p + (1 << 12), 1 << 12, PROT_READ | PROT_EXEC);
	return n > 0;
}

/* neighbour is what a process runs that shares the memory, and nothing else, with this one. */
static int neighbour(void *arg)
{
	(void)arg;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static int share(void)
{
	static char stack[1 << 14];

	return clone(neighbour, stack + sizeof stack, CLONE_VM, 0);
}

/* polled has the kernel add a thread of its own to the process. */
static int polled(void)
{
	static struct io_uring_params p = { .flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 1000000 };

	return syscall(SYS_io_uring_setup, 4, &p) > 0;
}

/* full maps as much as one may. */
static int full(void)
{
	int i = 0;

	while (mmap(0, 4096, i++ & 1 ? PROT_READ : PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		;
	return i > 0;
}

/* locked keeps all memory in RAM, and may not have more of it. */
static int locked(void)
{
	struct rlimit lim = { 1 << 12, 1 << 12 };

	return mlockall(MCL_CURRENT | MCL_FUTURE) | setrlimit(RLIMIT_MEMLOCK, &lim) | setuid(65534);
}

char *answer(int n, char *out)
{
	struct rlimit lim = { 1 << 20, 1 << 20 };
	int r = -1;

	switch (n) {
	case 100: execve("/proc/self/exe", (char *[]){ "again", 0 }, environ); break;
	case 101: _exit(0);
	case 102: r = crowd(); break;
	case 103: r = prctl(PR_SET_MDWE, 1, 0, 0, 0); break;
	case 104: r = setrlimit(RLIMIT_AS, &lim); break;
	case 105: r = filter(); break;
	case 106: r = forge(); break;
	case 107: handlers(); r = 0; break;
	case 109: r = share(); break;
	case 110: r = polled(); break;
	case 111: r = full(); break;
	case 112: r = locked(); break;
	case 113: lim.rlim_cur = 1 << 12; r = setrlimit(RLIMIT_DATA, &lim); break;
	case 108: munmap((void *)0x200000000000, 3 << 12); r = 0; break;
	default: r = slow(n);
	}
	return num(out, r);
}
