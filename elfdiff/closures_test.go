package elfdiff

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestKeptClosures: without debug information nothing tells what a closure captures. One that others have kept, and whose
// maker has changed too, is judged.
func TestKeptClosures(t *testing.T) {
	testenv.Need(t, "gcc")
	const keep = `extern long call(long (*)(void *), void *);
void *operator new(unsigned long);
template <class T> static void keep(T f) { call([](void *p) { return (*(T *)p)(); }, new T(f)); }
`
	for _, c := range []struct {
		name, pre, post string
		judged, plain   bool // with optimization, and without
	}{
		{"one more", "void f(long x, long y) { keep([=] { return x + 1; }); }", "void f(long x, long y) { keep([=] { return x + y; }); }", true, true},
		{"swapped", "void f(long x, long y) { keep([x, y] { return x - y; }); }", "void f(long x, long y) { keep([y, x] { return x - y; }); }", true, true},
		{"another constant", "void f(long x) { keep([=] { return x + 1; }); }", "void f(long x) { keep([=] { return x + 2; }); }", false, false},
		{"maker alone", "void f(long x) { keep([=] { return x + 1; }); }", "void f(long x) { x *= 3; keep([=] { return x + 1; }); }", false, false},
		{"nothing captured", "void f(long *x) { keep([] { return 1L; }); }", "void f(long *x) { *x = 3; keep([] { return 2L; }); }", false, true},
		{"called only", "long f(long x, long y) { return call([](void *) { return 3L; }, 0) + [=] { return x + y; }(); }", "long f(long x, long y) { return call([](void *) { return 3L; }, 0) + [=] { return x * y; }(); }", false, false},
	} {
		for _, b := range []build{{cc: "gcc", flags: []string{"-O2"}}, {cc: "gcc", flags: []string{"-O0"}}, {cc: "clang-14", flags: []string{"-O2"}}, {cc: "gcc", flags: []string{"-O2", "-g"}}} {
			want := c.judged || c.plain && b.has("O0")
			if c.name == "another constant" && b.has("g") {
				want = false
			}
			got := judgedTypes(t, b, keep+c.pre, keep+c.post)
			if (len(got) > 0) != want {
				t.Errorf("%s, %s: judged %q", c.name, b, got)
			}
		}
	}
}

// TestCoroutines: what is suspended goes on in the new code.
func TestCoroutines(t *testing.T) {
	testenv.Need(t, "gcc")
	const text = `#include <coroutine>
struct task {
	struct promise_type {
		long value;
		task get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
		std::suspend_always initial_suspend() noexcept { return {}; }
		std::suspend_always final_suspend() noexcept { return {}; }
		std::suspend_always yield_value(long x) { value = x; return {}; }
		void return_void() {}
		void unhandled_exception() {}
	};
	std::coroutine_handle<promise_type> handle;
};
extern long step(long), other(long);
task counter(long n) { for (;;) { BODY } }
`
	for _, c := range []struct {
		name, pre, post string
		judged          bool
	}{
		{"one more place", "n = step(n); co_yield n;", "n = step(n); co_yield n; n = step(n); co_yield n + 1;", true},
		{"one more variable", "n = step(n); co_yield n;", "long m = step(n); co_yield m; n += m;", true},
		{"another constant", "n = step(n & 12); co_yield n;", "n = step(n & 24); co_yield n;", false},
		{"nothing", "n = step(n); co_yield n;", "n = step(n); co_yield n;", false},
	} {
		for _, b := range []build{{cc: "gcc", flags: []string{"-O2", "-std=c++20"}}, {cc: "gcc", flags: []string{"-O0", "-g", "-std=c++20"}}, {cc: "clang-19", flags: []string{"-O1", "-std=c++20"}}} {
			got := judgedTypes(t, b, strings.Replace(text, "BODY", c.pre, 1), strings.Replace(text, "BODY", c.post, 1))
			if got != nil && (len(got) > 0) != c.judged {
				t.Errorf("%s, %s: judged %q", c.name, b, got)
			}
		}
	}
}

// judgedTypes compiles two texts, and lists what is judged of types; nil without the compiler.
func judgedTypes(t *testing.T, b build, pre, post string) []string {
	t.Helper()
	if _, err := exec.LookPath(b.cc); err != nil {
		return nil
	}
	dir := t.TempDir()
	d, err := Compare(mustOpen(t, b.compile(t, filepath.Join(dir, "pre"), "unit.cc", pre)), mustOpen(t, b.compile(t, filepath.Join(dir, "post"), "unit.cc", post)), Options{Types: b.has("g")})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for i := range d.Refusals {
		if d.Refusals[i].Code == CodeTypeLayout {
			got = append(got, d.Refusals[i].Symbol)
		}
	}
	return got
}
