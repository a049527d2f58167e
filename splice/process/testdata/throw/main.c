// Answers requests in C; with CANCEL, 0 cancels a thread that is in step(), and
// the answer is what its cleanup left.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
char *heap;
int step(int);
static int left;
static void clean(int *p) { left += *p; }
int risky(int n) {
	if (n == 0)
		pause();
	return n * 2;
}
int (*hook)(int) = risky;
static void *work(void *arg) {
	__attribute__((cleanup(clean))) int one = 1;
	return (void *)(long)step(0);
}
#ifdef MOVE
// A thread moves the pointer that words() returned about in a large heap.
const char *words(void);
static const char *volatile *slots;
static volatile long at, stop;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *move(void *arg) {
	unsigned long n = (unsigned long)HEAP << 17, x = 1;
	while (!stop) {
		x = x * 6364136223846793005 + 1442695040888963407;
		pthread_mutex_lock(&lock);
		long to = (x >> 20) % n;
		slots[to] = slots[at];
		if (to != at)
			slots[at] = NULL;
		at = to;
		pthread_mutex_unlock(&lock);
		if (x >> 60 == 0)
			usleep(50);
	}
	return NULL;
}
static int moving(int n) {
	static pthread_t t;
	switch (n) {
	case 100:
		slots = (const char *volatile *)heap;
		slots[at] = words();
		stop = 0;
		pthread_create(&t, NULL, move, NULL);
		puts("moving");
		return 1;
	case 101:
		pthread_mutex_lock(&lock);
		puts(slots[at]);
		pthread_mutex_unlock(&lock);
		return 1;
	case 102:
		stop = 1;
		pthread_join(t, NULL);
		slots[at] = NULL;
		puts("dropped");
		return 1;
	}
	return 0;
}
#else
static int moving(int n) { return 0; }
#endif
int main(void) {
	char line[64];
	setvbuf(stdout, NULL, _IOLBF, 0);
#ifdef HEAP
	heap = malloc(HEAP << 20);
#ifdef HUGE
	madvise((void *)((unsigned long)heap + 4095 & -4096), (HEAP << 20) - 8192, MADV_HUGEPAGE);
#endif
	memset(heap, 1, HEAP << 20);
#endif
	while (fgets(line, sizeof line, stdin)) {
		int n = 0;
		sscanf(line, "%d", &n);
		if (moving(n))
			continue;
#ifdef CANCEL
		if (n == 0) {
			pthread_t t;
			pthread_create(&t, NULL, work, NULL);
			usleep(10000);
			pthread_cancel(t);
			pthread_join(t, NULL);
			printf("%d\n", left);
			continue;
		}
#endif
		printf("%d\n", step(n));
	}
	return 0;
}
