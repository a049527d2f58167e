/* A program of a few functions, checked in as object and as program for
   examples and fuzzing:
     gcc -O2 -g0 -fno-pie -fno-asynchronous-unwind-tables -fcf-protection=none -fno-ident -c tiny.c -o tiny.o
     ld -z noseparate-code -z max-page-size=0x200 --build-id=none -e start -o tiny.elf tiny.o
   gcc 12.2, binutils 2.40. */
static int state;
static const char *const words[] = { "zero", "one", "two" };

__attribute__((noinline)) static int twice(int x)
{
	state += x;
	return x * 2;
}

__attribute__((noinline)) const char *word(unsigned i)
{
	return i < 3 ? words[i] : "many";
}

int choose(int op, int x)
{
	switch (op) {
	case 0: return twice(x);
	case 1: return state ^ x;
	case 2: return x / 3 + twice(state);
	case 3: return word(x)[1];
	case 4: return twice(x) - state;
	case 5: return x << 3;
	}
	return -1;
}

void start(void)
{
	state = choose(state, 7) + *word(state);
	for (;;)
		;
}
