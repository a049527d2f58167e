package module

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"github.com/gosplice/gosplice/elfdiff/extract"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice"
)

// TestJumpPlan plans jumps in functions of a stock kernel.
func TestJumpPlan(t *testing.T) {
	stock := vmtest.Need(t, "6.1")
	path, err := stock.Vmlinux(vmtest.Context(t))
	if errors.Is(err, deb.ErrUnavailable) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	k, err := OpenKernel(path)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	for _, c := range []struct {
		what, name string
		code       splice.Code
		change     func(l *linker, f *reloc.FuncResult)
	}{
		{"plain", "tracing_clock_show", "", nil},
		{"a jump to its start is fine", "tracing_clock_show", "", func(l *linker, _ *reloc.FuncResult) { l.inner[0] = []uint64{0} }},
		{"a jump behind the bytes too", "tracing_clock_show", "", func(l *linker, _ *reloc.FuncResult) { l.inner[0] = []uint64{5} }},
		{"a jump into the bytes", "tracing_clock_show", splice.CodeBranchTarget, func(l *linker, _ *reloc.FuncResult) { l.inner[0] = []uint64{3} }},
		{"short", "tracing_clock_show", splice.CodeTooShort, func(_ *linker, f *reloc.FuncResult) { f.Size = 2 }},
		{"cut off", "tracing_clock_show", splice.CodeUndecodable, func(_ *linker, f *reloc.FuncResult) { f.Size = 6 }},
		{"nowhere", "tracing_clock_show", splice.CodeNotMatched, func(_ *linker, f *reloc.FuncResult) { f.Address = 1 << 40 }},
		{"traced", "cmdline_proc_show", CodeJumpSite, nil},
		{"no instrumentation", "do_syscall_64", CodeNoJump, nil},
		{"entry", "entry_SYSCALL_64", CodeNoJump, nil},
		{"idle", "default_idle", CodeNoJump, nil},
		{"not allowed", "tracing_clock_show", CodeNoJump, func(l *linker, _ *reloc.FuncResult) { l.opt.NoJumps = true }},
		{"in no place of the module", "tracing_clock_show", splice.CodeNotMatched, func(l *linker, _ *reloc.FuncResult) {
			l.obj.target = &Target{mod: &kernel.Module{Name: "x"}}
		}},
	} {
		b, err := newBuilder(k, Options{Name: "fix"})
		if err != nil {
			t.Fatal(err)
		}
		l := &linker{builder: b, obj: &kobject{}, inner: map[object.AtomID][]uint64{}}
		l.part = splice.Part{Diff: &elfdiff.Diff{Pre: blank(t)}, Image: k.run}
		s, err := k.image.Symbol(c.name)
		if err != nil {
			t.Fatal(err)
		}
		f := &reloc.FuncResult{Address: s.Addr, Size: max(s.Size, 16)}
		if c.change != nil {
			c.change(l, f)
		}
		j, err := l.jump(&patched{}, &extract.Replacement{Name: c.name}, f)
		var r *splice.Refusal
		switch {
		case c.code == "" && err == nil && len(j.was) == jumpSize && j.at.Addend != 0:
		case c.code != "" && errors.As(err, &r) && r.Code == c.code && r.Hint != "" && r.Symbol == c.name:
		default:
			t.Errorf("%s: %v, want %q", c.what, err, c.code)
		}
	}
}

// TestTolerated lists the sites that a jump can stand over.
func TestTolerated(t *testing.T) {
	for _, c := range []struct {
		table  string
		size   uint64
		off    uint64
		ok     bool
		masked []byte
	}{
		{".call_sites", 5, 0, true, []byte{0xff, 0, 0, 0, 0}},
		{".call_sites", 5, 3, true, []byte{0xff, 0xff, 0xff, 0xff, 0}},
		{".smp_locks", 1, 0, true, []byte{0xff, 0xff, 0xff, 0xff, 0xff}},
		{".return_sites", 5, 2, true, []byte{0xff, 0xff, 0, 0, 0}},
		{".return_sites", 5, ^uint64(0), false, nil}, // it begins in front
		{"__jump_table", 5, 0, false, nil},
		{".static_call_sites", 5, 0, false, nil},
		{".altinstructions", 3, 2, false, nil},
		{"__mcount_loc", 5, 0, false, nil},
		{".retpoline_sites", 5, 1, false, nil},
	} {
		j := &jump{mask: []byte{0xff, 0xff, 0xff, 0xff, 0xff}}
		ok := j.tolerates(&kernel.Site{Size: c.size, Table: c.table}, c.off)
		if ok != c.ok || ok && string(j.mask) != string(c.masked) {
			t.Errorf("%s at %d: %v, %x", c.table, int64(c.off), ok, j.mask)
		}
	}
}

func TestReturnsInto(t *testing.T) {
	for _, c := range []struct {
		code string
		skip uint64
		into bool
	}{
		{"\xe8\x00\x00\x00\x00\xc3", 0, false},                    // call, and returns behind
		{"\xff\xd0\x90\x90\x90\x90", 0, true},                     // call *%rax
		{"\xff\xd0\x90\x90\x90\x90\x90\x90", 2, false},            // in front
		{"\x90\x90\xff\xd0\x90\x90", 0, true},                     // call *%rax at +2
		{"\x90\x90\x90\xff\xd0\x90", 0, false},                    // returns behind
		{"\x48\x89\xfb\xe8\x00\x00\x00\x00\xc3\x90", 0, false},    // reaches over the end
		{"\xf3\x0f\x1e\xfa\xff\xd0\x90\x90\x90\x90\x90", 4, true}, // behind endbr64
	} {
		if _, ok := returnsInto([]byte(c.code), c.skip); ok != c.into {
			t.Errorf("%x at %d: %v", c.code, c.skip, ok)
		}
	}
}

// TestTrampolines lists the code that traced returns go to, by the symbols of kernels.
func TestTrampolines(t *testing.T) {
	for _, c := range []struct{ kernel, symbols, names, unknown string }{
		{"none", "schedule", "", ""},
		{"5.10", "register_ftrace_graph return_to_handler register_kretprobe kretprobe_trampoline", "return_to_handler kretprobe_trampoline", ""},
		{"5.16", "register_kretprobe __kretprobe_trampoline", "__kretprobe_trampoline", ""},
		{"6.1", "register_ftrace_graph return_to_handler rethook_hook register_kretprobe arch_rethook_trampoline", "return_to_handler arch_rethook_trampoline", ""},
		{"other probes", "register_kretprobe my_trampoline", "", "register_kretprobe"},
		{"other graph", "register_ftrace_graph register_kretprobe kretprobe_trampoline", "kretprobe_trampoline", "register_ftrace_graph"},
		{"other hook", "rethook_hook", "", "rethook_hook"},
	} {
		has := strings.Fields(c.symbols)
		names, unknown := trampolines(func(name string) bool { return slices.Contains(has, name) })
		if got := strings.Join(names, " "); got != c.names || unknown != c.unknown {
			t.Errorf("%s: %q, not known %q; want %q, %q", c.kernel, got, unknown, c.names, c.unknown)
		}
	}
}

// blank is an object with nothing in it.
func blank(t *testing.T) *object.Object {
	t.Helper()
	var b bytes.Buffer
	if _, err := new(elfobj.Builder).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	o, err := elfdiff.NewObject(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return o
}
