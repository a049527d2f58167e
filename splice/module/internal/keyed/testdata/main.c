/* Prints what does not come to the same. */
#include <stdio.h>
typedef struct { int enabled; void *entries; } key_type;
key_type asked_key;
int data;
int calls(int x) { return x * 5 + 1 + data; }
#define list(f) f(short) f(likely) f(loop) f(two) f(stored) f(far) f(nothing) f(pushed)
#define declared(name) int asks_##name(int), plain_##name(int);
list(declared)
static const struct { const char *name; int (*asks)(int), (*plain)(int); } both[] = {
#define row(name) { #name, asks_##name, plain_##name },
	list(row)
};
int main(void)
{
	static const int states[] = { 0, 1, -1, 2, 0 };
	int failed = 0;
	for (unsigned i = 0; i < sizeof(both) / sizeof(*both); i++)
		for (unsigned s = 0; s < 5; s++)
			for (int x = -3; x < 40; x++) {
				asked_key.enabled = states[s];
				data = 17;
				int want = both[i].plain(x), kept = data;
				data = 17;
				int got = both[i].asks(x);
				if (got != want || data != kept) {
					printf("%s(%d) with %d: %d, want %d\n", both[i].name, x, states[s], got, want);
					failed = 1;
				}
			}
	return failed;
}
