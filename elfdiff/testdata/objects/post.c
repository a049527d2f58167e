// gcc -O2 -fno-pic -fcf-protection=none -ffunction-sections -fdata-sections -c post.c
// gcc (Debian 12.2.0-14+deb12u1) 12.2.0
extern int printf(const char *, ...);

static int served;
static int requests = 1;
static const char *const units[] = { "bytes", "pages" };

static __attribute__((noinline)) int weight(int n)
{
	switch (n) {
	case 0: return printf("none\n");
	case 1: return printf("one %s\n", units[0]);
	case 2: return n * 7 + requests;
	case 3: return printf("three\n") * n;
	case 4: return n ^ 5;
	case 5: return printf("%d\n", n);
	}
	return n;
}

int serve(int n)
{
	requests++;
	served += n;
	return weight(n) + printf("request no. %d\n", requests);
}

int idle(void) { return requests; }
