package elfdiff_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/lab/testenv"
)

// kernelSource is what all cases have: a function that changes where CHANGED is
// defined, and macros of the kernel.
const kernelSource = `
#define __init __attribute__((section(".init.text"), noinline))
#define __exit __attribute__((section(".exit.text"), noinline, used))
#define __initdata __attribute__((section(".init.data")))
#define PUT(s) __attribute__((section(s), used))
int work(int x) {
#ifdef CHANGED
	return x * 3;
#else
	return x * 2;
#endif
}
`

// compileKernel compiles C as a kernel's build would, with POST defined or not.
func compileKernel(t *testing.T, dir, text, name string, flags ...string) *object.Object {
	t.Helper()
	src, out := filepath.Join(dir, "unit.c"), filepath.Join(dir, name)
	if err := os.WriteFile(src, []byte(kernelSource+text), 0o666); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-O2", "-fno-pie", "-ffunction-sections", "-fdata-sections", "-fno-asynchronous-unwind-tables", "-fno-toplevel-reorder", "-w", "-c", src, "-o", out}, flags...)
	if msg, err := exec.Command(testenv.StandIn("gcc"), args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, msg)
	}
	o, err := elfdiff.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// parameter begins a record about one, as struct kernel_param is.
const parameter = `extern long ops[]; const struct { void *name, *mod, *ops; unsigned short perm, flags; void *arg; } __param_knob PUT("__param") = `

// moduleExit has a function be the one that the kernel calls when the module is removed, as
// module_exit() of include/linux/module.h does.
func moduleExit(function string) string {
	return "int cleanup_module() __attribute__((alias(\"" + function + "\"))); static void *PUT(\".exit.data\") addressable = cleanup_module;"
}

// severityCases say what becomes of differences that a kernel that runs does not
// show, or that a person has to judge. says lists severity, code and symbol.
var severityCases = []struct {
	name, text string
	flags      []string // of post
	opt        elfdiff.Options
	outcome    elfdiff.Outcome
	says       []string
}{
	{name: "nothing", outcome: elfdiff.OutcomeSame},
	{name: "a function", flags: []string{"-DCHANGED"}, outcome: elfdiff.OutcomeCarried},
	{name: "init code", flags: []string{"-DV=2"}, text: "int __init start(void) { return V; }",
		outcome: elfdiff.OutcomeIgnored, says: []string{"ignored init-code start"}},
	{name: "init code beside a function", flags: []string{"-DV=2", "-DCHANGED"}, text: "int __init start(void) { return V; } int __initdata table[] = { V };",
		outcome: elfdiff.OutcomeCarried, says: []string{"ignored init-code start", "ignored init-code table"}},
	{name: "reference to init data", flags: []string{"-DV=once"}, text: "int __initdata once; int other; int user(void) { return V; }",
		outcome: elfdiff.OutcomeRefused, says: []string{"refused init-reference user"}},
	{name: "constants of the start", flags: []string{"-DV=2"}, text: "static const int limits[] = { V, 5, 6, 7 }; int __init start(int i) { return limits[i]; }",
		outcome: elfdiff.OutcomeIgnored, says: []string{"ignored init-code start", "ignored init-code limits"}},
	{name: "exit code of the kernel", flags: []string{"-DV=2"}, text: "int __exit leave(void) { return V; }",
		outcome: elfdiff.OutcomeIgnored, says: []string{"ignored exit-code leave"}},
	{name: "exit code of a module", flags: []string{"-DV=2"}, text: "int __exit leave(void) { return V; } void cleanup_module(void) { leave(); }",
		outcome: elfdiff.OutcomeJudge, says: []string{"judge exit-code leave"}},
	{name: "exit function of a module", flags: []string{"-DV=2"}, text: "int __exit leave(void) { return V; } " + moduleExit("leave"),
		outcome: elfdiff.OutcomeCarried},
	{name: "exit function that is left as it is", flags: []string{"-DV=2", "-DCHANGED"}, text: "int __exit leave(void) { return V; } " + moduleExit("leave"),
		opt: elfdiff.Options{Accept: []elfdiff.Acceptance{{Code: elfdiff.CodeExitCode, Symbol: "leave"}, {Code: elfdiff.CodeExitCode, Symbol: "cleanup_module"}}}, outcome: elfdiff.OutcomeCarried, says: []string{"judge exit-code cleanup_module accepted"}},
	{name: "exit function, what it alone calls", flags: []string{"-DV=2"}, text: "static int __exit part(int x) { return x + V; } int __exit leave(int x) { return part(x) * 2; } " + moduleExit("leave"),
		outcome: elfdiff.OutcomeCarried},
	{name: "exit function, something new", flags: []string{"-DV=part(x)"}, text: "static int __exit part(int x) { return x + 2; } int __exit leave(int x) { return x * V; } " + moduleExit("leave"),
		outcome: elfdiff.OutcomeCarried},
	{name: "exit function, with what others keep", flags: []string{"-DV=2"}, text: "static int __exit part(int x) { return x + V; } void *keep = part; int __exit leave(int x) { return part(x) * 2; } " + moduleExit("leave"),
		outcome: elfdiff.OutcomeJudge, says: []string{"judge exit-code part"}},
	{name: "exit function, with what it passes on", flags: []string{"-DV=2"}, text: "int call(void *); static int __exit part(int x) { return x + V; } int __exit leave(void) { return call(part) * 2; } " + moduleExit("leave"),
		outcome: elfdiff.OutcomeJudge, says: []string{"judge exit-code part"}},
	{name: "exit function, with what the start calls", flags: []string{"-DV=2"}, text: "static int __exit part(int x) { return x + V; } int __exit leave(int x) { return part(x) * 2; } int __init start(int x) { return part(x); } " + moduleExit("leave"),
		outcome: elfdiff.OutcomeJudge, says: []string{"judge exit-code part"}},
	{name: "exit function that another knows", flags: []string{"-DV=2"}, text: "int __exit leave(void) { return V; } void *keep = leave; " + moduleExit("leave"),
		outcome: elfdiff.OutcomeJudge, says: []string{"judge exit-code cleanup_module"}},
	{name: "exit function and the start", flags: []string{"-DV=2"}, text: "int __init start(void) { return V; } int __exit leave(void) { return V; } " + moduleExit("leave"),
		outcome: elfdiff.OutcomeJudge, says: []string{"ignored init-code start", "judge exit-code cleanup_module"}},
	{name: "exit function and a constant of the start", flags: []string{"-DV=2"}, text: "static const int limits[] = { V, 5, 6, 7 }; int __init start(int i) { return limits[i]; } int __exit leave(int i) { return limits[i]; } " + moduleExit("leave"),
		outcome: elfdiff.OutcomeJudge, says: []string{"ignored init-code start", "judge exit-code cleanup_module", "ignored init-code limits"}},
	{name: "exit function that is new", flags: []string{"-DNEW"}, text: "int __init start(void) { return 1; } int init_module(void) __attribute__((alias(\"start\")));\n#ifdef NEW\nint __exit leave(void) { return 1; } " + moduleExit("leave") + "\n#endif",
		outcome: elfdiff.OutcomeJudge, says: []string{"judge exit-code addressable", "judge exit-code cleanup_module"}},
	{name: "a function that the exit function calls", flags: []string{"-DCHANGED"}, text: "int __exit leave(void) { return work(1); } " + moduleExit("leave"),
		outcome: elfdiff.OutcomeCarried},
	{name: "a new export", flags: []string{"-DNEW"}, text: "#ifdef NEW\nint fresh(void) { return 1; } void *PUT(\"___ksymtab+fresh\") __ksymtab_fresh = fresh;\n#endif",
		outcome: elfdiff.OutcomeIgnored, says: []string{"ignored export __ksymtab_fresh"}},
	{name: "a new tracepoint", flags: []string{"-DNEW", "-DCHANGED"}, text: "#ifdef NEW\n" + `long __tracepoint_more[9] PUT("__tracepoints"); long user(void) { return __tracepoint_more[1]; } __asm__(".section \"__tracepoints_ptrs\", \"a\"; .long __tracepoint_more - .; .previous");` + "\n#endif",
		outcome: elfdiff.OutcomeCarried, says: []string{"ignored unnamed-content __tracepoint_more", "carried unused user"}},
	{name: "a tracepoint that is listed now", flags: []string{"-DNEW", "-DCHANGED"}, text: `long __tracepoint_more[9] PUT("__tracepoints"); long user(void) { return __tracepoint_more[1]; }` + "\n#ifdef NEW\n" + `__asm__(".section \"__tracepoints_ptrs\", \"a\"; .long __tracepoint_more - .; .previous");` + "\n#endif",
		outcome: elfdiff.OutcomeJudge, says: []string{"judge unnamed-content "}},
	{name: "a literal that a compiler has left", flags: []string{"-DNEW", "-DCHANGED"}, text: "#ifdef NEW\n" + `__asm__(".section .rodata.str1.1, \"aMS\", @progbits, 1; .string \"left\"; .previous; .section .rodata.cst8, \"aM\", @progbits, 8; .quad 77; .previous");` + "\n#endif",
		outcome: elfdiff.OutcomeCarried, says: []string{"ignored unnamed-content ", "ignored unnamed-content "}},
	{name: "a text of a section that has a name of its own", flags: []string{"-DNEW", "-DCHANGED"}, text: "#ifdef NEW\n" + `__asm__(".section texts, \"aMS\", @progbits, 1; .string \"left\"; .previous");` + "\n#endif",
		outcome: elfdiff.OutcomeJudge, says: []string{"judge unnamed-content "}},
	{name: "a new parameter", flags: []string{"-DNEW"}, text: "#ifdef NEW\nstatic int knob; int *PUT(\"__param\") __param_knob = &knob;\n#endif",
		outcome: elfdiff.OutcomeIgnored, says: []string{"ignored parameter __param_knob"}},
	{name: "a parameter that sysfs shows", flags: []string{"-DV=ops"}, text: parameter + "{ 0, 0, (void *)V, 0644, 0, 0 };",
		outcome: elfdiff.OutcomeJudge, says: []string{"judge table-entry __param_knob"}},
	{name: "a parameter that sysfs shows, in place", flags: []string{"-DV=ops"}, text: parameter + "{ 0, 0, (void *)V, 0644, 0, 0 };", opt: elfdiff.Options{InPlace: true},
		outcome: elfdiff.OutcomeJudge, says: []string{"judge table-entry __param_knob"}},
	{name: "a parameter with other functions, in place", flags: []string{"-DCHANGED"}, text: "#ifdef CHANGED\n" + parameter + "{ 0, 0, ops + 1, 0644, 0, 0 };\n#else\n" + parameter + "{ 0, 0, ops, 0644, 0, 0 };\n#endif", opt: elfdiff.Options{InPlace: true},
		outcome: elfdiff.OutcomeCarried, says: []string{"carried in-place __param_knob"}},
	{name: "a parameter that nobody sees", flags: []string{"-DV=ops"}, text: parameter + "{ 0, 0, (void *)V, 0, 0, 0 };",
		outcome: elfdiff.OutcomeIgnored, says: []string{"ignored parameter __param_knob"}},
	{name: "module information", flags: []string{"-DV=\"b\""}, text: "const char PUT(\".modinfo\") info[] = \"author=\" V;",
		outcome: elfdiff.OutcomeIgnored, says: []string{"ignored module-info info"}},
	{name: "removed", flags: []string{"-DGONE"}, text: "#ifndef GONE\nint old(void) { return 1; } static int state PUT(\".data.x\");\n#endif",
		outcome: elfdiff.OutcomeIgnored, says: []string{"ignored removed old", "ignored unreferenced-state state"}},
	{name: "unused", flags: []string{"-DNEW"}, text: "#ifdef NEW\nint fresh(void) { return 1; }\n#endif",
		outcome: elfdiff.OutcomeIgnored, says: []string{"carried unused fresh"}},
	{name: "shared constant", flags: []string{"-DV=2"}, text: "const int shared[] = { V, 7 };",
		outcome: elfdiff.OutcomeJudge, says: []string{"judge const-shared shared"}},
	{name: "shared constant, accepted", flags: []string{"-DV=2", "-DCHANGED"}, text: "const int shared[] = { V, 7 };", opt: elfdiff.Options{Accept: []elfdiff.Acceptance{{Code: elfdiff.CodeConstShared}}},
		outcome: elfdiff.OutcomeCarried, says: []string{"judge const-shared shared accepted"}},
	{name: "shared constant, in place", flags: []string{"-DV=2"}, text: "const int shared[] = { V, 7 };", opt: elfdiff.Options{InPlace: true},
		outcome: elfdiff.OutcomeCarried, says: []string{"carried in-place shared"}},
	{name: "shared constant, larger", flags: []string{"-DV=2,3"}, text: "const int shared[] = { V, 7 };", opt: elfdiff.Options{InPlace: true},
		outcome: elfdiff.OutcomeJudge, says: []string{"judge const-shared shared"}},
	{name: "resized, unused", flags: []string{"-DV=8", "-DCHANGED"}, text: "int table[V] = { 1 };",
		outcome: elfdiff.OutcomeJudge, says: []string{"judge data-resized table"}},
	{name: "resized, used", flags: []string{"-DV=8"}, text: "int table[V] = { 1 }; int user(int i) { return table[i % V]; }",
		outcome: elfdiff.OutcomeRefused, says: []string{"refused data-resized table"}},
	{name: "initial value", flags: []string{"-DV=8"}, text: "int limit = V;",
		outcome: elfdiff.OutcomeJudge, says: []string{"judge data-changed limit"}},
	{name: "became constant", flags: []string{"-DV=const"}, text: "V int limit = 5; void *keep = &limit;",
		outcome: elfdiff.OutcomeIgnored, says: []string{"ignored kind-changed limit"}},
	{name: "became writable, used", flags: []string{"-DV=", "-DCHANGES"}, text: "V int limit PUT(LIM) = 5; int f(int *p) { return *p; } int user(void) {\n#ifdef CHANGES\nreturn f((int *)&limit) + 1;\n#else\nreturn f((int *)&limit);\n#endif\n}\n#ifndef CHANGES\n#endif",
		outcome: elfdiff.OutcomeRefused, says: []string{"refused kind-changed limit"}},
	{name: "another compiler", flags: []string{"-fno-ident", "-DCHANGED"},
		outcome: elfdiff.OutcomeJudge, says: []string{"judge compiler "}},
	{name: "a number of a type", flags: []string{"-DV=__BTF_ID__struct__file__45"}, text: "int PUT(\".BTF_ids\") V; int user(void) { return *(volatile int *)&V; }",
		outcome: elfdiff.OutcomeSame},
	{name: "another type", flags: []string{"-DV=__BTF_ID__struct__inode__44"}, text: "static int PUT(\".BTF_ids\") V; int user(void) { return *(volatile int *)&V; }",
		outcome: elfdiff.OutcomeCarried, says: []string{"ignored unreferenced-state __BTF_ID__struct__file__1"}},
	{name: "unknown table", flags: []string{"-DCHANGES"}, text: "int user(int x) { asm(\"nop\\n1: nop\\n.pushsection foo_sites,\\\"a\\\"\\n.long 1b - .\\n.popsection\");\n#ifdef CHANGES\nreturn x + 2;\n#else\nreturn x + 1;\n#endif\n}",
		outcome: elfdiff.OutcomeJudge, says: []string{"judge unknown-section user"}},
	{name: "a runtime constant", flags: []string{"-DV=b"}, text: "#define S1(x) #x\n#define S(x) S1(x)\nlong user(long x) { long y; asm(\"movabs $0x0123456789abcdef,%0\\n1:\\n.pushsection runtime_ptr_\" S(V) \",\\\"a\\\"\\n.long 1b - 8 - .\\n.popsection\" : \"=r\"(y)); return x + y; }",
		outcome: elfdiff.OutcomeCarried},
	{name: "a runtime mask", flags: []string{"-DCHANGES"}, text: "unsigned user(unsigned x) { asm(\"and $0x12345678,%k0\\n1:\\n.pushsection runtime_mask___futex_mask,\\\"a\\\"\\n.long 1b - 4 - .\\n.popsection\" : \"+r\"(x)); \n#ifdef CHANGES\nreturn x + 2;\n#else\nreturn x + 1;\n#endif\n}",
		outcome: elfdiff.OutcomeCarried},
	{name: "a runtime mask of another form", flags: []string{"-DCHANGES"}, text: "unsigned user(unsigned x) { asm(\"xor $0x12345678,%k0\\n1:\\n.pushsection runtime_mask___futex_mask,\\\"a\\\"\\n.long 1b - 4 - .\\n.popsection\" : \"+r\"(x)); \n#ifdef CHANGES\nreturn x + 2;\n#else\nreturn x + 1;\n#endif\n}",
		outcome: elfdiff.OutcomeRefused, says: []string{"refused special-section user"}},
}

// TestSeverity compares small objects with what the kernel's build puts into them.
func TestSeverity(t *testing.T) {
	testenv.Serial(t)
	testenv.Need(t, "gcc")
	for _, c := range severityCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			base := []string{}
			for _, f := range c.flags {
				if strings.HasPrefix(f, "-DV=") { // what post has otherwise
					base = append(base, preValue(c.name, f))
				}
			}
			lim := `-DLIM=".rodata.limit"`
			post := append(slices.Clone(c.flags), lim)
			if strings.Contains(c.name, "became writable") {
				post = append(slices.Clone(c.flags), `-DLIM=".data.limit"`)
			}
			a, b := compileKernel(t, dir, c.text, "pre.o", append(base, lim)...), compileKernel(t, dir, c.text, "post.o", post...)
			opt := c.opt
			opt.Tables = true
			d, err := elfdiff.Compare(a, b, opt)
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Outcome(); got != c.outcome {
				t.Errorf("outcome %s, want %s", got, c.outcome)
			}
			if diff := cmp.Diff(sorted(c.says), sorted(said(d))); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			_, err = elfdiff.Extract(d)
			if blocked := c.outcome == elfdiff.OutcomeRefused || c.outcome == elfdiff.OutcomeJudge; errors.Is(err, elfdiff.ErrRefused) != blocked {
				t.Errorf("Extract: %v", err)
			}
		})
	}
}

// preValue is V of pre for each case.
func preValue(name, post string) string {
	switch {
	case post == "-DV=const" || post == "-DV=":
		if post == "-DV=" {
			return "-DV=const"
		}
		return "-DV="
	case strings.HasPrefix(post, "-DV=__BTF"):
		return "-DV=__BTF_ID__struct__file__1"
	case post == "-DV=once":
		return "-DV=other"
	case post == "-DV=b":
		return "-DV=a"
	case strings.Contains(post, `"`):
		return `-DV="a"`
	}
	return "-DV=1"
}

func said(d *elfdiff.Diff) []string {
	var out []string
	for _, f := range d.Findings {
		s := f.Severity.String() + " " + string(f.Code) + " " + f.Symbol
		if f.Accepted {
			s += " accepted"
		}
		out = append(out, s)
	}
	for _, f := range d.Refusals {
		out = append(out, f.Severity.String()+" "+string(f.Code)+" "+f.Symbol)
	}
	return out
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// TestInPlace looks at what is to be overwritten.
func TestInPlace(t *testing.T) {
	testenv.Need(t, "gcc")
	dir := t.TempDir()
	const text = "extern int f(void), g(void); const struct { int a; int (*p)(void); } ops = { V, F };"
	a, b := compileKernel(t, dir, text, "pre.o", "-DV=1", "-DF=f"), compileKernel(t, dir, text, "post.o", "-DV=2", "-DF=g")
	d, err := elfdiff.Compare(a, b, elfdiff.Options{Tables: true, InPlace: true})
	if err != nil {
		t.Fatal(err)
	}
	x, err := elfdiff.Extract(d)
	if err != nil {
		t.Fatal(err)
	}
	if len(x.InPlace) != 1 || len(x.InPlace[0].Relas) != 1 {
		t.Fatalf("%+v", x.InPlace)
	}
	u := x.InPlace[0]
	if u.Name != "ops" || u.Old[0] != 1 || u.New[0] != 2 || len(u.New) != 16 || a.Atom(u.Pre).Name != "ops" {
		t.Errorf("%+v", u)
	}
	r := u.Relas[0]
	if s := x.Spec.Symbols[r.Sym]; s.Name != "g" || s.IsDefined() || r.Offset != 8 {
		t.Errorf("it leads to %+v at %d", s, r.Offset)
	}
}
