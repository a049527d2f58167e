// What is patched: STEP says what it calls. Compiled as C and as C++.
#include <stdio.h>
#include <string.h>
#ifdef __cplusplus
extern "C" {
#endif
int risky(int);
extern int (*hook)(int);

#ifdef PATCHED
#define PLUS 500
#else
#define PLUS 100
#endif

#ifdef WORDS
__attribute__((noinline)) const char *words(void) {
#ifdef PATCHED
	return "new words";
#else
	return "old words";
#endif
}
#endif

__attribute__((noinline)) int step(int n) {
#if defined(LEAF)
	return n * 3 + PLUS;
#elif defined(LIBC)
	char text[32];
	snprintf(text, sizeof text, "%d", n + PLUS);
	return (int)strlen(text) + PLUS;
#elif defined(POINTER)
	return hook(n) + PLUS;
#elif defined(TAIL)
	return risky(n + PLUS);
#else
	return risky(n) + PLUS;
#endif
}
#ifdef __cplusplus
}
#endif
