package elfdiff_test

import (
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// TestBetween judges what functions of two objects do in halves: PART is 1 in one, and 2 in the other.
func TestBetween(t *testing.T) {
	testenv.Need(t, "gcc")
	const head = `
#define A(x)
#define B(x)
#if PART == 1
#undef A
#define A(x) x
#else
#undef B
#define B(x) x
#endif
extern void mutex_lock(void *), mutex_unlock(void *), get_device(void *), put_device(void *), wait_for_completion(void *), complete(void *), kfree(void *), work2(void), work3(void *);
extern char *kstrdup(char *); struct s { long pad; int open, shut; char *name; };
extern long m[4], n[4];
` + sides
	for _, c := range []struct{ name, a, b, says string }{
		{"a lock", "DO(mutex_lock(m);)", "DO(mutex_unlock(m);)", "lock-pairs b"},
		{"a lock that is taken no more", "NOT(mutex_lock(m);)", "NOT(mutex_unlock(m);)", "lock-pairs b"},
		{"a lock in a structure", "DO(mutex_lock(s);)", "DO(mutex_unlock(s);)", "lock-pairs b"},
		{"two locks", "DO(mutex_lock(m);)", "DO(mutex_unlock(n);)", ""},
		{"a lock in each", "DO(mutex_lock(m);) work2(); DO(mutex_unlock(m);)", "DO(mutex_lock(m);) work2(); DO(mutex_unlock(m);)", ""},
		{"a half that was missing", "DO(mutex_lock(m);)", "mutex_lock(m); work2(); DO(mutex_unlock(m);)", ""},
		{"a half that comes, and one that goes", "DO(mutex_lock(m);)", "NOT(mutex_unlock(m);)", ""},
		{"a reference", "DO(get_device(s);)", "DO(put_device(s);)", "reference-pairs b"},
		{"a reference that was not given back", "DO(get_device(s);)", "get_device(s); work2(); DO(put_device(s);)", ""},
		{"a counter", "DO(s->open++;)", "DO(s->open--;)", "reference-pairs b"},
		{"two counters", "DO(s->open++;)", "DO(s->shut--;)", ""},
		{"a task that waits", "DO(wait_for_completion(m);)", "DO(complete(m);)", "wait-pairs b"},
		{"a task that waits, with another argument before", "DO(long *k = s->name; work2(); wait_for_completion(m); work3(k);)", "DO(complete(m);)", "wait-pairs b"},
		{"tasks that wait for something", "DO(wait_for_completion(s);)", "DO(complete(s);)", ""},
		{"memory", "DO(s->name = kstrdup(s->name);)", "DO(kfree(s->name);)", ""},
	} {
		text := head + "A(void a(struct s *s) { work2(); " + c.a + " work2(); })\nB(void b(struct s *s) { work2(); " + c.b + " work2(); })\n"
		var diffs []*elfdiff.Diff
		for _, part := range []string{"-DPART=1", "-DPART=2"} {
			dir := t.TempDir()
			d, err := elfdiff.Compare(compileKernel(t, dir, text, "pre.o", part), compileKernel(t, dir, text, "post.o", part, "-DPOST"), elfdiff.Options{Tables: true})
			if err != nil {
				t.Fatal(err)
			}
			if len(d.Refusals) > 0 {
				t.Errorf("%s: refused alone: %v", c.name, d.Refusals)
			}
			diffs = append(diffs, d)
		}
		var got []string
		for _, f := range elfdiff.Between(diffs...) {
			got = append(got, string(f.Code)+" "+f.Symbol)
		}
		if s := strings.Join(got, "\n"); s != c.says {
			t.Errorf("%s: %q, want %q", c.name, s, c.says)
		}
		if list := elfdiff.Between(diffs[0], diffs[0]); len(list) > 0 {
			t.Errorf("%s: an object given twice: %v", c.name, list)
		}
	}
}

// TestMoved changes the layout of a structure with a counter, which functions find elsewhere: that is judged once.
func TestMoved(t *testing.T) {
	testenv.Need(t, "gcc")
	const text = "extern void work2(void);\nstruct s { long pad;\n#ifdef POST\nlong more;\n#endif\nint open; }; void a(struct s *s) { s->open++; work2(); } void b(struct s *s) { work2(); s->open--; }"
	dir := t.TempDir()
	d, err := elfdiff.Compare(compileKernel(t, dir, text, "pre.o", "-g"), compileKernel(t, dir, text, "post.o", "-g", "-DPOST"), elfdiff.Options{Tables: true, Types: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Refusals) != 1 || d.Refusals[0].Code != elfdiff.CodeTypeLayout {
		t.Errorf("refusals %v", d.Refusals)
	}
	const other = "extern void work2(void);\nstruct s { long pad;\n#ifdef POST\nlong more;\n#endif\nint open, shut, last; };\n#ifdef POST\n#define COUNT shut\n#else\n#define COUNT open\n#endif\nvoid a(struct s *s) { s->COUNT++; work2(); } void b(struct s *s) { work2(); s->COUNT--; }"
	d, err = elfdiff.Compare(compileKernel(t, dir, other, "pre.o", "-g"), compileKernel(t, dir, other, "post.o", "-g", "-DPOST"), elfdiff.Options{Tables: true, Types: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Refusals) != 2 {
		t.Errorf("another counter, and a layout: refusals %v", d.Refusals)
	}
}

// TestAcceptedState accepts that a variable starts anew, which the start alone would have set.
func TestAcceptedState(t *testing.T) {
	testenv.Need(t, "gcc")
	const text = "#ifdef POST\n#define buffer text\n#endif\nstatic char *buffer; extern char *get(int); char f(int x) { return buffer[x]; }\nint __init start(void) {\n#ifdef POST\nbuffer = get(2);\n#else\nbuffer = get(1);\n#endif\nreturn 0;\n}"
	dir := t.TempDir()
	pre, post := compileKernel(t, dir, text, "pre.o"), compileKernel(t, dir, text, "post.o", "-DPOST")
	for _, accepted := range []bool{false, true} {
		opt, want := elfdiff.Options{Tables: true}, elfdiff.CodeAmbiguousStatic
		if accepted {
			opt.Accept, want = []elfdiff.Acceptance{{Code: elfdiff.CodeAmbiguousStatic}}, elfdiff.CodeStartState
		}
		d, err := elfdiff.Compare(pre, post, opt)
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Refusals) != 1 || d.Refusals[0].Code != want {
			t.Errorf("accepted %v: refusals %v, want %s", accepted, d.Refusals, want)
		}
	}
}

// TestHanded changes the parameters of functions that others call by their addresses.
func TestHanded(t *testing.T) {
	testenv.Need(t, "gcc")
	for _, c := range []struct{ name, text, says string }{
		{"given to a function", "extern void setup(void *); static ", "void use(void) { setup((void *)f); }"},
		{"in a table", "static ", "void *table[] = { (void *)f };"},
	} {
		text := c.text + "int f(int x\n#ifdef POST\n, long n\n#endif\n) { return x + 1\n#ifdef POST\n+ n\n#endif\n; }\n" + c.says
		dir := t.TempDir()
		d, err := elfdiff.Compare(compileKernel(t, dir, text, "pre.o", "-g"), compileKernel(t, dir, text, "post.o", "-g", "-DPOST"), elfdiff.Options{Tables: true, Types: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Refusals) != 1 || d.Refusals[0].Code != elfdiff.CodeTypeSignature || !strings.Contains(d.Refusals[0].Message, "its address is given to others") {
			t.Errorf("%s: refusals %v", c.name, d.Refusals)
		}
	}
	const local = "static __attribute__((noinline)) int f(int x\n#ifdef POST\n, long n\n#endif\n) { return x + 1\n#ifdef POST\n+ n\n#endif\n; }\nint g(int x) { return f(x\n#ifdef POST\n, x\n#endif\n) * 3; }"
	dir := t.TempDir()
	d, err := elfdiff.Compare(compileKernel(t, dir, local, "pre.o", "-g"), compileKernel(t, dir, local, "post.o", "-g", "-DPOST"), elfdiff.Options{Tables: true, Types: true})
	if err != nil || len(d.Refusals) > 0 {
		t.Errorf("called alone: %v, %v", d.Refusals, err)
	}
}

// TestOtherExports moves a function to the list of exports for other modules.
func TestOtherExports(t *testing.T) {
	testenv.Need(t, "gcc")
	const text = "int f(int x) { return x; }\n#ifdef POST\n#define LIST \"___ksymtab+f\"\n#else\n#define LIST \"___ksymtab_gpl+f\"\n#endif\nstatic void *PUT(LIST) __ksymtab_f = f;"
	dir := t.TempDir()
	d, err := elfdiff.Compare(compileKernel(t, dir, text, "pre.o"), compileKernel(t, dir, text, "post.o", "-DPOST"), elfdiff.Options{Tables: true})
	if err != nil {
		t.Fatal(err)
	}
	if d.Outcome() != elfdiff.OutcomeIgnored || len(d.Findings) != 1 || d.Findings[0].Code != elfdiff.CodeExport {
		t.Errorf("outcome %s, findings %v", d.Outcome(), d.Findings)
	}
}
