package fixes_test

import (
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/livekernel"
	"github.com/gosplice/gosplice/internal/lab/testenv"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/running/fixes"
)

// TestWays loads fixes that reach what runs in other ways: of the body of a system call, which takes
// effect by its callers, and of a function over updates of its caller. One of these still calls the
// function, the other has what it did inlined, so that the fix does not reach it.
func TestWays(t *testing.T) {
	testenv.Serial(t)
	b := newBench(t, "6.1")
	const file, line = "kernel/time/timer_list.c", `SEQ_printf(m, "Timer List Version: v0.9\n");`
	const flock = "	error = %;\n	f = fdget(fd);\n	if (!f.file)\n		return error;\n\n	if (type != F_UNLCK"
	call := b.build(t, "fix_flock", &change{"CVE-1", "fs/locks.c", edit(strings.Replace(flock, "%", "-EBADF", 1), strings.Replace(flock, "%", "-EBADFD", 1))})
	fix := b.build(t, "fix_callee", &change{"CVE-2", file, edit("seq_vprintf(m, fmt, args);", `seq_vprintf(m, fmt, args), seq_putc(m, '~');`)})
	calls := func(t *testing.T) *module.Module {
		return b.build(t, "upd_calls", &change{"CVE-3", file, edit(line, `SEQ_printf(m, "Timer List Version: v1.0\n");`)})
	}
	copies := func(t *testing.T) *module.Module {
		return b.build(t, "upd_copies", &change{"CVE-4", file, edit(line, `if (m) seq_printf(m, "Timer List Version: v1.0\n");`)})
	}
	for _, c := range []struct {
		name  string
		under func(*testing.T) *module.Module
		state fixes.State
		shown string
	}{
		{"over a copy", copies, fixes.Undecided, "v1.0\nHR"},
		{"over a call", calls, fixes.Fixed, "v1.0\n~"},
		{"alone", nil, fixes.Fixed, "v0.9\n~"},
	} {
		if c.state == fixes.Fixed && !testenv.Asked(testenv.Long) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, Log: vm.Policy{Taint: "OEK"}})
			list := []*fixes.Source{source(t, call), source(t, fix)}
			want(t, livekernel.Open(t, m), list, map[string]fixes.State{"CVE-1": fixes.NotFixed, "CVE-2": fixes.NotFixed})
			updates := []*module.Module{call, fix}
			if c.under != nil {
				updates = []*module.Module{call, c.under(t), fix}
			}
			for _, u := range updates {
				if err := m.Load(t.Context(), u.Bytes(), ""); err != nil {
					t.Fatal(err)
				}
				settle(t, m, u.Name)
			}
			text, err := m.ReadFile(t.Context(), "/proc/timer_list")
			if err != nil || !strings.Contains(string(text), c.shown) {
				t.Errorf("%s, %v", text, err)
			}
			want(t, livekernel.Open(t, m), list, map[string]fixes.State{"CVE-1": fixes.Fixed, "CVE-2": c.state})
		})
	}
}
