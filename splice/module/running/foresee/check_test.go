package foresee

import (
	"bytes"
	"context"
	"errors"
	"github.com/gosplice/gosplice/elfdiff/elfobj"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/splice/module/internal/kofile"
	"github.com/gosplice/gosplice/splice/module/internal/kofile/kofiletest"
	"github.com/gosplice/gosplice/splice/module/running"
)

// machine is a quiet kernel made of files, with a thread of a program and one of the kernel.
func machine() fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range map[string]string{
		"sys/kernel/notes":                              "",
		"sys/kernel/livepatch/x":                        "",
		"sys/kernel/debug/kprobes/list":                 "",
		"sys/kernel/security/lockdown":                  "[none] integrity confidentiality\n",
		"sys/kernel/tracing/current_tracer":             "nop\n",
		"sys/kernel/tracing/enabled_functions":          "",
		"sys/kernel/tracing/available_filter_functions": "old_show\nother_show [other]\n",
		"proc/self/status":                              "Name:\tx\nCapEff:\t000001ffffffffff\n",
		"proc/sys/kernel/osrelease":                     "6.1.0-test\n",
		"proc/meminfo":                                  "MemTotal: 1 kB\nMemAvailable: 1000000 kB\n",
		"proc/kallsyms":                                 "ffffffff81000000 T _text\nffffffff81000100 t old_show\n",
		"proc/7/task/7/stat":                            "7 (pro) gram) S 1 1 1 0 -1 0 0\n",
		"proc/7/task/7/stack":                           "[<0>] do_wait+0x1/0x2\n",
		"proc/9/task/9/stat":                            "9 (kworker/0:1) I 1 1 1 0 -1 2097152 0\n",
		"proc/9/task/9/stack":                           "[<0>] worker_thread+0x1/0x2\n",
		"sys/module/module/parameters/sig_enforce":      "N\n",
		"sys/module/kernel/parameters/x":                "",
	} {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

// A broken file system refuses some files.
type broken struct {
	fs.FS
	names []string
	err   error
}

func (b broken) Open(name string) (fs.File, error) {
	for _, n := range b.names {
		if name == n || strings.HasSuffix(n, "*") && strings.HasPrefix(name, n[:len(n)-1]) {
			return nil, &fs.PathError{Op: "open", Path: name, Err: b.err}
		}
	}
	return b.FS.Open(name)
}

// TestCheck has a plain livepatch looked at on machines of files.
func TestCheck(t *testing.T) {
	file, err := running.ReadFile(strings.NewReader(string(plainModule(t, "fix", "old_show", 0))))
	if err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) func(fstest.MapFS) {
		return func(m fstest.MapFS) { m[name] = &fstest.MapFile{Data: []byte(text)} }
	}
	drop := func(prefix string) func(fstest.MapFS) {
		return func(m fstest.MapFS) {
			for name := range m {
				if strings.HasPrefix(name, prefix) {
					delete(m, name)
				}
			}
		}
	}
	both := func(list ...func(fstest.MapFS)) func(fstest.MapFS) {
		return func(m fstest.MapFS) {
			for _, f := range list {
				f(m)
			}
		}
	}
	for _, tt := range []struct {
		name   string
		change func(fstest.MapFS)
		hidden []string // files without the right to read them
		want   Effect
		code   finding.Code
		says   string
	}{
		{"quiet", func(fstest.MapFS) {}, nil, Note, "", ""},
		{"other release", put("proc/sys/kernel/osrelease", "6.1.1\n"), nil, Refused, "other-build", "6.1.1 runs"},
		{"no livepatch", drop("sys/kernel/livepatch"), nil, Refused, "kernel", ""},
		{"modules disabled", put("proc/sys/kernel/modules_disabled", "1\n"), nil, Refused, "permission", "modules_disabled"},
		{"no right", put("proc/self/status", "CapEff:\t0000000000000000\n"), nil, Refused, "permission", "may not"},
		{"locked down", put("sys/kernel/security/lockdown", "none [integrity] confidentiality\n"), nil, Refused, CodeLockdown, "integrity"},
		{"enforced", put("sys/module/module/parameters/sig_enforce", "Y\n"), nil, Refused, running.CodeSignature, "sig_enforce"},
		{"the tracer is off", put(running.TracerSwitch, "0\n"), nil, Refused, CodeTracingOff, "ftrace_enabled"},
		{"memory", put("proc/meminfo", "MemAvailable: 100 kB\n"), nil, Unknown, CodeMemory, ""},
		{"no function", put("proc/kallsyms", "ffffffff81000000 T _text\n"), nil, Refused, CodeNotThere, ""},
		{"not traced", put("sys/kernel/tracing/available_filter_functions", "old_shows\nold_show [other]\n"), nil, Refused, CodeUntraced, "does not know it"},
		{"tracing hidden", func(fstest.MapFS) {}, []string{"sys/kernel/tracing/available_filter_functions"}, Unknown, CodeUnseen, "permission denied"},
		{"two functions", put("proc/kallsyms", "ffffffff81000000 T _text\nffffffff81000100 t old_show\nffffffff81000200 t old_show\n"), nil, Refused, CodeNotThere, "has 2 of that name"},
		{"asleep", put("proc/7/task/7/stack", "[<0>] old_show+0x1/0x2\n"), nil, Waits, CodeInUse, "pro) gram (7)"},
		{"thread", put("proc/9/task/9/stack", "[<0>] old_show+0x1/0x2\n"), nil, Stalls, CodeInUse, "kworker/0:1 (9)"},
		{"of another module", put("proc/9/task/9/stack", "[<0>] old_show+0x1/0x2 [other]\n"), nil, Note, "", ""},
		{"blocked", func(m fstest.MapFS) {
			put("proc/7/task/7/stack", "[<0>] old_show+0x1/0x2\n")(m)
			put("proc/7/task/7/stat", "7 (x) D 1 1 1 0 -1 0 0\n")(m)
		}, nil, Stalls, CodeInUse, "no signal"},
		{"busy thread", put("proc/9/task/9/stat", "9 (kspin) R 1 1 1 0 -1 2097152 0\n"), nil, Unknown, CodeBusyThread, "kspin (9)"},
		{"no proc", drop("proc/"), nil, Unknown, CodeUnseen, "proc is not mounted"},
		{"no sys", drop("sys/"), nil, Unknown, CodeUnseen, "sysfs is not mounted"},
		{"no tasks", func(m fstest.MapFS) { drop("proc/7")(m); drop("proc/9")(m) }, nil, Unknown, CodeUnseen, "no task"},
		{"no tracefs", drop("sys/kernel/tracing"), nil, Unknown, CodeUnseen, "tracefs is not mounted"},
		{"no debugfs", drop("sys/kernel/debug"), nil, Note, CodeUnseen, "debugfs is not mounted"}, // of a module that compares nothing
		{"debugfs to mount", both(put("proc/filesystems", "nodev\tdebugfs\nnodev\ttracefs\n"), drop("sys/kernel/debug")), nil, Note, CodeUnseen, "debugfs is not mounted"},
		{"a kernel without debugfs", both(put("proc/filesystems", "nodev\ttracefs\n\text4\n"), drop("sys/kernel/debug")), nil, Note, CodeUnseen, "built without debugfs"},
		{"a kernel without tracefs", both(put("proc/filesystems", "nodev\tdebugfs\n"), drop("sys/kernel/tracing")), nil, Note, "", ""},
		{"stacks hidden", func(fstest.MapFS) {}, []string{"proc/7/task/7/stack"}, Unknown, CodeUnseen, "permission denied"},
		{"no stacks", func(m fstest.MapFS) { delete(m, "proc/7/task/7/stack") }, nil, Unknown, CodeUnseen, "shows no stacks"},
		{"tracers hidden", func(fstest.MapFS) {}, []string{"sys/kernel/tracing/enabled_functions"}, Unknown, CodeUnseen, "permission denied"},
		{"symbols hidden", func(fstest.MapFS) {}, []string{"proc/kallsyms"}, Unknown, CodeUnseen, "permission denied"},
		{"in transition", func(m fstest.MapFS) {
			put("sys/kernel/livepatch/other/transition", "1\n")(m)
			put("sys/kernel/livepatch/other/enabled", "1\n")(m)
		}, nil, Refused, running.CodeInTransition, "other"},
		{"held", put("sys/kernel/tracing/enabled_functions", "old_show (1) R I     \ttramp: 0x0 (kprobe_ftrace_handler+0x0/0x1)\n"), nil, Refused, CodeHeld, "kprobe_ftrace_handler"},
		{"BPF", put("sys/kernel/tracing/enabled_functions", "old_show (1)    D  \tdirect-->bpf_trampoline_1+0x0/0x1\n"), nil, Note, CodeBPF, "bpf_trampoline_1"},
		{"BPF, and symbols that make no sense", func(m fstest.MapFS) {
			put("sys/kernel/tracing/enabled_functions", "old_show (1)    D  \tdirect-->bpf_trampoline_1+0x0/0x1\n")(m)
			put("proc/kallsyms", "[bpf]\n")(m)
		}, nil, Unknown, CodeUnseen, "symbols"},
		{"BPF, by name", func(m fstest.MapFS) {
			put("sys/kernel/tracing/enabled_functions", "old_show (1)    D  \tdirect-->call_direct_funcs+0x0/0x1\n")(m)
			put("proc/kallsyms", "ffffffff81000000 T _text\nffffffff81000100 t old_show\nffffffffc0000000 t bpf_prog_0123456789abcdef_watch\t[bpf]\n")(m)
		}, nil, Note, CodeBPF, "program watch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := machine()
			tt.change(m)
			f, err := Check(t.Context(), broken{m, tt.hidden, fs.ErrPermission}, file, Options{Sample: time.Millisecond, Every: time.Microsecond})
			if err != nil {
				t.Fatal(err)
			}
			if f.Outcome != tt.want || len(f.Functions) != 1 || f.Functions[0].Name != "old_show" {
				t.Errorf("%s, want %s: %+v", f.Outcome, tt.want, f)
			}
			if tt.code != "" && !slices.ContainsFunc(f.Findings, func(x Finding) bool {
				return x.Code == tt.code && x.Effect == tt.want && strings.Contains(x.Message, tt.says) && x.Hint != ""
			}) {
				t.Errorf("no %s with %q: %+v", tt.code, tt.says, f.Findings)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ctx, machine(), file, Options{}); err == nil {
		t.Error("it goes on after its context")
	}
}

// TestTracerOff asks what needs the function tracer while it is switched off: what is loaded, and modules once they
// are to be.
func TestTracerOff(t *testing.T) {
	for module, want := range map[string]Effect{"": Refused, "here": Refused, "away": Note} {
		m := machine()
		m[running.TracerSwitch] = &fstest.MapFile{Data: []byte("0\n")}
		m["sys/module/here/refcnt"] = &fstest.MapFile{}
		m["proc/kallsyms"] = &fstest.MapFile{Data: []byte("ffffffff81000000 T _text\nffffffff81000100 t old_show\nffffffffc0000000 t old_show\t[here]\n")}
		m["sys/kernel/tracing/available_filter_functions"] = &fstest.MapFile{Data: []byte("old_show\nold_show [here]\n")}
		file, err := running.ReadFile(bytes.NewReader(plainPatch(t, "fix", kofile.Patch{Objects: []kofile.Object{{Name: module, Functions: []kofile.Function{{Name: "old_show"}}}}})))
		if err != nil {
			t.Fatal(err)
		}
		f, err := Check(t.Context(), m, file, Options{Sample: time.Nanosecond, Every: time.Nanosecond})
		if err != nil || f.Outcome != want || !slices.ContainsFunc(f.Findings, func(x Finding) bool {
			return x.Code == CodeTracingOff && x.Effect == want && (want == Refused || strings.Contains(x.Message, module))
		}) {
			t.Errorf("%q: %v, %+v", module, err, f)
		}
	}
}

// TestOthers has other livepatches on the function, or on another one that is taken back: what has
// to be left is what the last of them brought.
func TestOthers(t *testing.T) {
	two := []string{"sys/kernel/livepatch/a/vmlinux/old_show,1/x", "sys/kernel/livepatch/b/vmlinux/old_show,1/x", "sys/kernel/livepatch/b/vmlinux/other_show,1/x"}
	for _, tt := range []struct {
		name    string
		replace bool
		modules string // as /proc/modules has them, the newest first
		frame   string
		want    Effect
	}{
		{"of the last one", false, "a 1 1 - Live 0x0\nb 1 1 - Live 0x0\n", "new_old_show+0x1/0x2 [a]", Waits},
		{"of the one before", false, "a 1 1 - Live 0x0\nb 1 1 - Live 0x0\n", "new_old_show+0x1/0x2 [b]", Note},
		{"of the last one, the other way round", false, "b 1 1 - Live 0x0\na 1 1 - Live 0x0\n", "new_old_show+0x1/0x2 [b]", Waits},
		{"taken back, and what they have changed can't be seen", true, "a 1 1 - Live 0x0\nb 1 1 - Live 0x0\n", "new_other_show+0x1/0x2 [b]", Unknown},
		{"left as it is", false, "a 1 1 - Live 0x0\nb 1 1 - Live 0x0\n", "new_other_show+0x1/0x2 [b]", Note},
		{"in an order that is not known", false, "", "do_wait+0x1/0x2", Unknown},
	} {
		m := machine()
		for _, name := range two {
			m[name] = &fstest.MapFile{}
		}
		delete(m, "sys/kernel/livepatch/x")
		if tt.modules != "" {
			m["proc/modules"] = &fstest.MapFile{Data: []byte(tt.modules)}
		}
		m["proc/7/task/7/stack"] = &fstest.MapFile{Data: []byte("[<0>] " + tt.frame + "\n")}
		file, err := running.ReadFile(bytes.NewReader(plainPatch(t, "fix", kofile.Patch{Replace: tt.replace, Objects: []kofile.Object{{Functions: []kofile.Function{{Name: "old_show"}}}}})))
		if err != nil {
			t.Fatal(err)
		}
		f, err := Check(t.Context(), m, file, Options{Sample: time.Nanosecond, Every: time.Nanosecond})
		if err != nil || f.Outcome != tt.want || len(f.Functions) != 1 {
			t.Errorf("%s: %v, %+v", tt.name, err, f)
		}
	}
}

// TestDepends has a module that it needs, whose name has a dash in the file only.
func TestDepends(t *testing.T) {
	for loaded, want := range map[string]Effect{"snd_pcm": Note, "snd": Refused} {
		m := machine()
		m["sys/module/"+loaded+"/refcnt"] = &fstest.MapFile{}
		file, err := running.ReadFile(bytes.NewReader(plainPatch(t, "fix", kofile.Patch{Objects: []kofile.Object{{Functions: []kofile.Function{{Name: "old_show"}}}}}, "depends=snd-pcm")))
		if err != nil {
			t.Fatal(err)
		}
		f, err := Check(t.Context(), m, file, Options{Sample: time.Nanosecond, Every: time.Nanosecond})
		if err != nil || f.Outcome != want {
			t.Errorf("%s: %v, %+v", loaded, err, f)
		}
	}
}

// plainModule is the file of a livepatch that others made.
func plainModule(t *testing.T, name, function string, position uint64) []byte {
	t.Helper()
	return plainPatch(t, name, kofile.Patch{Objects: []kofile.Object{{Functions: []kofile.Function{{Name: function, Position: position}}}}})
}

func plainPatch(t *testing.T, name string, p kofile.Patch, info ...string) []byte {
	t.Helper()
	b, err := kofiletest.Plain(name, p, append(info, "vermagic=6.1.0-test SMP preempt mod_unload modversions ")...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDamaged cuts a file off, and changes each byte of it: what is no livepatch any more is an
// error, and nothing else happens.
func TestDamaged(t *testing.T) {
	b := plainModule(t, "fix", "old_show", 0)
	try := func(b []byte) {
		file, err := running.ReadFile(bytes.NewReader(b))
		if err != nil {
			return
		}
		if _, err := Check(t.Context(), machine(), file, Options{Sample: time.Nanosecond, Every: time.Nanosecond}); err != nil {
			var format *elfobj.FormatError
			if !errors.As(err, &format) && !strings.Contains(err.Error(), "relocations") {
				t.Errorf("%v", err)
			}
		}
	}
	for n := range len(b) {
		if n%7 == 0 {
			try(b[:n])
		}
		c := bytes.Clone(b)
		c[n] ^= byte(1 << (n % 8))
		try(c)
	}
}

// TestVanishing has files go while they are read.
func TestVanishing(t *testing.T) {
	file, err := running.ReadFile(bytes.NewReader(plainModule(t, "fix", "old_show", 0)))
	if err != nil {
		t.Fatal(err)
	}
	m := machine()
	for name := range m {
		for _, why := range []error{fs.ErrNotExist, fs.ErrPermission, syscall.ESRCH, syscall.EIO} {
			f, err := Check(t.Context(), broken{m, []string{name}, why}, file, Options{Sample: time.Nanosecond, Every: time.Nanosecond})
			if err != nil || f.Outcome == Refused && !errors.Is(why, fs.ErrNotExist) && !strings.HasPrefix(name, "sys/kernel/livepatch") {
				t.Errorf("%s, %v: %v, %+v", name, why, err, f)
			}
		}
	}
}
