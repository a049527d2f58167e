// What is patched: functions that throw, that have something to do when an
// exception passes, that only lie in between, and that catch.
#include <stdexcept>
#include <string>
#ifdef PATCHED
#define PLUS 500
#define WORD "new"
#else
#define PLUS 100
#define WORD "old"
#endif
#ifdef OTHERWISE
#define OTHER 9
#else
#define OTHER 1
#endif
#define NOINLINE __attribute__((noinline))
extern "C" {
int risky(int);    // throws std::runtime_error for an even number
int between(int);  // calls thrower()
extern __thread long passed;
}
struct Own {
	int what;
};
struct Guard {
	int by;
	explicit Guard(int by) : by(by) {}
	~Guard() { passed += by; }
};

// thrower throws a type of the program's own, or one of the library's.
extern "C" NOINLINE int thrower(int n) {
	if (n % 5 == 0)
		throw Own{n + PLUS};
	if (n % 3 == 0)
		throw std::runtime_error(WORD);
	return n + PLUS;
}

// cleaner has a destructor that an exception runs.
extern "C" NOINLINE int cleaner(int n) {
	Guard g(PLUS);
	return between(n) + PLUS;
}

// step only lies in between.
extern "C" NOINLINE int step(int n) { return cleaner(n) + risky(n) + PLUS; }

// catcher catches what comes of step().
extern "C" NOINLINE int catcher(int n) {
	try {
		return step(n);
	} catch (const Own &o) {
		return o.what + PLUS;
	} catch (const std::runtime_error &e) {
		if (n % 7 == 0)
			throw;
		return std::string(e.what()) == WORD ? PLUS : -PLUS;
	}
}

// other is for a second update.
extern "C" NOINLINE int other(int n) {
	try {
		return risky(n) + OTHER;
	} catch (const std::exception &e) {
		return -OTHER;
	}
}
