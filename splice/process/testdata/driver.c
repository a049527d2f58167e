/* driver answers requests, one number a line, until its input ends:
 *
 *     driver [THREADS]
 *
 * It stays away from most of the C library, so that patches can be the first
 * to use it. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "victim.h"

char *put(char *out, const char *text)
{
	while (*text)
		*out++ = *text++;
	*out = 0;
	return out;
}

char *num(char *out, long n)
{
	char digits[24];
	int i = sizeof digits;
	unsigned long u = n < 0 ? -(unsigned long)n : (unsigned long)n;

	digits[--i] = 0;
	do
		digits[--i] = '0' + u % 10;
	while (u /= 10);
	if (n < 0)
		digits[--i] = '-';
	return put(out, digits + i);
}

/* park reads a byte from file descriptor 3, having said so on 4. */
void park(void)
{
	char c = 'p';

	if (write(4, &c, 1) != 1)
		return;
	while (read(3, &c, 1) < 0 && errno == EINTR)
		;
}

static volatile unsigned long work;

static void *load(void *arg)
{
	char out[256];
	struct timespec t = { 0, 2000000 };

	(void)arg;
	for (;;) {
		answer(0, out);
		work++;
		nanosleep(&t, 0);
	}
	return 0;
}

static int line(char *in, int size)
{
	int n = 0;

	while (n < size - 1) {
		ssize_t k = read(0, in + n, 1);
		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return 0;
		if (in[n] == '\n')
			break;
		n++;
	}
	in[n] = 0;
	return 1;
}

int main(int argc, char **argv)
{
	char in[64], out[512];
	int threads = 0;
	pthread_t t;

	for (char *p = argc > 1 ? argv[1] : ""; *p; p++)
		threads = threads * 10 + *p - '0';
	for (int i = 0; i < threads; i++)
		pthread_create(&t, 0, load, 0);
	while (line(in, sizeof in)) {
		int n = 0;
		for (char *p = in; *p; p++)
			n = n * 10 + *p - '0';
		char *end = put(answer(n, out), "\n");
		if (write(1, out, end - out) != end - out)
			return 1;
	}
	return 0;
}
