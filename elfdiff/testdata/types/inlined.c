/* Compiled twice: with another FACTOR and HANDLER. */
static inline __attribute__((always_inline)) int weight(int x)
{
	return x * FACTOR + (x ^ 0x1234);
}

int first(int x)
{
	return weight(x) + 1;
}

int second(int x)
{
	return weight(x + 7) - 2;
}

const struct { const char *name; int (*call)(int); } handlers[] = { { "one", first }, { "two", HANDLER } };
