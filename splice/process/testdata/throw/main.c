// Answers requests in C; with CANCEL, 0 cancels a thread that is in step(), and
// the answer is what its cleanup left.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
int main(void) {
	char line[64];
	setvbuf(stdout, NULL, _IOLBF, 0);
#ifdef HEAP
	heap = malloc(HEAP << 20);
	memset(heap, 1, HEAP << 20);
#endif
	while (fgets(line, sizeof line, stdin)) {
		int n = 0;
		sscanf(line, "%d", &n);
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
