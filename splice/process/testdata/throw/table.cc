// A function with an exception table, of which something differs.
struct A { int x; };
struct B { int x; };
struct Guard { ~Guard(); };
int risky(int);
#ifdef TYPE
typedef B Caught;
#else
typedef A Caught;
#endif
extern "C" int guarded(int n) {
#ifdef CLEANUP
	Guard g;
#endif
	try {
		return risky(n);
	} catch (Caught &) {
#ifdef CODE
		return -2;
#else
		return -1;
#endif
	}
}
