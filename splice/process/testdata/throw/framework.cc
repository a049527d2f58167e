// A library that handles what is thrown by what it calls back.
int call(int (*f)(int), int n) {
	try {
		return f(n);
	} catch (...) {
		return -1;
	}
}
