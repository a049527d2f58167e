/* A program that notices when it is disturbed.
 *
 *	gcc -O2 -pthread -o victim victim.c regs.S
 *	victim JOB...
 *
 * Each job runs in a thread of its own, the last one in the main thread when it
 * is not "input". It ends well ("ok" and the number of rounds of each job) when
 * its standard input ends, and badly at the first thing that is not as it should
 * be.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAXJOBS 32

char have_avx;
long check_regs(const void *pattern, long spins);

static atomic_int ending;
static long rounds[MAXJOBS];
static atomic_long eintr;

static void bad(const char *what, long a, long b)
{
	char text[200];
	int n = snprintf(text, sizeof text, "BAD %s: %ld %ld (errno %d %s)\n", what, a, b, errno, strerror(errno));
	if (write(1, text, n)) {}
	_exit(3);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void job_regs(void)
{
	unsigned char pattern[512];
	for (int i = 0; i < 512; i++)
		pattern[i] = rand() | 1;
	long r = check_regs(pattern, 200000);
	if (r)
		bad("register", r, 0);
}

/* Floating point with a known sum. */
static void job_sum(void)
{
	static _Thread_local double want;
	double s = 0, x = 0.1;
	for (int i = 1; i < 20000; i++) {
		x = x * 3.7 * (1 - x);
		s += x / i;
	}
	if (want == 0)
		want = s;
	if (s != want)
		bad("sum", 0, 0);
}

static void job_sleep(void)
{
	struct timespec t = {0, 3000000};
	double start = now();
	if (nanosleep(&t, NULL))
		bad("nanosleep", errno, 0);
	if (now() - start < 0.003)
		bad("nanosleep too short", (now() - start) * 1e9, 0);
}

/* As job_sleep, where EINTR is what a restart_syscall may give. */
static void job_nap(void)
{
	struct timespec t = {0, 3000000};
	if (nanosleep(&t, NULL)) {
		if (errno != EINTR)
			bad("nanosleep", errno, 0);
		eintr += !ending;
	}
}

static void job_poll(void)
{
	double start = now();
	int r = poll(NULL, 0, 5);
	if (r)
		bad("poll", r, errno);
	if (now() - start < 0.005)
		bad("poll too short", (now() - start) * 1e9, 0);
}

static int ping[2], pong[2];

static void job_ping(void)
{
	static long n;
	long got;
	n++;
	if (write(ping[1], &n, sizeof n) != sizeof n)
		bad("write", n, errno);
	if (read(pong[0], &got, sizeof got) != sizeof got)
		bad("read", n, errno);
	if (got != n + 1)
		bad("pong", got, n + 1);
}

static void job_pong(void)
{
	long got;
	ssize_t r = read(ping[0], &got, sizeof got);
	if (r == 0)
		return;
	if (r != sizeof got)
		bad("read", r, errno);
	usleep(500);
	got++;
	if (write(pong[1], &got, sizeof got) != sizeof got)
		bad("write", got, errno);
}

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long turn;

static void take_turn(int mine)
{
	pthread_mutex_lock(&mu);
	while (turn % 2 != mine && !ending)
		pthread_cond_wait(&cond, &mu);
	turn++;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&mu);
}

static void job_tick(void) { take_turn(0); usleep(300); }
static void job_tock(void) { take_turn(1); }

static void job_epoll(void)
{
	static _Thread_local int fd;
	struct epoll_event ev;
	if (!fd)
		fd = epoll_create1(0);
	if (epoll_wait(fd, &ev, 1, 4)) {
		if (errno != EINTR)
			bad("epoll_wait", errno, 0);
		eintr += !ending;
	}
}

/* Every signal must arrive, once and in order. */
static _Thread_local volatile long caught, payload;
static atomic_long total;

static void handler(int sig, siginfo_t *info, void *ctx)
{
	(void)sig, (void)ctx;
	caught++;
	total++;
	payload = info->si_value.sival_int;
}

static void job_signal(void)
{
	static _Thread_local long sent;
	sigval_t v = {.sival_int = (int)++sent};
	if (pthread_sigqueue(pthread_self(), SIGRTMIN, v))
		bad("sigqueue", sent, 0);
	if (caught != sent || payload != sent)
		bad("signal", caught, sent);
}

/* Signals for which another thread waits with a mask of its own. */
static pthread_t suspended;
static atomic_long acked;

static void job_suspend(void)
{
	static int once;
	sigset_t none, s;
	sigemptyset(&none);
	if (!once++) {
		sigemptyset(&s);
		sigaddset(&s, SIGRTMIN);
		pthread_sigmask(SIG_BLOCK, &s, NULL);
		suspended = pthread_self();
		acked = 1;
	}
	long before = caught;
	sigsuspend(&none);
	if (ending)
		return;
	if (errno != EINTR || caught == before)
		bad("sigsuspend", errno, caught - before);
	acked++;
}

static void job_wake(void)
{
	long before = acked;
	sigval_t v = {.sival_int = (int)before};
	if (!before)
		return;
	if (pthread_sigqueue(suspended, SIGRTMIN, v))
		bad("sigqueue", before, 0);
	for (int i = 0; acked == before && !ending; i++) {
		usleep(200);
		if (i == 50000)
			bad("signal lost", before, acked);
	}
}

static void job_thread_body(void *p) { *(long *)p += 1; }

/* Threads that come and go. */
static void job_spawn(void)
{
	pthread_t t;
	long n = 0;
	if (pthread_create(&t, NULL, (void *(*)(void *))job_thread_body, &n))
		bad("pthread_create", errno, 0);
	pthread_join(t, NULL);
	if (n != 1)
		bad("thread", n, 1);
	usleep(200);
}

/* What a signal frame restores besides registers: the alternate stack, which
 * must stay as it is, the signal mask, and the modes of floating point. */
static void job_modes(void)
{
	static _Thread_local char alt[65536];
	static _Thread_local int set;
	static _Thread_local sigset_t want;
	stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt}, now_ss;
	unsigned mx = 0x7f80, got;
	unsigned short cw = 0x0e7f, gotcw;
	if (!set++) {
		sigset_t s;
		sigaltstack(&ss, NULL);
		sigemptyset(&s);
		sigaddset(&s, SIGUSR2);
		sigaddset(&s, SIGRTMAX);
		pthread_sigmask(SIG_BLOCK, &s, NULL);
		pthread_sigmask(SIG_BLOCK, NULL, &want);
		__asm__ volatile("ldmxcsr %0; fldcw %1" :: "m"(mx), "m"(cw));
	}
	for (volatile int i = 0; i < 100000; i++)
		;
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(got), "=m"(gotcw));
	if (got != mx || gotcw != cw)
		bad("floating point mode", got, gotcw);
	sigaltstack(NULL, &now_ss);
	if (now_ss.ss_sp != ss.ss_sp || now_ss.ss_size != ss.ss_size || now_ss.ss_flags)
		bad("alternate stack", now_ss.ss_size, now_ss.ss_flags);
	sigset_t is;
	pthread_sigmask(SIG_BLOCK, NULL, &is);
	if (memcmp(&is, &want, 8))
		bad("signal mask", *(long *)&is, *(long *)&want);
}

static void job_input(void)
{
	char c;
	ssize_t r = read(0, &c, 1);
	if (r < 0)
		bad("read", r, errno);
	if (r == 0)
		ending = 1;
}

static const struct { const char *name; void (*run)(void); } jobs[] = {
	{"regs", job_regs}, {"sum", job_sum}, {"sleep", job_sleep}, {"nap", job_nap},
	{"poll", job_poll}, {"ping", job_ping}, {"pong", job_pong}, {"tick", job_tick},
	{"tock", job_tock}, {"epoll", job_epoll}, {"signal", job_signal},
	{"suspend", job_suspend}, {"wake", job_wake}, {"spawn", job_spawn}, {"modes", job_modes}, {"input", job_input},
};

static char **names;

static void *work(void *arg)
{
	long me = (long)arg;
	for (unsigned i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
		if (strcmp(jobs[i].name, names[me]))
			continue;
		while (!ending) {
			jobs[i].run();
			rounds[me]++;
		}
		return NULL;
	}
	bad(names[me], 0, 0);
	return NULL;
}

/* With one job there is one thread, so that the end of input comes by SIGIO. */
static void on_end(int sig) { (void)sig; ending = 1; }

int main(int argc, char **argv)
{
	pthread_t t[MAXJOBS];
	int n = argc - 1;
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigaction(SIGRTMIN, &sa, NULL);
	struct sigaction end = {.sa_handler = on_end, .sa_flags = SA_RESTART};
	sigaction(SIGTERM, &end, NULL);
	have_avx = __builtin_cpu_supports("avx2") != 0;
	names = argv + 1;
	if (n < 1 || n > MAXJOBS || pipe(ping) || pipe(pong))
		bad("usage", n, 0);
	for (long i = 0; i < n - 1; i++)
		if (pthread_create(&t[i], NULL, work, (void *)i))
			bad("pthread_create", i, 0);
	printf("up\n");
	fflush(stdout);
	work((void *)(long)(n - 1));
	close(ping[1]);
	/* Others may wait for their partners; they are not waited for. */
	for (int i = 0; i < 200; i++)
		usleep(100);
	printf("ok eintr=%ld signals=%ld", (long)eintr, (long)total);
	for (int i = 0; i < n; i++)
		printf(" %s=%ld", names[i], rounds[i]);
	printf("\n");
	fflush(stdout);
	_exit(0);
}
