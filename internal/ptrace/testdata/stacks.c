/* A program whose threads stand in all kinds of places of libc.
 *
 *	gcc -O2 -pthread -o stacks stacks.c
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noipa))

static int fds[2];
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;

static NOINLINE void forever(void) { for (;;) pause(); }
static NOINLINE void *in_read(void *a) { char c; read(fds[0], &c, 1); return a; }
static NOINLINE void *in_poll(void *a) { poll(0, 0, -1); return a; }
static NOINLINE void *in_select(void *a) { select(0, 0, 0, 0, 0); return a; }
static NOINLINE void *in_epoll(void *a) { struct epoll_event e; int fd = epoll_create1(0); while (epoll_wait(fd, &e, 1, -1) < 0) ; /* gdb interrupts it */ return a; }
static NOINLINE void *in_sleep(void *a) { sleep(100000); return a; }
static NOINLINE void *in_cond(void *a) { pthread_mutex_lock(&mu); pthread_cond_wait(&cond, &mu); return a; }
static NOINLINE void *in_mutex(void *a) { static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; pthread_mutex_lock(&m); pthread_mutex_lock(&m); return a; }
static NOINLINE void *in_sem(void *a) { sem_wait(&sem); return a; }
static NOINLINE void *in_sigwait(void *a) { sigset_t s; int n; sigemptyset(&s); sigaddset(&s, SIGUSR2); sigwait(&s, &n); return a; }

static NOINLINE int compare(const void *a, const void *b) { forever(); return *(int *)a - *(int *)b; }
static NOINLINE void *in_qsort(void *a) { int v[] = {3, 1, 2}; qsort(v, 3, sizeof *v, compare); return a; }

static NOINLINE int deep(int n) { char pad[n % 64 + 1]; memset(pad, n, sizeof pad); if (n == 0) forever(); return deep(n - 1) + pad[n % 7]; }
static NOINLINE void *in_deep(void *a) { return (void *)(long)deep(200); }

static NOINLINE void on_signal(int sig) { (void)sig; forever(); }
static NOINLINE void *in_handler(void *a) { raise(SIGUSR1); return a; }

static NOINLINE void *in_handler_alt(void *a)
{
	stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536};
	sigaltstack(&ss, 0);
	raise(SIGALRM);
	return a;
}

static NOINLINE void *in_fault(void *a)
{
	volatile int *p = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return (void *)(long)*p;
}

static void once(void) { forever(); }
static NOINLINE void *in_once(void *a) { static pthread_once_t o = PTHREAD_ONCE_INIT; pthread_once(&o, once); return a; }

int main(void)
{
	void *(*run[])(void *) = {in_read, in_poll, in_select, in_epoll, in_sleep, in_cond, in_mutex, in_sem,
		in_sigwait, in_qsort, in_deep, in_handler, in_handler_alt, in_fault, in_once};
	int n = sizeof run / sizeof *run;
	pthread_t t;
	struct sigaction sa = {.sa_handler = on_signal};
	if (pipe(fds))
		return 1;
	sem_init(&sem, 0, 0);
	sigaction(SIGUSR1, &sa, 0);
	sigaction(SIGSEGV, &sa, 0);
	sa.sa_flags = SA_ONSTACK;
	sigaction(SIGALRM, &sa, 0);
	for (int i = 0; i < n; i++)
		pthread_create(&t, 0, run[i], 0);
	usleep(100000);
	puts("up");
	fflush(stdout);
	pthread_join(t, 0);
	return 0;
}
