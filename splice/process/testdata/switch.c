/* a switch that becomes a jump table, with other cases */
#include "victim.h"

__attribute__((noinline)) static char *choose(int n, char *out)
{
	switch (n) {
	case 0: return put(out, "zero");
	case 1: out = num(out, 11); break;
	case 2: out = put(out, "two"); break;
	case 3: out = num(out, 333); break;
	case 4: out = put(num(out, 4), "four"); break;
	case 5: out = put(out, "five"); break;
	case 6: out = num(num(out, 6), 66); break;
	case 7: out = put(put(out, "seven"), "7"); break;
#ifdef PATCHED
	case 8: out = put(out, "eight"); break;
	case 9: out = num(put(out, "nine"), 9); break;
	case 10: out = put(num(out, 10), "ten"); break;
	default: return put(out, "too many");
#else
	default: return put(out, "many");
#endif
	}
	return put(out, ".");
}

char *answer(int n, char *out)
{
	return choose(n, out);
}
