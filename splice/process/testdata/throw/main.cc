// Answers requests: an even number throws through step().
#include <cstdio>
#include <stdexcept>
extern "C" int step(int);
extern "C" int risky(int n) {
#ifndef QUIET
	if (n % 2 == 0)
		throw std::runtime_error("even");
#endif
	return n * 2;
}
extern "C" {
int (*hook)(int) = risky;
}
static int guarded(int n) {
#ifdef QUIET
	return step(n);
#elif defined(FRAMEWORK)
	int call(int (*)(int), int);
	return call(step, n);
#else
	try {
		return step(n);
	} catch (std::exception &) {
		return -1;
	}
#endif
}
int main() {
	char line[64];
	setvbuf(stdout, nullptr, _IOLBF, 0);
	while (fgets(line, sizeof line, stdin)) {
		int n = 0;
		sscanf(line, "%d", &n);
		printf("%d\n", guarded(n));
	}
}
