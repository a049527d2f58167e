/* Functions with static branches as Linux has them. asked_key decides about those of functions
   that begin with asks_, and with plain comparisons about those that begin with plain_. */
typedef struct { int enabled; void *entries; } key_type;
extern key_type asked_key;
extern int data, calls(int);

static inline __attribute__((always_inline)) int branch(key_type *const key, const int taken_off)
{
	asm goto("1: jmp %l[yes]\n\t"
		 ".pushsection __jump_table, \"aw\"\n\t"
		 ".balign 8\n\t"
		 ".long 1b - ., %l[yes] - .\n\t"
		 ".quad %c0 + %c1 - .\n\t"
		 ".popsection"
		 : : "i" (key), "i" (taken_off | 2) : : yes);
	return 0;
yes:
	return 1;
}

#define unlikely_asks() __builtin_expect(branch(&asked_key, 0), 0)
#define likely_asks() __builtin_expect(!branch(&asked_key, 1), 1)
#define unlikely_plain() __builtin_expect(asked_key.enabled != 0, 0)
#define likely_plain() __builtin_expect(asked_key.enabled != 0, 1)

#define functions(name)							\
int name##_short(int x) { if (unlikely_##name()) x += data; return x * 3; }	\
int name##_likely(int x) { if (likely_##name()) x ^= data; return x - 7; }	\
int name##_loop(int x)							\
{									\
	int i, sum = 0;							\
	for (i = 0; i < x; i++)						\
		if (unlikely_##name()) sum += calls(i); else sum -= i;	\
	return sum;							\
}									\
int name##_two(int x)							\
{									\
	if (unlikely_##name()) x = calls(x);				\
	if (likely_##name()) x += calls(x + 1);				\
	return x;							\
}									\
int name##_stored(int x) { data = x; if (unlikely_##name()) data += 5; return data; }	\
int name##_far(int x)							\
{									\
	if (unlikely_##name()) {					\
		x = calls(calls(calls(calls(x)))) + data;		\
		x = calls(calls(calls(calls(x + 1)))) * data;		\
		x = calls(calls(calls(calls(x + 1)))) ^ data;		\
	}								\
	return calls(x);						\
}									\
int name##_nothing(int x) { if (likely_##name()) return 1; return 0; }	\
int name##_pushed(int x)						\
{									\
	if (likely_##name()) { volatile int room[30]; room[x & 7] = x; return calls(room[x & 7]) + 1; }	\
	return x;							\
}

functions(asks)
functions(plain)
