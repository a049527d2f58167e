package trial_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/elfdiff/object"
	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/reloc"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/source/trial"
)

// bench makes updates for a stock kernel.
type bench struct {
	stock   *debkernel.Kernel
	tree    *kbuild.Tree
	kernel  *module.Kernel
	objtool string
}

func newBench(t *testing.T, series string) *bench {
	t.Helper()
	b := &bench{stock: vmtest.Need(t, series)}
	b.tree = kbuild.Need(t, b.stock)
	path, err := b.stock.Vmlinux(vmtest.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	if b.kernel, err = module.OpenKernel(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.kernel.Close() })
	if path, err = b.stock.Symvers(vmtest.Context(t)); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := b.kernel.UseSymvers(f); err != nil {
		t.Fatal(err)
	}
	if series != "6.1" { // built with IBT: objtool has seen the whole image only
		if b.objtool, err = b.stock.Objtool(vmtest.Context(t)); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// change is a change of a file, of a module or of the kernel itself.
type change struct {
	file, module string
	edit         kbuild.Edit
}

func (b *bench) build(t *testing.T, name string, changes ...change) *module.Module {
	t.Helper()
	var pairs []module.Pair
	for _, c := range changes {
		pairs = append(pairs, b.pair(t, c))
	}
	m, err := module.Build(b.kernel, module.Options{Name: name}, pairs...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (b *bench) pair(t *testing.T, c change) module.Pair {
	t.Helper()
	open := func(edits ...kbuild.Edit) *object.Object {
		path, err := b.tree.Compile(vmtest.Context(t), c.file, edits...)
		if err == nil && b.objtool != "" {
			path, err = b.kernel.Objtool(t.Context(), b.objtool, path, t.TempDir())
		}
		if err != nil {
			t.Fatal(err)
		}
		o, err := elfdiff.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	run, p := b.kernel.Run(), module.Pair{}
	if c.module != "" {
		path, err := b.stock.ModulePath(c.module)
		if err != nil {
			t.Fatal(err)
		}
		if p.Target, err = b.kernel.OpenModule(path); err != nil {
			t.Fatal(err)
		}
		run = p.Target.Run()
	}
	pre, post := open(), open(c.edit)
	var err error
	if p.Diff, err = elfdiff.Compare(pre, post, elfdiff.Options{Tables: true}); err != nil {
		t.Fatal(err)
	}
	if p.Match, err = reloc.Match(t.Context(), pre, run, reloc.Options{}); err != nil {
		t.Fatal(err)
	}
	return p
}

var (
	greeting = change{"fs/proc/cmdline.c", "", kbuild.Edit{Old: "seq_putc(m, '\\n');", New: `seq_puts(m, " patched\n");`}}
	traced   = change{"kernel/trace/trace.c", "", kbuild.Edit{Old: `			i == tr->clock_id ? "[" : "", trace_clocks[i].name,`, New: `			i == tr->clock_id ? "<" : "", trace_clocks[i].name,`}}
	dummy    = change{"drivers/net/dummy.c", "dummy", kbuild.Edit{Old: "return -EADDRNOTAVAIL;", New: "return -EADDRINUSE;"}}
	oops     = change{"fs/proc/cmdline.c", "", kbuild.Edit{Old: "seq_putc(m, '\\n');", New: "panic(\"as it was asked to\");"}}
	warns    = change{"fs/proc/cmdline.c", "", kbuild.Edit{Old: "seq_putc(m, '\\n');", New: "WARN(1, \"not well\"); seq_putc(m, '\\n');"}}
)

func (b *bench) options(m *module.Module) trial.Options {
	return trial.Options{Boot: b.stock.Image, Modules: b.stock.ModuleDir, Update: m}
}

// program builds the program that looks at the guest.
func program(t *testing.T) string {
	t.Helper()
	exe, err := vmtest.BuildProgram(t.Context(), "github.com/gosplice/gosplice/splice/source/trial/testdata/look")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "look")
	if err := os.WriteFile(path, exe, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestRun tries updates of the kernel and of a module, by the function tracer and by jumps.
func TestRun(t *testing.T) {
	vmtest.Long(t)
	for i, series := range testenv.Sample(1, vmtest.Releases()) {
		t.Run(series, func(t *testing.T) {
			b := newBench(t, series)
			m := b.build(t, "fix_trial", greeting, traced, dummy)
			o := b.options(m)
			o.Exercise, o.Args, o.Again = program(t), []string{"/proc/cmdline", "patched"}, i == 0
			stages := 0
			o.Progress = func(_ string, done, _ int) { stages += 1 - 2*done }
			begin := time.Now()
			r, err := trial.Run(vmtest.Context(t), o)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%v: %+v", time.Since(begin), r.Stages)
			if !r.OK || stages != 0 || r.Pinned != m.Pinned || r.Kernel != b.stock.Release {
				t.Errorf("%+v", r)
			}
			if len(r.Objects) != 2 || slices.ContainsFunc(r.Objects, func(o trial.Object) bool { return !o.Patched }) {
				t.Errorf("objects: %+v", r.Objects)
			}
			methods := map[string]int{}
			for _, f := range r.Functions {
				methods[f.Method]++
				if f.State != trial.Live || f.Old == "" || f.New == "" {
					t.Errorf("function %+v", f)
				}
			}
			if len(r.Functions) != len(m.Functions) || methods[module.MethodFtrace] < 2 || methods[module.MethodJump] < 1 {
				t.Errorf("functions: %v of %+v", methods, m.Functions)
			}
			phases := ""
			for _, e := range r.Exercises {
				phases += e.Phase + " " + e.Output + ";"
			}
			if want := "before no\n;patched yes\n;reverted no\n;"; phases != want {
				t.Errorf("exercises: %q, want %q", phases, want)
			}
			roundTrip(t, r)
		})
	}
}

// roundTrip sees that a report comes back from JSON.
func roundTrip(t *testing.T, r *trial.Report) {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back trial.Report
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, &back); diff != "" {
		t.Error(diff)
	}
	if bytes.Contains(b, []byte("null")) {
		t.Errorf("a list is null: %s", b)
	}
}

// script looks at the guest with the commands of busybox.
const script = `
echo "$GOSPLICE_PHASE $GOSPLICE_UPDATE $1 $(grep -c patched /proc/cmdline)"
test -d /sys/kernel/livepatch/$GOSPLICE_UPDATE && echo loaded >&2
ls / | head -1
`

// TestScript runs a script in the guest.
func TestScript(t *testing.T) {
	vmtest.Long(t)
	b := newBench(t, "6.1")
	o := b.options(b.build(t, "fix_script", greeting))
	o.Busybox, o.Args = busybox(t), []string{"arg"}
	o.Exercise = filepath.Join(t.TempDir(), "look.sh")
	if err := os.WriteFile(o.Exercise, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := trial.Run(vmtest.Context(t), o)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range r.Exercises {
		got = append(got, e.Output, e.Errors)
	}
	want := []string{"before fix_script arg 0\nbin\n", "", "patched fix_script arg 1\nbin\n", "loaded\n", "reverted fix_script arg 0\nbin\n", ""}
	if diff := cmp.Diff(want, got); diff != "" || !r.OK {
		t.Errorf("%s\n%+v", diff, r.Failures)
	}
}

// busybox fetches one that is linked statically.
func busybox(t *testing.T) string {
	t.Helper()
	cache, err := deb.OpenCache()
	if err != nil {
		t.Fatal(err)
	}
	found, err := cache.Find(t.Context(), "busybox-static")
	if errors.Is(err, deb.ErrUnavailable) {
		testenv.Skip(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	const pattern = "bin/busybox|usr/bin/busybox"
	dir, err := cache.Tree(vmtest.Context(t), []string{pattern}, found[0])
	if err != nil {
		t.Fatal(err)
	}
	path, err := deb.Locate(dir, pattern)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLater loads the module that is changed once the update is in place.
func TestLater(t *testing.T) {
	vmtest.Long(t)
	b := newBench(t, "6.1")
	o := b.options(b.build(t, "fix_later", dummy))
	o.Later = []string{"dummy"}
	r, err := trial.Run(vmtest.Context(t), o)
	if err != nil || !r.OK || len(r.Functions) == 0 || r.Functions[0].State != trial.Live {
		t.Errorf("%+v, %v", r, err)
	}
	o.Later, o.Targets = nil, []string{}
	r, err = trial.Run(vmtest.Context(t), o)
	if err != nil || !r.OK || len(r.Functions) == 0 || r.Functions[0].State != trial.NotLoaded {
		t.Errorf("not loaded: %+v, %v", r, err)
	}
}

// TestBad tries updates that are not well.
func TestBad(t *testing.T) {
	vmtest.Long(t)
	b := newBench(t, "6.1")
	exe := program(t)
	for name, c := range map[string]struct {
		change change
		args   []string
		stage  string
		text   string
	}{
		"dies":  {oops, []string{"/proc/cmdline", ""}, "exercise patched", "as it was asked to"},
		"warns": {warns, []string{"/proc/cmdline", ""}, "", "not well"},
		"fails": {greeting, []string{"/proc/nothing", ""}, "exercise before", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			o := b.options(b.build(t, "fix_bad", c.change))
			o.Exercise, o.Args = exe, c.args
			r, err := trial.Run(vmtest.Context(t), o)
			if err != nil {
				t.Fatal(err)
			}
			if r.OK {
				t.Error("it is said to be well")
			}
			var said []string
			for _, f := range r.Failures {
				said = append(said, f.Stage+": "+f.Text)
			}
			for _, f := range r.Findings {
				said = append(said, f.Rule+": "+f.Text)
			}
			if all := strings.Join(said, "\n"); !strings.Contains(all, c.text) || !strings.Contains(all, c.stage) {
				t.Errorf("%.2000s", all)
			}
			if (r.Console != "") != (name == "dies") {
				t.Errorf("console: %q", r.Console)
			}
			roundTrip(t, r)
		})
	}
}

// TestSession tries updates in one guest, one after the other, until one kills it.
func TestSession(t *testing.T) {
	vmtest.Long(t)
	b := newBench(t, "6.1")
	o := b.options(nil)
	s, err := trial.Boot(vmtest.Context(t), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	exe := program(t)
	for i, c := range []struct {
		change change
		later  []string
		dies   bool
	}{
		{greeting, nil, false}, {dummy, nil, false}, {dummy, []string{"dummy"}, false}, {greeting, nil, false}, {oops, nil, true},
	} {
		begin := time.Now()
		r, err := s.Try(vmtest.Context(t), trial.Options{
			Update: b.build(t, "fix_session", c.change), Later: c.later, Exercise: exe, Args: []string{"/proc/cmdline", map[bool]string{true: "patched"}[c.change == greeting]},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d: %v", i, time.Since(begin))
		if r.OK == c.dies || s.Alive() == c.dies {
			t.Errorf("%d: %+v", i, r)
		}
		if !c.dies && (len(r.Functions) == 0 || r.Functions[0].State != trial.Live) {
			t.Errorf("%d: %+v", i, r.Functions)
		}
	}
	if _, err := s.Try(vmtest.Context(t), trial.Options{Update: b.build(t, "fix_session", greeting)}); err == nil {
		t.Error("tried in a guest that is gone")
	}
}

// TestGuests tries updates at a bench: one guest for all, and a new one after one that died.
func TestGuests(t *testing.T) {
	vmtest.Long(t)
	b := newBench(t, "6.1")
	o := b.options(nil)
	o.Exercise = program(t)
	bench, err := trial.NewBench(o)
	if err != nil {
		t.Fatal(err)
	}
	defer bench.Close()
	for i, c := range []struct {
		change change
		boots  bool
		ok     bool
		note   string
	}{
		{greeting, true, true, ""}, {oops, false, false, ""},
		{dummy, true, true, "guest number 2: the one before was given up behind fix_guests: its kernel died"}, {greeting, false, true, ""},
	} {
		r, err := bench.Try(vmtest.Context(t), trial.Options{
			Update: b.build(t, "fix_guests", c.change), Exercise: o.Exercise, Args: []string{"/proc/cmdline", map[bool]string{true: "patched"}[c.change == greeting]},
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.OK != c.ok || (r.Stages[0].Name == "boot") != c.boots || !strings.Contains(strings.Join(r.Notes, "\n"), c.note) || (c.note == "") != (len(r.Notes) == 0) {
			t.Errorf("%d: ok %v, stages %v, notes %q", i, r.OK, r.Stages, r.Notes)
		}
		roundTrip(t, r)
	}
	if bench.Guests() != 2 {
		t.Errorf("%d guests", bench.Guests())
	}
}

// TestStuck has a process in the old code when the time is up: the failure names it, and the
// update is taken back.
func TestStuck(t *testing.T) {
	vmtest.Long(t)
	b := newBench(t, "6.1")
	o := b.options(b.build(t, "fix_stuck", change{"fs/pipe.c", "", kbuild.Edit{
		Old: "	/* Null read succeeds. */", New: "	if (total_len == 77777)\n		return -ENOTTY;\n	/* Null read succeeds. */",
	}}))
	o.Exercise, o.Args = program(t), []string{"-block"}
	o.Limits.Transition = 5 * time.Second // after 15 the kernel wakes processes with a signal
	r, err := trial.Run(vmtest.Context(t), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.OK || len(r.Failures) != 1 || r.Failures[0].Stage != "transition" || !strings.Contains(r.Failures[0].Text, "look (") || !strings.Contains(r.Failures[0].Text, "pipe_read") {
		t.Errorf("%+v", r.Failures)
	}
	if n := len(r.Exercises); n != 2 || r.Exercises[n-1].Phase != "reverted" {
		t.Errorf("%+v", r.Exercises)
	}
}

// TestCancel ends a trial as soon as the guest runs.
func TestCancel(t *testing.T) {
	vmtest.Long(t)
	b := newBench(t, "6.1")
	o := b.options(b.build(t, "fix_cancel", greeting))
	ctx, cancel := context.WithCancel(vmtest.Context(t))
	o.Progress = func(stage string, done, _ int) {
		if stage == "load" {
			cancel()
		}
	}
	begin := time.Now()
	if _, err := trial.Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	t.Logf("ended after %v", time.Since(begin))
}
