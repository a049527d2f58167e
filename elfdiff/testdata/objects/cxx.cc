// A function with an exception table, and a template that every object which
// uses it carries in a section group.
int risky(int);

template <class T> T twice(T v) { return v + v; }
template int twice<int>(int);

int guarded(int n)
{
	try {
		return risky(twice(n));
	} catch (int e) {
		return -e;
	}
}
