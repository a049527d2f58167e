package elfdiff_test

import (
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// sides has what is in post alone, and in pre alone.
const sides = `
#ifdef POST
#define DO(...) __VA_ARGS__
#define NOT(...)
#else
#define DO(...)
#define NOT(...) __VA_ARGS__
#endif
`

// halves is in front of cases with two functions, of which each may have its part in post alone, or in pre.
const halves = `
extern void mutex_lock(void *), mutex_unlock(void *), down(void *), up(void *), __rcu_read_lock(void), __rcu_read_unlock(void);
extern void rtnl_lock(void), rtnl_unlock(void), _raw_spin_lock(void *), _raw_spin_unlock(void *), work2(void);
static long a[4], b[4];
` + sides

// refs is in front of cases with references.
const refs = "extern void *get_device(void *), put_device(void *), work2(void);" + sides

// memory declares what allocates, and what frees.
const memory = "extern void *kmalloc_trace(long), *vmalloc(long), *kvmalloc_node(long); extern void kfree(void *), vfree(void *), kvfree(void *), work2(void *); struct s { long x; void *buf; };"

// hazardCases compare well, and may do harm once they run: POST is defined in post.
var hazardCases = []struct {
	name, text string
	says       string // what needs judgement: CODE SYMBOL
}{
	{"a variable of another name", "#ifdef POST\n#define list waiting\n#endif\nstatic long list[2]; long *add(long x) { list[x & 1] += x; return list; }", "ambiguous-static waiting"},
	{"a variable that goes into a structure", "#ifdef POST\nstatic struct { int count, limit; } s;\n#define count s.count\n#else\nstatic int count;\n#endif\nint add(int x) { return count += x; }", "ambiguous-static s"},
	{"two, told by their size", "#ifdef POST\nstatic long sum; static char flag;\n#else\nstatic char set; static long total;\n#define sum total\n#define flag set\n#endif\nlong add(long x) { flag = 1; return sum += x; }", "ambiguous-static flag\nambiguous-static sum"},
	{"one that is gone", "static int count; int add(int x) {\n#ifndef POST\ncount += x; return x + count;\n#else\nreturn x + 1;\n#endif\n}", ""},
	{"one that is new", "static int count; int add(int x) {\n#ifdef POST\ncount += x; return x + count;\n#else\nreturn x + 1;\n#endif\n}", ""},
	{"one for another, in another function", "static int a, b;\nint f(int x) {\n#ifndef POST\na += x;\n#endif\nreturn x;\n}\nint g(int x) {\n#ifdef POST\nb += x;\n#endif\nreturn x + 1;\n}", ""},
	{"a flag of a message", "#define FLAG(n) static char PUT(\".data.once\") n\n#ifdef POST\n#define warned shown\n#endif\nFLAG(warned); int f(int x) { if (x < 0 && !warned) { warned = 1; return 5; } return x; }", ""},
	{"constants of other names", "#ifdef POST\n#define table rows\nint more = 3;\n#endif\nstatic const int table[] = { 1, 2, 3, 4 }; int f(int x) { return table[x & 3]\n#ifdef POST\n+ 1\n#endif\n; }", ""},

	{"what the start would set", "static char *buffer; extern char *get(void); char f(int x) {\n#ifdef POST\nreturn buffer[x];\n#else\nreturn x;\n#endif\n}\nint __init start(void) {\n#ifdef POST\nbuffer = get();\n#endif\nreturn 0;\n}", "start-state buffer"},
	{"what a new function for the start would set", "#ifdef POST\nstatic char *buffer; extern char *get(void); int __init more(void) { buffer = get(); return 0; } static void *PUT(\".initcall6.init\") call = more;\n#endif\nchar f(int x) {\n#ifdef POST\nreturn buffer[x];\n#else\nreturn x;\n#endif\n}", "start-state buffer"},
	{"what a function sets that the start alone calls", "#ifdef POST\nstatic char *buffer; extern char *get(void); static __attribute__((noinline)) int setup(void) { buffer = get(); return 0; }\n#endif\nchar f(int x) {\n#ifdef POST\nreturn buffer[x];\n#else\nreturn x;\n#endif\n}\nint __init start(void) {\n#ifdef POST\nreturn setup();\n#endif\nreturn 0;\n}", "start-state buffer"},
	{"what a function sets that others call too", "#ifdef POST\nstatic char *buffer; extern char *get(void); static __attribute__((noinline)) int setup(void) { buffer = get(); return 0; }\n#endif\nchar f(int x) {\n#ifdef POST\nif (!buffer) setup(); return buffer[x];\n#else\nreturn x;\n#endif\n}\nint __init start(void) {\n#ifdef POST\nreturn setup();\n#endif\nreturn 0;\n}", ""},
	{"what a function sets that the start registers", "#ifdef POST\nstatic char *buffer; extern char *get(void), *put(void *); static __attribute__((noinline)) int setup(void) { buffer = get(); return 0; }\n#endif\nchar f(int x) {\n#ifdef POST\nreturn buffer[x];\n#else\nreturn x;\n#endif\n}\nint __init start(void) {\n#ifdef POST\nput(setup);\n#endif\nreturn 0;\n}", "start-state buffer"},
	{"what a function sets that old code registers", sides + "extern char *get(void), *put(void *); static char *buffer; static __attribute__((noinline)) int setup(void) { buffer = get(); return NOT(1) DO(2); } char f(int x) { return buffer[x DO(+ 1)]; }\nint __init start(void) { put(setup); return 0; }", ""},
	{"what a notifier of the start sets", sides + "extern char *get(void), *put(void *); DO(static char *buffer; static int call(void) { buffer = get(); return 0; } static struct { long pad; int (*f)(void); } nb = { 1, call };) char f(int x) { return DO(buffer[x]) NOT(x); }\nint __init start(void) { DO(put(&nb);) return 0; }", "start-state buffer"},
	{"what is named in an object of the start", sides + "extern char *put(void *); DO(static int id; static struct { long pad; int *id; } ops = { 1, &id };) char *f(char **x) { return x[DO(id) NOT(1)]; }\nint __init start(void) { DO(put(&ops);) return 0; }", "start-state id"},
	{"a number for sysctl", sides + "extern char *put(void *); struct ctl_table { long pad; int *id; }; DO(static int id; static struct ctl_table ops[] = { { 1, &id } };) char *f(char **x) { return x[DO(id) NOT(1)]; }\nint __init start(void) { DO(put(&ops);) return 0; }", ""},
	{"what a notifier of the start reads", sides + "extern int *put(void *), work2(int); DO(static int count; static int call(void) { return work2(count); } static struct { long pad; int (*f)(void); } nb = { 1, call };) int f(int x) { DO(count++;) return x; }\nint __init start(void) { DO(put(&nb);) return 0; }", ""},
	{"what exists, and a notifier of the start sets too", sides + "extern int *put(void *), work2(int); static int count; DO(static int call(void) { count = 0; return 0; } static struct { long pad; int (*f)(void); } nb = { 1, call };) int f(int x) { count += x; return count DO(+ 1); } int g(void) { return count; }\nint __init start(void) { DO(put(&nb);) return 0; }", "start-state count"},
	{"what the start would set, and a callback sets too", "#ifdef POST\nstatic char *buffer; extern char *get(void); int __init more(void) { buffer = get(); return 0; }\nstatic int fill(void *o) { buffer = get(); return 0; } static void *PUT(\".kpatch.callbacks.pre_patch\") hook = fill;\n#endif\nchar f(int x) {\n#ifdef POST\nreturn buffer[x];\n#else\nreturn x;\n#endif\n}", ""},
	{"an option of the command line", "#ifdef POST\nstatic int limit = 5; int __init set(char *s) { limit = *s; return 1; } static void *PUT(\".init.setup\") option = set;\n#endif\nint f(int x) {\n#ifdef POST\nreturn x > limit;\n#else\nreturn x;\n#endif\n}", ""},
	{"a table that the start would make larger", "static char *table; extern char *get(int); int __init start(void) {\n#ifdef POST\ntable = get(200);\n#else\ntable = get(100);\n#endif\nreturn 0; }\nchar f(int x) { return table[x\n#ifdef POST\n* 2\n#endif\n]; }", "start-state table"},
	{"the start says it by another name", "static char *table; extern char *get(int), *take(int); int __init start(void) {\n#ifdef POST\ntable = take(100);\n#else\ntable = get(100);\n#endif\nreturn 0; }\nchar f(int x) { return table[x\n#ifdef POST\n* 2\n#endif\n]; }", ""},
	{"the start, and what others use", "static int used, other; int __init start(void) {\n#ifdef POST\nother = 7;\n#endif\nreturn 0; }\nint g(void) { return other; }\nint f(int x) { return used += x\n#ifdef POST\n* 2\n#endif\n; }", ""},

	{"another kind of lock, which another function gives back", "extern void mutex_lock(void *), mutex_unlock(void *), down_read(void *), up_read(void *), work2(void); static long a[4], b[4];\n#ifdef POST\n#define down_read mutex_lock\n#define up_read mutex_unlock\n#endif\nvoid start(void) { down_read(a); work2(); } void stop(void) { work2(); up_read(a); work2(); }", "lock-pairs start\nlock-pairs stop"},
	{"another lock, which another function gives back", "extern void mutex_lock(void *), mutex_unlock(void *), down_read(void *), up_read(void *), work2(void); static long a[4], b[4];\n#ifdef POST\n#define a b\n#endif\nvoid start(void) { mutex_lock(a); work2(); } void stop(void) { work2(); mutex_unlock(a); work2(); }", "lock-pairs start\nlock-pairs stop"},
	{"another lock, given back at once", "extern void mutex_lock(void *), mutex_unlock(void *), down_read(void *), up_read(void *), work2(void); static long a[4], b[4];\n#ifdef POST\n#define a b\n#endif\nvoid f(void) { mutex_lock(a); work2(); mutex_unlock(a); work2(); }", "other-lock f"},
	{"the lock that others take", halves + "static int n; void f(void) { mutex_lock(DO(a) NOT(b)); n += 1; work2(); mutex_unlock(DO(a) NOT(b)); work2(); } void g(void) { mutex_lock(a); n += 2; work2(); mutex_unlock(a); work2(); }", ""},
	{"two that go over to the lock that others take", halves + "static int n; void f(void) { mutex_lock(DO(a) NOT(b)); n += 1; work2(); mutex_unlock(DO(a) NOT(b)); work2(); } void g(void) { mutex_lock(a); n += 2; work2(); mutex_unlock(a); work2(); } void h(void) { mutex_lock(DO(a) NOT(b)); n += 3; work2(); mutex_unlock(DO(a) NOT(b)); work2(); }", "other-lock f\nother-lock h"},
	{"one lock more", halves + "static int n; void f(void) { DO(mutex_lock(a);) mutex_lock(b); n += 1; work2(); mutex_unlock(b); work2(); DO(mutex_unlock(a);) }", ""},
	{"one lock less", halves + "static int n; void f(void) { NOT(mutex_lock(a);) mutex_lock(b); n += 1; work2(); mutex_unlock(b); work2(); NOT(mutex_unlock(a);) }", ""},
	{"a lock for RTNL", halves + "static int n; void f(void) { NOT(rtnl_lock()) DO(mutex_lock(a)); n += 1; work2(); NOT(rtnl_unlock()) DO(mutex_unlock(a)); work2(); }", "other-lock f"},
	{"RCU for a lock, for which nobody waited", halves + "extern void synchronize_rcu(void); static int n; void get(void) { NOT(mutex_lock(a)) DO(__rcu_read_lock()); work2(); NOT(mutex_unlock(a)) DO(__rcu_read_unlock()); n++; } void drop(void) { mutex_lock(a); work2(); mutex_unlock(a); DO(synchronize_rcu();) n--; }", "other-lock get"},
	{"RCU for a lock, for which they waited already", halves + "extern void synchronize_rcu(void); static int n; void get(void) { NOT(mutex_lock(a)) DO(__rcu_read_lock()); work2(); NOT(mutex_unlock(a)) DO(__rcu_read_unlock()); n++; } void drop(void) { mutex_lock(a); work2(); mutex_unlock(a); synchronize_rcu(); DO(work2();) n--; }", ""},
	{"RCU where there was no lock", halves + "extern void synchronize_rcu(void); static int n; void get(void) { DO(__rcu_read_lock()); work2(); DO(__rcu_read_unlock()); n++; } void drop(void) { mutex_lock(a); work2(); mutex_unlock(a); DO(synchronize_rcu();) n--; }", ""},
	{"a lock in a structure for RTNL", halves + "static int n; void f(long *x) { NOT(rtnl_lock()) DO(mutex_lock(x)); n += 1; work2(); NOT(rtnl_unlock()) DO(mutex_unlock(x)); work2(); }", "other-lock f"},
	{"a lock in a structure for RTNL, which another one takes already", halves + "static int n; void f(long *x) { NOT(rtnl_lock()) DO(mutex_lock(x)); n += 1; work2(); NOT(rtnl_unlock()) DO(mutex_unlock(x)); work2(); } void g(long *x) { mutex_lock(x); n += 2; work2(); mutex_unlock(x); work2(); }", ""},
	{"locks in structures of the same kind", halves + "static int n; void f(long *x) { mutex_lock(x DO(+ 5)); n += 1; work2(); mutex_unlock(x DO(+ 5)); work2(); }", ""},
	{"a semaphore for writing that was for reading", halves + "extern void down_read(void *), up_read(void *), down_write(void *), up_write(void *); static int n; void f(long *x) { NOT(down_read(x)) DO(down_write(x)); n += 1; work2(); NOT(up_read(x)) DO(up_write(x)); work2(); }", ""},
	{"a named lock for one in a structure", halves + "static int n; void f(long *x) { mutex_lock(NOT(a) DO(x)); n += 1; work2(); mutex_unlock(NOT(a) DO(x)); work2(); }", ""},
	{"a lock of a function, of another number", halves + "DO(int before(int x) { static long l[4]; mutex_lock(l); work2(); mutex_unlock(l); return x; }) void f(int x) { static long l[4]; mutex_lock(l); work2(); DO(work2();) mutex_unlock(l); work2(); }", ""},
	{"another spinlock, given back at once", halves + "static int n, c, d; void f(void) { _raw_spin_lock(DO(&c) NOT(&d)); n += 1; _raw_spin_unlock(DO(&c) NOT(&d)); work2(); } void g(void) { _raw_spin_lock(DO(&c) NOT(&d)); n += 2; _raw_spin_unlock(DO(&c) NOT(&d)); work2(); } void *h(void) { return DO(&d) NOT(&c); }", "other-lock f\nother-lock g"},
	{"a lock that is new", "extern void mutex_lock(void *), mutex_unlock(void *), down_read(void *), up_read(void *), work2(void); static long a[4], b[4];\nvoid f(void) {\n#ifdef POST\nmutex_lock(a);\n#endif\nwork2();\n#ifdef POST\nmutex_unlock(a);\n#endif\nwork2(); }", ""},
	{"a lock that is not given back any more", "extern void mutex_lock(void *), mutex_unlock(void *), down_read(void *), up_read(void *), work2(void); static long a[4], b[4];\nvoid f(int x) { mutex_lock(a); work2();\n#ifndef POST\nmutex_unlock(a);\n#endif\nwork2(); }", ""},
	{"a function that takes a lock, inlined", "extern void mutex_lock(void *), mutex_unlock(void *), down_read(void *), up_read(void *), work2(void); static long a[4], b[4];\n#ifdef POST\n#define HOW inline __attribute__((always_inline))\n#else\n#define HOW __attribute__((noinline))\n#endif\nstatic HOW void take(void) { mutex_lock(a); work2(); } void f(void) { take(); work2(); mutex_unlock(a); work2(); }", ""},
	{"another spinlock, which another function gives back", "extern void _raw_spin_lock(void *), _raw_spin_unlock(void *), work2(void); static long a[4], b[4];\n#ifdef POST\n#define a b\n#endif\nvoid start(void) { _raw_spin_lock(a); work2(); } void stop(void) { work2(); _raw_spin_unlock(a); work2(); }", "lock-pairs start\nlock-pairs stop"},
	{"a new spinlock, given back in the function itself", "extern void _raw_spin_lock_irq(void *), work2(void); static long a[4];\nvoid f(void) {\n#ifdef POST\n_raw_spin_lock_irq(a);\n#endif\nwork2();\n#ifdef POST\n*(volatile char *)a = 0;\n#endif\n }", ""},
	{"a half that stays", "extern void mutex_lock(void *), mutex_unlock(void *), down_read(void *), up_read(void *), work2(void); static long a[4], b[4];\nvoid start(int x) { mutex_lock(a); work2();\n#ifdef POST\nwork2();\n#endif\n }", ""},

	{"a reference that is taken now, and given back elsewhere", "extern void *get_device(void *), put_device(void *), work2(void); extern void refcount_warn_saturate(int *, int); static int n; static inline void inc(int *r) { if (__builtin_expect(__sync_fetch_and_add(r, 1) <= 0, 0)) refcount_warn_saturate(r, 2); } static inline void dec(int *r) { if (__builtin_expect(__sync_fetch_and_add(r, -1) <= 1, 0)) refcount_warn_saturate(r, 3); }\nvoid start(void *d) {\n#ifdef POST\nget_device(d);\n#endif\nwork2(); } void stop(void *d) { work2();\n#ifdef POST\nput_device(d);\n#endif\nwork2(); }", "reference-pairs stop"},
	{"a count that is raised now, and lowered elsewhere", "extern void *get_device(void *), put_device(void *), work2(void); extern void refcount_warn_saturate(int *, int); static int n; static inline void inc(int *r) { if (__builtin_expect(__sync_fetch_and_add(r, 1) <= 0, 0)) refcount_warn_saturate(r, 2); } static inline void dec(int *r) { if (__builtin_expect(__sync_fetch_and_add(r, -1) <= 1, 0)) refcount_warn_saturate(r, 3); }\nvoid start(int *d) {\n#ifdef POST\ninc(d);\n#endif\nwork2(); } void stop(int *d) { work2();\n#ifdef POST\ndec(d);\n#endif\nwork2(); }", "reference-pairs stop"},
	{"a count that is raised and lowered no more", "extern void *get_device(void *), put_device(void *), work2(void); extern void refcount_warn_saturate(int *, int); static int n; static inline void inc(int *r) { if (__builtin_expect(__sync_fetch_and_add(r, 1) <= 0, 0)) refcount_warn_saturate(r, 2); } static inline void dec(int *r) { if (__builtin_expect(__sync_fetch_and_add(r, -1) <= 1, 0)) refcount_warn_saturate(r, 3); }\nvoid start(int *d) {\n#ifndef POST\ninc(d);\n#endif\nwork2(); } void stop(int *d) { work2();\n#ifndef POST\ndec(d);\n#endif\nwork2(); }", "reference-pairs stop"},
	{"a reference that was not given back", "extern void *get_device(void *), put_device(void *), work2(void); extern void refcount_warn_saturate(int *, int); static int n; static inline void inc(int *r) { if (__builtin_expect(__sync_fetch_and_add(r, 1) <= 0, 0)) refcount_warn_saturate(r, 2); } static inline void dec(int *r) { if (__builtin_expect(__sync_fetch_and_add(r, -1) <= 1, 0)) refcount_warn_saturate(r, 3); }\nvoid stop(void *d) { work2();\n#ifdef POST\nput_device(d);\n#endif\nwork2(); } void start(void *d) { get_device(d); work2(); }", ""},
	{"a reference taken and given back in one function", "extern void *get_device(void *), put_device(void *), work2(void); extern void refcount_warn_saturate(int *, int); static int n; static inline void inc(int *r) { if (__builtin_expect(__sync_fetch_and_add(r, 1) <= 0, 0)) refcount_warn_saturate(r, 2); } static inline void dec(int *r) { if (__builtin_expect(__sync_fetch_and_add(r, -1) <= 1, 0)) refcount_warn_saturate(r, 3); }\nvoid f(int *d) {\n#ifdef POST\ninc(d);\n#endif\nwork2();\n#ifdef POST\ndec(d);\n#endif\nwork2(); } void g(int *d) { work2();\n#ifdef POST\ndec(d);\n#endif\nwork2(); }", ""},
	{"a reference taken by a function, and given back by one that it calls", "extern void *get_device(void *), put_device(void *), work2(void); extern void refcount_warn_saturate(int *, int); static int n; static inline void inc(int *r) { if (__builtin_expect(__sync_fetch_and_add(r, 1) <= 0, 0)) refcount_warn_saturate(r, 2); } static inline void dec(int *r) { if (__builtin_expect(__sync_fetch_and_add(r, -1) <= 1, 0)) refcount_warn_saturate(r, 3); }\n__attribute__((noinline)) void stop(void *d) { work2();\n#ifdef POST\nput_device(d);\n#endif\nwork2(); } void start(void *d) {\n#ifdef POST\nget_device(d);\n#endif\nstop(d); work2(); }", ""},

	{"a reference that is given back later than before", refs + "void stop(void *d, void *e) { work2(); put_device(d); NOT(put_device(e);) work2(); } void gone(void *d, void *e) { work2(); put_device(d); DO(put_device(e);) work2(); }", "reference-pairs gone"},
	{"a reference that is taken earlier than before", refs + "void *bus_find_device(void *); void start(void *d, void *e) { get_device(d); DO(get_device(e);) work2(); } void stop(void *d, void *e) { NOT(e = bus_find_device(d);) work2(); put_device(d); put_device(e); work2(); }", "reference-pairs start"},
	{"a reference that is given back by who called before", refs + "__attribute__((noinline)) void gone(void *d, void *e) { work2(); put_device(d); NOT(put_device(e);) work2(); } void stop(void *d, void *e) { gone(d, e); work2(); DO(put_device(e);) work2(); }", ""},
	{"references that were missing in two functions", refs + "void stop(void *d, int x) { work2(); if (x) { work2(); DO(put_device(d);) return; } put_device(d); } void gone(void *d, int x) { work2(); if (x) { work2(); DO(put_device(d);) return; } put_device(d); }", ""},
	{"a reference too many, and another kind that was missing", refs + "void iput(void *); void stop(void *d) { work2(); put_device(d); NOT(put_device(d);) work2(); } void gone(void *d) { work2(); put_device(d); DO(iput(d);) work2(); }", ""},

	{"a lock for a comparison that exchanges", halves + "static long n, held[2]; void f(long x) { DO(_raw_spin_lock(held); if (!n) n = x; _raw_spin_unlock(held);) NOT(__sync_bool_compare_and_swap(&n, 0, x);) work2(); } void g(void) { DO(_raw_spin_lock(held); n = 0; _raw_spin_unlock(held);) NOT(__atomic_exchange_n(&n, 0, __ATOMIC_SEQ_CST);) work2(); }", "other-lock f\nother-lock g"},
	{"a lock beside one that stays", halves + "static long n, held[2]; void f(long x) { DO(_raw_spin_lock(held);) __sync_bool_compare_and_swap(&n, 0, x); DO(_raw_spin_unlock(held);) work2(); }", ""},
	{"an exchange that is gone, without a lock", halves + "static long n; void f(long x) { DO(n = x;) NOT(__sync_bool_compare_and_swap(&n, 0, x);) work2(); }", ""},
	{"a lock of a kind that was there", halves + "static long n; void f(long x, long *l) { mutex_lock(l); DO(n = x;) NOT(__sync_bool_compare_and_swap(&n, 0, x);) work2(); mutex_unlock(l); work2(); }", ""},

	{"a lock that is taken now, and given back elsewhere", halves + "void start(void) { DO(mutex_lock(a);) work2(); } void stop(void) { work2(); DO(mutex_unlock(a);) work2(); }", "lock-pairs stop"},
	{"a lock beside another one", halves + "void start(void) { mutex_lock(b); work2(); mutex_unlock(b); DO(mutex_lock(a);) work2(); } void stop(void) { work2(); DO(mutex_unlock(a);) work2(); mutex_lock(b); work2(); mutex_unlock(b); work2(); }", "lock-pairs stop"},
	{"a lock that is taken and given back no more", halves + "void start(void) { NOT(rtnl_lock();) work2(); } void stop(void) { work2(); NOT(rtnl_unlock();) work2(); }", "lock-pairs stop"},
	{"RCU from one function to the next", halves + "void start(void) { DO(__rcu_read_lock();) work2(); } void stop(void) { work2(); DO(__rcu_read_unlock();) work2(); }", "lock-pairs stop"},
	{"a semaphore from one function to the next", halves + "void start(void) { DO(down(a);) work2(); } void stop(void) { work2(); DO(up(a);) work2(); }", "lock-pairs stop"},
	{"a semaphore that two functions take and give back", halves + "void start(void) { DO(down(a);) work2(); DO(up(a);) work2(); } void stop(void) { DO(down(a);) work2(); DO(up(a);) work2(); }", ""},
	{"a spinlock, with which nobody sleeps", halves + "void start(void) { DO(_raw_spin_lock(a);) work2(); } void stop(void) { work2(); DO(_raw_spin_unlock(a);) work2(); }", ""},
	{"a lock given back that another one took, by a function that calls it", halves + "__attribute__((noinline)) void take(void) { DO(mutex_lock(a);) work2(); } void f(void) { take(); work2(); DO(mutex_unlock(a);) work2(); }", ""},
	{"a lock that two functions take and give back, of which the code names one half", halves + "void start(void) { DO(long *l = a; asm volatile(\"\" : \"+r\"(l)); mutex_lock(a); work2(); mutex_unlock(l);) work2(); } void stop(void) { DO(mutex_lock(a); work2(); mutex_unlock(a);) work2(); }", ""},
	{"the same with the other half", halves + "void start(void) { DO(mutex_lock(a); work2(); mutex_unlock(a);) work2(); } void stop(void) { DO(long *l = a; asm volatile(\"\" : \"+r\"(l)); mutex_lock(l); work2(); mutex_unlock(a);) work2(); }", ""},
	{"a missing half in each of two functions", halves + "void f(int x) { mutex_lock(a); work2(); DO(mutex_unlock(a);) work2(); } void g(int x) { DO(mutex_lock(a);) work2(); mutex_unlock(a); work2(); }", ""},
	{"a counter that is raised now, and lowered elsewhere", halves + "static int users; void start(void) { DO(__sync_fetch_and_add(&users, 1);) work2(); } void stop(void) { work2(); DO(if (__sync_sub_and_fetch(&users, 1) < 0) work2();) work2(); }", "reference-pairs stop"},
	{"a counter in a structure", halves + "struct s { long pad; int open; }; void start(struct s *s) { DO(s->open++;) work2(); } void stop(struct s *s) { work2(); DO(s->open--;) work2(); }", "reference-pairs stop"},
	{"a counter that pre counts by a carry, and post by steps", halves + "struct s { long pad; long open; }; void start(struct s *s, unsigned x) { DO(if (x > 4) { asm volatile(\"\"); s->open++; }) NOT(s->open += x > 4;) work2(); } void stop(struct s *s, unsigned x) { DO(if (x > 4) { asm volatile(\"\"); s->open--; }) NOT(s->open -= x > 4;) work2(); }", ""},
	{"a counter that pre adds up in a register", halves + "struct s { long pad; long open; }; void start(struct s *s) { DO(s->open++;) NOT(long n = s->open; n++; work2(); s->open = n;) work2(); } void stop(struct s *s) { DO(s->open--;) NOT(long n = s->open; n--; work2(); s->open = n;) work2(); }", ""},
	{"counters in other places", halves + "struct s { long pad; int open, shut; }; void start(struct s *s) { DO(s->open++;) work2(); } void stop(struct s *s) { work2(); DO(s->shut--;) work2(); }", ""},
	{"a counter raised and lowered in a function", halves + "struct s { long pad; int open; }; void start(struct s *s) { DO(s->open++;) work2(); DO(s->open--;) work2(); } void stop(struct s *s) { work2(); DO(s->open--;) work2(); }", ""},

	{"a callback of another name, for each of something", "extern int work2(int), vlan_for_each(void *, int (*)(int), void *);\n#ifdef POST\n#define NAME tock\n#define ADD 1\n#else\n#define NAME tick\n#define ADD 2\n#endif\nstatic int NAME(int x) { return work2(x + ADD); } void f(void *d) { vlan_for_each(d, NAME, (void *)0); work2(3); }", ""},
	{"a callback of another name, which has been registered", "extern void setup(void *, void (*)(int)), sort(void *, long, long, int (*)(const void *, const void *), void *); extern int work2(int);\n#ifdef POST\n#define OLD(x)\n#define NEW(x) x\n#else\n#define OLD(x) x\n#define NEW(x)\n#endif\nstatic void OLD(tick) NEW(tock)(int x) { work2(x + (NEW(1) OLD(2))); } void f(void *t) { setup(t, OLD(tick) NEW(tock)); work2(3); }", "old-callback tick"},
	{"a callback that the start has registered", "extern void setup(void *, void (*)(int)), sort(void *, long, long, int (*)(const void *, const void *), void *); extern int work2(int);\n#ifdef POST\n#define OLD(x)\n#define NEW(x) x\n#else\n#define OLD(x) x\n#define NEW(x)\n#endif\nstatic void OLD(tick) NEW(tock)(int x) { work2(x + (NEW(1) OLD(2))); } int __init f(void) { setup((void *)1, OLD(tick) NEW(tock)); return work2(3); } int g(int x) { return work2(x NEW(+ 1)); }", "old-callback tick"},
	{"a callback that is registered no more", "extern void setup(void *, void (*)(int)), sort(void *, long, long, int (*)(const void *, const void *), void *); extern int work2(int);\n#ifdef POST\n#define OLD(x)\n#define NEW(x) x\n#else\n#define OLD(x) x\n#define NEW(x)\n#endif\nOLD(static void tick(int x) { work2(x + 2); }) void f(void *t) { OLD(setup(t, tick);) work2(3); work2(4); }", "old-callback tick"},
	{"a callback in a structure", "extern void setup(void *, void (*)(int)), sort(void *, long, long, int (*)(const void *, const void *), void *); extern int work2(int);\n#ifdef POST\n#define OLD(x)\n#define NEW(x) x\n#else\n#define OLD(x) x\n#define NEW(x)\n#endif\nstruct s { long pad; void (*call)(int); }; static void OLD(tick) NEW(tock)(int x) { work2(x + (NEW(1) OLD(2))); } void f(struct s *t) { t->call = OLD(tick) NEW(tock); work2(3); }", "old-callback tick"},
	{"a callback of another name, which is called once, and soon", "extern void call_rcu(void *, void (*)(int)), sort(void *, long, long, int (*)(const void *, const void *), void *); extern int work2(int);\n#ifdef POST\n#define OLD(x)\n#define NEW(x) x\n#else\n#define OLD(x) x\n#define NEW(x)\n#endif\nstatic void OLD(tick) NEW(tock)(int x) { work2(x + (NEW(1) OLD(2))); } void f(void *t) { call_rcu(t, OLD(tick) NEW(tock)); work2(3); }", ""},
	{"a function of another name that is called alone", "extern void setup(void *, void (*)(int)), sort(void *, long, long, int (*)(const void *, const void *), void *); extern int work2(int);\n#ifdef POST\n#define OLD(x)\n#define NEW(x) x\n#else\n#define OLD(x) x\n#define NEW(x)\n#endif\nstatic __attribute__((noinline)) void OLD(tick) NEW(tock)(int x) { work2(x + (NEW(1) OLD(2))); } void f(int x) { (OLD(tick) NEW(tock))(x); work2(3); }", ""},
	{"a comparison of another name", "extern void setup(void *, void (*)(int)), sort(void *, long, long, int (*)(const void *, const void *), void *); extern int work2(int);\n#ifdef POST\n#define OLD(x)\n#define NEW(x) x\n#else\n#define OLD(x) x\n#define NEW(x)\n#endif\nstatic int OLD(less) NEW(more)(const void *a, const void *b) { return work2(NEW(1) OLD(2)); } void f(void *t, long n) { sort(t, n, 8, OLD(less) NEW(more), (void *)0); work2(3); }", ""},

	{"a task that waits now for what another one does", "extern void wait_for_completion(void *), complete(void *), prepare_to_wait(void *), __wake_up(void *), kfree(void *), work2(void); extern char *kstrdup(char *); static long a[4];\n#ifdef POST\n#define DO(x) x\n#define NOT(x)\n#else\n#define DO(x)\n#define NOT(x) x\n#endif\nvoid f(void) { work2(); DO(wait_for_completion(a);) work2(); } void g(void) { work2(); DO(complete(a);) work2(); }", "wait-pairs g"},
	{"a queue that nobody wakes any more", "extern void wait_for_completion(void *), complete(void *), prepare_to_wait(void *), __wake_up(void *), kfree(void *), work2(void); extern char *kstrdup(char *); static long a[4];\n#ifdef POST\n#define DO(x) x\n#define NOT(x)\n#else\n#define DO(x)\n#define NOT(x) x\n#endif\nvoid f(void *q) { work2(); NOT(prepare_to_wait(q);) work2(); } void g(void *q) { work2(); NOT(__wake_up(q);) work2(); }", "wait-pairs g"},
	{"one that is woken once more", "extern void wait_for_completion(void *), complete(void *), prepare_to_wait(void *), __wake_up(void *), kfree(void *), work2(void); extern char *kstrdup(char *); static long a[4];\n#ifdef POST\n#define DO(x) x\n#define NOT(x)\n#else\n#define DO(x)\n#define NOT(x) x\n#endif\nvoid f(void *q) { work2(); prepare_to_wait(q); work2(); } void g(void *q) { work2(); DO(__wake_up(q);) work2(); }", ""},
	{"a copy that is freed elsewhere", "extern void wait_for_completion(void *), complete(void *), prepare_to_wait(void *), __wake_up(void *), kfree(void *), work2(void); extern char *kstrdup(char *); static long a[4];\n#ifdef POST\n#define DO(x) x\n#define NOT(x)\n#else\n#define DO(x)\n#define NOT(x) x\n#endif\nstruct s { long pad; char *name; }; void f(struct s *s, char *name) { work2(); s->name = DO(kstrdup)(name); work2(); } void g(struct s *s) { work2(); DO(kfree(s->name);) work2(); }", "reference-pairs g"},
	{"a copy that was not freed", "extern void wait_for_completion(void *), complete(void *), prepare_to_wait(void *), __wake_up(void *), kfree(void *), work2(void); extern char *kstrdup(char *); static long a[4];\n#ifdef POST\n#define DO(x) x\n#define NOT(x)\n#else\n#define DO(x)\n#define NOT(x) x\n#endif\nstruct s { long pad; char *name; }; void f(struct s *s, char *name) { work2(); s->name = kstrdup(name); work2(); } void g(struct s *s) { work2(); DO(kfree(s->name);) work2(); }", ""},
	{"a copy for a while", "extern void wait_for_completion(void *), complete(void *), prepare_to_wait(void *), __wake_up(void *), kfree(void *), work2(void); extern char *kstrdup(char *); static long a[4];\n#ifdef POST\n#define DO(x) x\n#define NOT(x)\n#else\n#define DO(x)\n#define NOT(x) x\n#endif\nstruct s { long pad; char *name; }; void f(struct s *s, char *name) { work2(); DO(s->name = kstrdup(name); work2(); kfree(s->name);) work2(); } void g(struct s *s) { work2(); DO(s->name = kstrdup(\"x\"); work2(); kfree(s->name);) work2(); }", ""},

	{"memory of another kind", sides + memory + " int open(struct s *s) { s->buf = DO(vmalloc) NOT(kmalloc_trace)(200); work2(s); return 0; } void release(struct s *s) { work2(s); DO(vfree) NOT(kfree)(s->buf); work2(s); }", "reference-pairs release"},
	{"memory that was freed by the wrong function", sides + memory + " int open(struct s *s) { s->buf = kvmalloc_node(200); work2(s); return 0; } void release(struct s *s) { work2(s); DO(kvfree) NOT(kfree)(s->buf); work2(s); }", ""},
	{"memory that was allocated by the wrong function", sides + memory + " int open(struct s *s) { s->buf = DO(kvmalloc_node) NOT(kmalloc_trace)(200); work2(s); return 0; } void release(struct s *s) { work2(s); kvfree(s->buf); work2(s); }", ""},
	{"memory of another kind, in two functions that free their own where they fail", sides + memory + " void *one(struct s *s) { void *b = DO(vmalloc) NOT(kmalloc_trace)(200); work2(b); if (s->x) { DO(vfree) NOT(kfree)(b); return 0; } return b; } void *two(struct s *s) { void *b = DO(vmalloc) NOT(kmalloc_trace)(300); work2(b); if (s->x) { DO(vfree) NOT(kfree)(b); return 0; } return b; }", ""},
	{"memory of another kind for a while", sides + memory + " int f(struct s *s) { void *b = DO(vmalloc) NOT(kmalloc_trace)(200); work2(b); DO(vfree) NOT(kfree)(b); return 0; }", ""},

	{"a lock of the start, which travels as it is at first", halves + "static long n[4]; void f(void) { DO(mutex_lock(n); work2(); mutex_unlock(n);) work2(); } int __init start(int x) { DO(mutex_lock(n);) work2(); DO(__asm__ volatile(\"\"); mutex_unlock(n);) return x; }", ""},
	{"a new lock of the start", halves + "DO(static long n[4];) void f(void) { DO(mutex_lock(n); work2(); mutex_unlock(n);) work2(); } int __init start(int x) { DO(mutex_lock(n);) work2(); DO(mutex_unlock(n);) return x; }", ""},
	{"a lock that the start makes", halves + "extern void init(void *); static long n[4]; void f(void) { DO(mutex_lock(n); work2(); mutex_unlock(n);) work2(); } int __init start(int x) { DO(init(n); mutex_lock(n);) work2(); DO(mutex_unlock(n);) return x; }", "start-state n"},
	{"a lock that the start does not give back", halves + "static long n[4]; void f(void) { DO(mutex_lock(n); work2(); mutex_unlock(n);) work2(); } int __init start(int x) { DO(mutex_lock(n);) return x; }", "start-state n"},

	{"a hash of what is stored", sides + "struct rhashtable_params { long n; unsigned (*hashfn)(const void *, unsigned), (*obj_hashfn)(const void *, unsigned); int (*obj_cmpfn)(const void *); }; static struct { long pad; struct rhashtable_params in; } p; static unsigned hash(const void *k, unsigned s) { return *(unsigned *)k DO(^ s) NOT(+ s); } static unsigned obj(const void *k, unsigned s) { return *(unsigned *)k - s; } static int cmp(const void *k) { return *(int *)k DO(+ 1); } const struct rhashtable_params params = { 4, hash, obj, cmp };", "stored-keys hash"},
	{"chunks of keys", sides + "struct assoc_array_ops { unsigned long (*get_key_chunk)(const void *, int); _Bool (*compare_object)(const void *); void (*free_object)(void *); }; extern void work2(void *); static unsigned long chunk(const void *k, int level) { return ((long *)k)[level DO(+ 1)]; } static _Bool cmp(const void *k) { return *(int *)k DO(+ 1); } static void drop(void *k) { work2(k); DO(work2(k);) } static const struct assoc_array_ops ops = { chunk, cmp, drop }; extern void insert(const void *); void f(void) { insert(&ops); }", "stored-keys chunk"},
	{"another hash, in a table of another kind", sides + "struct table { unsigned (*hashfn)(const void *, unsigned); }; static unsigned hash(const void *k, unsigned s) { return *(unsigned *)k DO(^ s) NOT(+ s); } const struct table params[] = { { hash } };", ""},

	{"a function that calls itself now", "extern void fill(char *); __attribute__((noinline)) int f(int x) { char b[900]; fill(b);\n#ifdef POST\nif (x > 3) x = f(x - 1) + b[2];\n#endif\nfill(b); return b[x]; }", "deep-stack f"},
	{"one that did already", "extern void fill(char *); __attribute__((noinline)) int f(int x) { char b[900]; fill(b); if (x > 3) x = f(x - 1) + b[2]; fill(b); return b[x]\n#ifdef POST\n+ 1\n#endif\n; }", ""},
	{"one that takes little each time", "extern void fill(char *); __attribute__((noinline)) int f(int x) { char b[30]; fill(b);\n#ifdef POST\nif (x > 3) x = f(x - 1) + b[2];\n#endif\nfill(b); return b[x]; }", ""},
	{"two that call each other now", "extern void fill(char *); int g(int); __attribute__((noinline)) int f(int x) { char b[900]; fill(b);\n#ifdef POST\nif (x > 3) x = g(x - 1) + b[2];\n#endif\nfill(b); return b[x]; } __attribute__((noinline)) int g(int x) { char b[50]; fill(b); x = f(x) + 1; fill(b); return b[x]; }", "deep-stack f"},
	{"a part of one that calls itself, on its own", "extern void fill(char *); int f(int);\n#ifdef POST\nstatic __attribute__((noinline)) int part(int x) { char b[500]; fill(b); x = f(x - 1) + b[2]; fill(b); return x; }\n#endif\n__attribute__((noinline)) int f(int x) { char b[900]; fill(b); if (x > 3) x =\n#ifdef POST\npart(x)\n#else\nf(x - 1)\n#endif\n+ b[2]; fill(b); return b[x]; }", ""},

	{"a large frame", "extern void fill(char *); int f(int x) {\n#ifdef POST\nchar b[3000]; fill(b); return b[x];\n#else\nreturn x;\n#endif\n}", "deep-stack f"},
	{"a large frame of a new function", "extern void fill(char *);\n#ifdef POST\nstatic int __attribute__((noinline)) g(int x) { char b[3000]; fill(b); return b[x]; }\n#endif\nint f(int x) {\n#ifdef POST\nreturn g(x);\n#else\nreturn x;\n#endif\n}", "deep-stack g"},
	{"a frame of a size that depends", "extern void fill(char *); int f(int x) {\n#ifdef POST\nchar b[x]; fill(b); return b[1];\n#else\nreturn x;\n#endif\n}", "deep-stack f"},
	{"a frame", "extern void fill(char *); int f(int x) {\n#ifdef POST\nchar b[1000]; fill(b); return b[x];\n#else\nreturn x;\n#endif\n}", ""},
	{"a frame that was large", "extern void fill(char *); int f(int x) { char b[3000]; fill(b); return b[x]\n#ifdef POST\n+ 1\n#endif\n; }", ""},
}

// TestHazards judges what can be carried, and does harm once it runs.
func TestHazards(t *testing.T) {
	testenv.Need(t, "gcc")
	for _, c := range hazardCases {
		dir := t.TempDir()
		pre, post := compileKernel(t, dir, c.text, "pre.o", "-g"), compileKernel(t, dir, c.text, "post.o", "-g", "-DPOST")
		d, err := elfdiff.Compare(pre, post, elfdiff.Options{Tables: true})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range d.Refusals {
			got = append(got, string(d.Refusals[i].Code)+" "+d.Refusals[i].Symbol)
		}
		if s := strings.Join(sorted(got), "\n"); s != c.says {
			t.Errorf("%s: %q, want %q", c.name, s, c.says)
		}
	}
}
