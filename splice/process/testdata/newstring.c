/* another string, and a changed table of strings */
#include "victim.h"

static const char *name(int n)
{
	switch (n) {
#ifdef PATCHED
	case 1:
		return "the first one, with a string that is new";
	case 2:
		return "second";
#else
	case 1:
		return "first";
	case 2:
		return "second";
#endif
	}
	return "none";
}

__attribute__((noinline)) static char *say(int n, char *out)
{
#ifdef PATCHED
	static const char *const suffix[] = { ".", "!", "?" };
	return put(put(out, name(n)), suffix[n % 3]);
#else
	return put(out, name(n));
#endif
}

char *answer(int n, char *out)
{
	return say(n, out);
}
