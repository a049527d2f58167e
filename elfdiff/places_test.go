package elfdiff

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// undefinedSource does all sorts of things that -fsanitize=undefined watches.
const undefinedSource = `
struct s { long a; int b[4]; _Bool c; };
enum e { one = 1, two = 2 };
int arr[8]; extern void *given(void) __attribute__((returns_nonnull));
extern void take(const void *) __attribute__((nonnull));
long shift(long n) { return arr[n & 15] + (n << (n & 127)) + 1; }
int add(int a, int b) { int v[a]; v[0] = a * b; return v[0] / b - b; }
long member(struct s *p, int i) { return p->b[i] + p->a + p->c; }
int convert(double d) { return (int)d + __builtin_ctz((unsigned)d); }
const char *point(const char *p, long n) { return p + n; }
void *result(const void *p) { take(p); return given(); }
int unreached(int x) { if (x > 3) __builtin_unreachable(); return -x; }
`

// TestUndefined moves the lines of a source whose records about undefined behaviour
// say where it is, and changes one function of it.
func TestUndefined(t *testing.T) {
	testenv.Need(t, "gcc")
	kernel := []string{"-mcmodel=kernel", "-fno-pic", "-fno-asynchronous-unwind-tables", "-mno-red-zone"}
	for _, b := range builds() {
		for i, extra := range [][]string{{"-fsanitize=undefined"}, append(kernel, "-fsanitize=shift,bounds,bool,enum,alignment,unreachable")} {
			if i == 1 && b.has("fPIC") {
				continue
			}
			t.Run(b.String()+"/"+extra[0], func(t *testing.T) {
				t.Parallel()
				b := build{b.cc, slices.Concat(b.flags, extra)}
				dir := t.TempDir()
				pre := b.compile(t, filepath.Join(dir, "pre"), "unit.c", undefinedSource)
				d := mustCompare(t, pre, b.compile(t, filepath.Join(dir, "post"), "unit.c", blank+undefinedSource))
				if d.Outcome() != OutcomeSame || len(d.SetAside()) < 5 {
					t.Errorf("%v, %d lines were set aside\n%s", d.Outcome(), len(d.SetAside()), report(d))
				}
				changed := strings.Replace(blank+undefinedSource, "p->a + p->c", "p->a * p->a + p->c", 1)
				d = mustCompare(t, pre, b.compile(t, filepath.Join(dir, "changed"), "unit.c", changed))
				if got := strings.Join(verdicts(d), ", "); d.Outcome() != OutcomeCarried || !strings.HasPrefix(got, "changed member") {
					t.Errorf("changed: %v: %s\n%s", d.Outcome(), got, report(d))
				}
				checkExtract(t, d, dir)
			})
		}
	}
}

// recordSource has records as the Linux kernel makes them of messages.
const recordSource = `
struct ddebug { const char *modname, *function, *filename, *format; unsigned lineno : 18, OPTIONAL flags : 8; KEY };
struct pi { const char *fmt, *func, *file; unsigned line; const char *level, *prefix; } __attribute__((packed));
struct tag { unsigned flags, lineno; const char *modname, *function, *filename; };
extern void show(const struct ddebug *, int), count(struct tag *);
extern int enabled(const void *);
#define DEBUG(x) ({ static struct ddebug __attribute__((section(SECTION), aligned(8))) descriptor = { "mod", __func__, __FILE__, "x", __LINE__ }; \
	if (enabled(&descriptor)) show(&descriptor, x); })
#define PRINT(f) ({ static const struct pi _entry __attribute__((used)) = { f, __func__, __FILE__, __LINE__, "3", 0 }; \
	static const struct pi *_entry_ptr __attribute__((used, section(".printk_index"))) = &_entry; })
#define COUNT ({ static struct tag _alloc_tag __attribute__((used, aligned(8), section("alloc_tags"))) = { 0, __LINE__, "mod", __func__, __FILE__ }; count(&_alloc_tag); })
int f(int x) { DEBUG(x); PRINT("one"); return x * 3; }
int g(int x) { DEBUG(x); DEBUG(x + 1); PRINT("two"); PRINT("three"); COUNT; return x * 5; }
`

// TestRecords moves the lines of a source with records of the kernel's, and changes
// what they say otherwise.
func TestRecords(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "gcc")
	head := func(section, optional, key string) string {
		return "#define SECTION \"" + section + "\"\n#define OPTIONAL " + optional + "\n#define KEY " + key + "\n"
	}
	for _, c := range []struct{ name, head string }{
		{"old", head("__verbose", "", "")},
		{"key", head("__dyndbg", "", "struct { long n, m; } key;")},
		{"class", head("__dyndbg", "class_id : 6,", "struct { long n, m; } key;")},
	} {
		for _, cc := range []build{{"gcc", []string{"-O2"}}, {"gcc", []string{"-Os", "-g", "-ffunction-sections", "-fdata-sections"}}, {"clang-14", []string{"-O2"}}} {
			if cc.cc != "gcc" {
				testenv.Need(t, cc.cc)
			}
			t.Run(c.name+"/"+cc.String(), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				compare := func(name, text string) *Diff {
					return compareTables(t, cc.compile(t, dir+"/pre", "unit.c", c.head+recordSource), cc.compile(t, filepath.Join(dir, name), "unit.c", text))
				}
				if d := compare("lines", blank+c.head+recordSource); d.Outcome() != OutcomeSame || len(d.SetAside()) != 7 {
					t.Errorf("%v, %d lines were set aside, not 7\n%s", d.Outcome(), len(d.SetAside()), report(d))
				}
				for from, to := range map[string]string{`"x", __LINE__`: `"y", __LINE__`, `PRINT("two")`: `PRINT("zwo")`, `{ 0, __LINE__, "mod"`: `{ 1, __LINE__, "mod"`} {
					if d := compare("other", c.head+strings.Replace(recordSource, from, to, 1)); d.Outcome() == OutcomeSame {
						t.Errorf("%s for %s: no change", to, from)
					}
				}
			})
		}
	}
}

// TestMovedRecord moves a message into another function: that is another message, although it says the
// same, and the table of static branches leads to both.
func TestMovedRecord(t *testing.T) {
	testenv.Need(t, "gcc")
	const pre = `
struct ddebug { const char *modname, *function, *filename, *format; unsigned lineno; struct { long n, m; } key; };
extern void show(const struct ddebug *, int);
#define DEBUG(x) ({ static struct ddebug __attribute__((section("__dyndbg"), aligned(8))) __UNIQUE_ID_ddebug7 = { "mod", __func__, __FILE__, "x", __LINE__ }; \
	asm goto("1: .byte 0x66, 0x90\n.pushsection __jump_table,\"aw\"\n.balign 8\n.long 1b - ., %l[on] - .\n.quad %c0 - .\n.popsection" \
		:: "i"(&__UNIQUE_ID_ddebug7.key) :: on); if (0) { on: show(&__UNIQUE_ID_ddebug7, x); } })
int f(int x) { DEBUG(x); return x * 3; }
`
	b := build{"gcc", []string{"-O2", "-fno-pic", "-mcmodel=kernel"}}
	dir := t.TempDir()
	const there = "static __attribute__((noinline)) void h(int x) { DEBUG(x); }\nint f(int x) { h(x); return"
	d := compareTables(t, b.compile(t, dir+"/pre", "unit.c", pre), b.compile(t, dir+"/post", "unit.c", strings.Replace(pre, "int f(int x) { DEBUG(x); return", there, 1)))
	if got := strings.Join(verdicts(d), ", "); d.Outcome() != OutcomeCarried || !strings.Contains(got, "new h") || strings.Contains(got, "changed __UNIQUE") {
		t.Errorf("%v: %s\n%s", d.Outcome(), got, report(d))
	}
}

func compareTables(t *testing.T, pre, post string) *Diff {
	t.Helper()
	d, err := Compare(mustOpen(t, pre), mustOpen(t, post), Options{Tables: true})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestPanicLocations moves the lines of a source in Rust.
func TestPanicLocations(t *testing.T) {
	testenv.Need(t, "rustc")
	const src = "#![crate_type = \"lib\"]\n#[no_mangle] pub fn pick(a: &[u32], i: usize) -> u32 { a[i] / a[i + 1] }\n" +
		"#[no_mangle] pub fn get(a: Option<u32>) -> u32 { a.unwrap() + 3 }\n"
	compile := func(text string) string {
		path := filepath.Join(t.TempDir(), "unit.rs")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		obj := filepath.Join(filepath.Dir(path), "unit.o")
		run(t, "rustc", "-O", "--emit=obj", "--remap-path-prefix="+filepath.Dir(path)+"=.", path, "-o", obj)
		return obj
	}
	pre := compile(src)
	if d := mustCompare(t, pre, compile(blank+src)); d.Outcome() != OutcomeSame || len(d.SetAside()) == 0 {
		t.Errorf("%v, %d lines were set aside\n%s", d.Outcome(), len(d.SetAside()), report(d))
	}
	if d := mustCompare(t, pre, compile(blank+strings.Replace(src, "+ 3", "+ 4", 1))); d.Outcome() != OutcomeCarried {
		t.Errorf("%v\n%s", d.Outcome(), report(d))
	}
}
