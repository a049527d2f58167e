package module_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
)

// TestPlain makes updates as for a kernel without livepatch, and loads them into stock kernels,
// which have what such updates use: that nothing of livepatch is used is seen there too.
func TestPlain(t *testing.T) {
	vmtest.Long(t)
	t.Parallel()
	for _, series := range []string{"6.1", "6.12"} {
		t.Run(series, func(t *testing.T) {
			if series != "6.1" && !testenv.Asked(testenv.Long) {
				t.Skip("one kernel, unless long tests are asked for")
			}
			b := newBench(t, series)
			m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, CPUs: cpus[series], Log: vm.Policy{Taint: "OE", Allow: []string{
				`^fix_(first|busy): (a later update replaces|tracing_read_pipe is in use by|disabled, but its new code is in use by|somebody else has changed)`,
			}}})
			exe, err := vmtest.BuildProgram(t.Context(), "github.com/gosplice/gosplice/splice/module/testdata/sleeper")
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Put(t.Context(), "/bin/sleeper", exe, 0o755); err != nil {
				t.Fatal(err)
			}
			p := &plain{b, m}
			t.Run("stacked", p.stacked)
			t.Run("traced", p.traced)
			t.Run("in use", p.inUse)
			t.Run("operated", p.operated)
			t.Run("refused", p.refused)
		})
	}
}

// plain is a bench for updates without livepatch, and a guest.
type plain struct {
	*bench
	guest *vm.Machine
}

func (p *plain) try(t *testing.T, opt module.Options, sources ...source) (*module.Module, error) {
	t.Helper()
	var pairs []module.Pair
	for _, s := range sources {
		pair, err := p.pair(t, s)
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, pair)
	}
	return module.BuildPlain(vmtest.Context(t), p.kernel, opt, pairs...)
}

func (p *plain) make(t *testing.T, name string, sources ...source) *module.Module {
	t.Helper()
	mod, err := p.try(t, module.Options{Name: name}, sources...)
	if err != nil {
		t.Fatal(err)
	}
	if n := methods(mod); n[module.MethodJump] != len(mod.Functions) {
		t.Errorf("%+v", mod.Functions)
	}
	return mod
}

// load loads an update. The thread of the guest that does so may have words on its stack that
// are left of another task's, see testJumpBusy.
func (p *plain) load(ctx context.Context, mod *module.Module) (err error) {
	for range 5 {
		if err = p.guest.Load(ctx, mod.Bytes(), ""); !errors.Is(err, syscall.EBUSY) {
			break
		}
	}
	return errors.Join(err, shows(ctx, p.guest, parameter(mod.Name), "1", true))
}

func parameter(name string) string { return "/sys/module/" + name + "/parameters/enabled" }

func (p *plain) disable(ctx context.Context, mod *module.Module) error {
	return p.guest.WriteFile(ctx, parameter(mod.Name), []byte("0"))
}

func (p *plain) off(ctx context.Context, mod *module.Module) error {
	return errors.Join(p.disable(ctx, mod), shows(ctx, p.guest, parameter(mod.Name), "0", true), p.guest.Unload(ctx, mod.Name))
}

func (p *plain) check(t *testing.T, what string, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// stacked has updates stand beside and over each other, of functions that are traced and that
// are not: what is replaced again can't be disabled before that is.
func (p *plain) stacked(t *testing.T) {
	ctx := t.Context()
	second := strings.Replace(clocks[0].edits[0].New, "<", "{", 1)
	first := p.make(t, "fix_first", append(clocks[:1:1], greeting...)...)
	beside := p.make(t, "fix_beside", change("fs/proc/loadavg.c", "	seq_printf(m, \"%lu", "	seq_puts(m, \"load \");\n	seq_printf(m, \"%lu")...)
	over := p.make(t, "fix_over", change(clocks[0].file, clocks[0].edits[0].Old, second)...)
	state := func(clockText, line, load bool) error {
		return errors.Join(shows(ctx, p.guest, clock, "<", clockText), shows(ctx, p.guest, "/proc/cmdline", "patched", line), shows(ctx, p.guest, "/proc/loadavg", "load", load))
	}
	var slab, areas int
	for i := range testenv.Number(t, testenv.Cycles, 3) {
		p.check(t, "before", state(false, false, false))
		p.check(t, "first", p.load(ctx, first), state(true, true, false))
		if err := p.guest.Unload(ctx, first.Name); err == nil {
			t.Fatal("what is in effect was removed")
		}
		p.check(t, "beside", p.load(ctx, beside), state(true, true, true))
		p.check(t, "over", p.load(ctx, over), state(false, true, true), shows(ctx, p.guest, clock, "{", true))
		if err := p.disable(ctx, first); !errors.Is(err, syscall.EBUSY) {
			t.Fatalf("what is replaced again: %v, want EBUSY", err)
		}
		p.check(t, "nothing was done", state(false, true, true), shows(ctx, p.guest, clock, "{", true))
		p.check(t, "beside is off", p.off(ctx, beside), state(false, true, false))
		p.check(t, "over is off", p.off(ctx, over), state(true, true, false), shows(ctx, p.guest, clock, "{", false))
		p.check(t, "first is off", p.off(ctx, first), state(false, false, false))
		if i == 0 {
			slab, areas = usage(t, p.guest)
		}
	}
	s, a := usage(t, p.guest)
	t.Logf("slab %d -> %d KiB, %d -> %d areas", slab, s, areas, a)
	if a > areas+1 || s > slab+512 {
		t.Error("something stays behind")
	}
	if text, err := p.guest.ReadDir(ctx, livepatch); err == nil && len(text) > 0 {
		t.Errorf("livepatch knows of %v", text)
	}
}

// traced has the function tracer see a function before, while and after it is replaced: the
// jump stands behind its call.
func (p *plain) traced(t *testing.T) {
	ctx := t.Context()
	mod := p.make(t, "fix_traced", greeting...)
	trace := func(what string) error {
		return errors.Join(p.guest.WriteFile(ctx, tracing+"trace", []byte("\n")), shows(ctx, p.guest, "/proc/cmdline", "patched", what == "while"),
			shows(ctx, p.guest, tracing+"trace", "cmdline_proc_show", true))
	}
	p.check(t, "before", p.guest.WriteFile(ctx, tracing+"set_ftrace_filter", []byte("cmdline_proc_show")),
		p.guest.WriteFile(ctx, tracing+"current_tracer", []byte("function")), trace("before"))
	p.check(t, "while", p.load(ctx, mod), trace("while"))
	p.check(t, "after", p.off(ctx, mod), trace("after"))
	p.check(t, "tracer", p.guest.WriteFile(ctx, tracing+"current_tracer", []byte("nop")), p.guest.WriteFile(ctx, tracing+"set_ftrace_filter", []byte("\n")))
}

// inUse has a task sleep in the old function, then in the new one.
func (p *plain) inUse(t *testing.T) {
	ctx := t.Context()
	pipes := clocksAndPipe()
	mod := p.make(t, "fix_busy", pipes...)
	pid, end := sleeper(t, p.guest, pipe)
	err := p.guest.Load(ctx, mod.Bytes(), "")
	want := fmt.Sprintf("fix_busy: tracing_read_pipe is in use by sleeper (%d); nothing was patched", pid)
	if !errors.Is(err, syscall.EBUSY) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want EBUSY and %q", err, want)
	}
	end()
	p.check(t, "load", p.load(ctx, mod), shows(ctx, p.guest, clock, "<", true))
	_, end = sleeper(t, p.guest, pipe)
	if err := p.disable(ctx, mod); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("disable: %v, want EBUSY", err)
	}
	p.check(t, "undone", shows(ctx, p.guest, clock, "<", false), shows(ctx, p.guest, parameter(mod.Name), "0", true))
	if err := p.guest.Unload(ctx, mod.Name); err == nil {
		t.Fatal("the module is gone, and somebody runs its code")
	}
	end()
	for range 5 {
		if err = p.disable(ctx, mod); !errors.Is(err, syscall.EBUSY) {
			break
		}
	}
	p.check(t, "let go", err, p.guest.Unload(ctx, mod.Name))
}

// refused asks for what needs livepatch.
func (p *plain) refused(t *testing.T) {
	_, err := p.try(t, module.Options{Name: "fix_replace", Replace: true}, greeting...)
	var r *splice.Refusal
	if !errors.As(err, &r) || r.Code != module.CodeNoLivepatch {
		t.Errorf("in the place of others: %v", err)
	}
	_, err = p.try(t, module.Options{Name: "fix_module"}, changeIn("8021q", "net/8021q/vlanproc.c", `"VLAN Dev name	 | VLAN ID\n"`, `"VLAN Dev name	 | VLAN  ID\n"`)...)
	if !errors.As(err, &r) || r.Code != module.CodeNoLivepatch {
		t.Errorf("a module: %v", err)
	}
}
