package module_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// TestJumps takes over functions that are not traced.
func TestJumps(t *testing.T) {
	t.Parallel()
	for _, series := range []string{"6.1", "6.12"} {
		t.Run(series, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, series)
			m := vm.New(t, vm.Options{Kernel: b.stock, CPUs: cpus[series], Log: vm.Policy{Taint: "OEK"}})
			for _, c := range []struct {
				name string
				test func(*testing.T, *bench, *vm.Machine)
			}{{"effect", testJumpEffect}} {
				t.Run(c.name, func(t *testing.T) { c.test(t, b, m) })
			}
		})
	}
}

const tracing = "/sys/kernel/tracing/"

// clocks changes what a file of tracefs shows.
var clocks = change("kernel/trace/trace.c", `			i == tr->clock_id ? "[" : "", trace_clocks[i].name,`, `			i == tr->clock_id ? "<" : "", trace_clocks[i].name,`)

// methods counts the functions of a module by how they are taken over.
func methods(m *module.Module) map[string]int {
	n := map[string]int{}
	for _, f := range m.Functions {
		n[f.Method]++
	}
	return n
}

// testJumpEffect patches functions of both kinds, and shows the effect, and its end.
func testJumpEffect(t *testing.T, b *bench, m *vm.Machine) {
	ctx := t.Context()
	mod := b.build(t, module.Options{Name: "fix_jump"}, append(clocks[:1:1], greeting...)...)
	if n := methods(mod); n[module.MethodFtrace] != 1 || n[module.MethodJump] != 1 {
		t.Fatalf("%+v", mod.Functions)
	}
	for range 3 {
		if err := state(ctx, m, false); err != nil {
			t.Fatal(err)
		}
		apply(t, m, mod)
		if err := errors.Join(state(ctx, m, true), unload(ctx, m, mod.Name), state(ctx, m, false)); err != nil {
			t.Fatal(err)
		}
	}
}

// state checks whether both patches of testJumpEffect are active.
func state(ctx context.Context, m *vm.Machine, active bool) error {
	return errors.Join(shows(ctx, m, tracing+"trace_clock", "<", active), shows(ctx, m, "/proc/cmdline", "patched", active))
}
