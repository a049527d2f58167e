package foresee_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/running/foresee"
)

// A mode is one way to take functions over, with a livepatch that does so.
type mode struct {
	name, file string
	function   string // that it replaces
	path       string // of the file that shows that it does
	mark       string // what is in it then
}

var modes = []mode{
	{"livepatch", fix, "cmdline_proc_show", "/proc/cmdline", " fixed"},
	{"jump", "/jumpclock.ko", "tracing_clock_show", clock, "<"},
}

const otherFunction = "version_proc_show"

// holders are what may be on a function, by what names them.
var holders = []struct {
	name, who string
	hold      func(ctx context.Context, b *bench, function string) (undo func() error, err error)
}{
	{"function", "tracer function", traces("function")},
	{"function_graph", "tracer function_graph", traces("function_graph")},
	{"kprobe", "kprobe", probes("p")},
	{"kretprobe", "kretprobe", probes("r")},
	{"fentry", "watcher", attaches("entry")},
	{"fexit", "bpf_trampoline", attaches("exit")},
	{"livepatch", "plain", loads("plain")},
	{"kprobe of a module", "kprobe", loads("kprobe")}, // the last: over a jump, nothing takes it back
}

func traces(tracer string) func(context.Context, *bench, string) (func() error, error) {
	return func(ctx context.Context, b *bench, function string) (func() error, error) {
		if err := b.vm.WriteFile(ctx, tracing+"set_ftrace_filter", []byte(function)); err != nil {
			return nil, err
		}
		err := b.vm.WriteFile(ctx, tracing+"current_tracer", []byte(tracer))
		return func() error {
			return errors.Join(b.vm.WriteFile(ctx, tracing+"current_tracer", []byte("nop")), b.vm.WriteFile(ctx, tracing+"set_ftrace_filter", []byte("!"+function)))
		}, err
	}
}

func probes(kind string) func(context.Context, *bench, string) (func() error, error) {
	return func(ctx context.Context, b *bench, function string) (func() error, error) {
		const enable = tracing + "events/kprobes/held/enable"
		if err := b.vm.WriteFile(ctx, tracing+"kprobe_events", []byte(kind+":held "+function)); err != nil {
			return nil, err
		}
		err := b.vm.WriteFile(ctx, enable, []byte("1"))
		return func() error {
			return errors.Join(b.vm.WriteFile(ctx, enable, []byte("0")), b.vm.WriteFile(ctx, tracing+"kprobe_events", []byte("-:held")))
		}, err
	}
}

// attaches has a BPF program on the function.
func attaches(where string) func(context.Context, *bench, string) (func() error, error) {
	return func(ctx context.Context, b *bench, function string) (func() error, error) {
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() {
			r, err := b.vm.Run(ctx, vm.Command{Path: "/bin/fentry", Args: []string{where, function}})
			if err == nil {
				err = errors.New(strings.TrimSpace(string(r.Stderr)))
			}
			done <- err
		}()
		undo := func() error {
			cancel()
			<-done
			return nil
		}
		for {
			list, err := b.vm.ReadFile(ctx, tracing+"enabled_functions")
			if err != nil || strings.Contains(string(list), "bpf_trampoline") {
				return undo, err
			}
			select {
			case err := <-done:
				cancel()
				return nil, err
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

// loads loads a livepatch of others, or a module with a kprobe.
func loads(what string) func(context.Context, *bench, string) (func() error, error) {
	return func(ctx context.Context, b *bench, function string) (func() error, error) {
		image, err := b.vm.ReadFile(ctx, heldBy(what, function))
		if err == nil {
			err = b.vm.Load(ctx, image, "")
		}
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(heldBy(what, function)[1:], ".ko")
		return func() error {
			if what == "plain" {
				if err := b.vm.WriteFile(ctx, "/sys/kernel/livepatch/"+name+"/enabled", []byte("0")); err != nil {
					return err
				}
			}
			for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
				if err := b.vm.Unload(ctx, name); err == nil || time.Now().After(end) {
					return err
				}
			}
		}, nil
	}
}

func heldBy(what, function string) string { return "/" + what + "_" + function + ".ko" }

// probing is the body of a module with a kprobe on a function.
const probing = `
static int before(struct kprobe *p, struct pt_regs *regs) { return 0; }
static struct kprobe probe = { .symbol_name = "FUNCTION", .pre_handler = before };
int init_module(void) { return register_kprobe(&probe); }
void cleanup_module(void) { unregister_kprobe(&probe); }
`

// TestCases holds a function by all that may hold one, before and behind a load, the function that
// is replaced and another, replaced by livepatch and by a jump: what is foretold happens, and who
// is in the way is named.
func TestCases(t *testing.T) {
	hours(t)
	b := newBench(t, "6.1", vm.Policy{Taint: "OEK", Allow: []string{`^livepatch: `, `is not what this update was made for`}})
	b.fill(t, fix)
	b.put(t, modes[1].file, b.made(t, module.Options{Name: "jumpclock"}, clockAs("<")))
	for _, f := range []string{modes[0].function, modes[1].function, otherFunction} {
		b.put(t, heldBy("plain", f), b.plain(t, "plain_"+f, replacing("", f)))
		b.put(t, heldBy("kprobe", f), b.plain(t, "kprobe_"+f, strings.Replace(probing, "FUNCTION", f, 1)))
	}
	for _, m := range modes {
		for _, h := range holders {
			for _, function := range []string{otherFunction, m.function} {
				which := map[bool]string{true: "same", false: "other"}[function == m.function]
				hold := func() (func() error, error) { return h.hold(t.Context(), b, function) }
				t.Run(fmt.Sprintf("%s/%s/before/%s", m.name, h.name, which), func(t *testing.T) { b.heldBefore(t, &m, h.who, hold) })
				file := ""
				if h.name == "livepatch" {
					file = heldBy("plain", function)
				}
				t.Run(fmt.Sprintf("%s/%s/after/%s", m.name, h.name, which), func(t *testing.T) { b.heldAfter(t, &m, file, hold) })
			}
		}
	}
}

// heldBefore has something on a function, and then a livepatch loaded.
func (b *bench) heldBefore(t *testing.T, m *mode, who string, hold func() (func() error, error)) {
	undo, err := hold()
	if err != nil {
		t.Logf("result: the kernel does not have it: %s", oneLine(err))
		return
	}
	f := b.check(t, m.file)
	is, said, notes := b.seen(t, m)
	t.Logf("result: foretold %s, and %s%s %s", f.Outcome, is, notes, said)
	if !fulfilled(f.Outcome, is) {
		t.Errorf("foretold %s, and %s: %s; %+v", f.Outcome, is, said, f.Findings)
	}
	for _, x := range f.Findings {
		t.Logf("%s %v", &x, x.Who)
	}
	if is == foresee.Refused && !slices.ContainsFunc(f.Findings, func(x foresee.Finding) bool {
		return x.Effect != foresee.Note && strings.Contains(strings.Join(x.Who, " "), who)
	}) {
		t.Errorf("nothing names %s", who)
	}
	if err := undo(); err != nil {
		t.Error(err)
	}
}

// seen loads a livepatch, sees that it is in effect, and takes it back.
func (b *bench) seen(t *testing.T, m *mode) (is foresee.Effect, why, notes string) {
	t.Helper()
	var s said
	start := time.Now()
	switch status := b.livectl(t, &s, "load", "-limit", "20s", m.file); status {
	case 0:
		is = foresee.Note
	case 3:
		return foresee.Stalls, s.Error, ""
	default:
		return foresee.Refused, s.Error, ""
	}
	if time.Since(start) > 12*time.Second {
		is = foresee.Waits
	}
	notes = b.shown(t, m, true)
	return is, "", notes + b.reverted(t, m)
}

// shown says what is wrong with what a livepatch shows.
func (b *bench) shown(t *testing.T, m *mode, want bool) string {
	t.Helper()
	text, err := b.vm.ReadFile(t.Context(), m.path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), m.mark) != want {
		t.Errorf("%s in effect: want %v: %.200s", m.name, want, text)
		return fmt.Sprintf(", in effect %v", !want)
	}
	return ""
}

// reverted takes a livepatch back, and says what is to be said of that.
func (b *bench) reverted(t *testing.T, m *mode) string {
	t.Helper()
	var s said
	if status := b.livectl(t, &s, "revert", "-limit", "20s", strings.TrimSuffix(m.file[1:], ".ko")); status != 0 {
		return fmt.Sprintf(", revert: %d, %s", status, s.Error)
	}
	return b.shown(t, m, false)
}

// heldAfter has a livepatch loaded, and then something on a function. file is that of the one that
// does it, if it can be foretold.
func (b *bench) heldAfter(t *testing.T, m *mode, file string, hold func() (func() error, error)) {
	var s said
	if status := b.livectl(t, &s, "load", m.file); status != 0 {
		t.Fatalf("load: %d, %s", status, s.Error)
	}
	var f *foresee.Forecast
	if file != "" {
		f = b.check(t, file)
	}
	undo, err := hold()
	result := "it is there"
	if err != nil {
		result = "refused: " + oneLine(err)
	}
	if f != nil {
		result += fmt.Sprintf("; foretold %s", f.Outcome)
		if is := map[bool]foresee.Effect{true: foresee.Note, false: foresee.Refused}[err == nil]; !fulfilled(f.Outcome, is) {
			t.Errorf("foretold %s, and %s: %v; %+v", f.Outcome, is, err, f.Findings)
		}
	}
	if f == nil || len(f.Functions) == 0 || f.Functions[0].Name != m.function || err != nil { // another livepatch has it then
		result += b.shown(t, m, true)
	}
	back := b.reverted(t, m)
	if back != "" && !strings.Contains(back, "(kprobe at "+m.function) {
		t.Errorf("nothing names the kprobe")
	}
	t.Logf("result: %s%s", result, back)
	if err != nil {
		return
	}
	if err := undo(); err != nil {
		t.Error(err)
	}
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
