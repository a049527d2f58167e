#define PERCENT 100

long price(long pieces, long each);
void report(const char *what, long amount);
long rounded(long amount);
