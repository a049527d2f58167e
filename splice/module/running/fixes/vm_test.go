package fixes_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/gosplice/gosplice/internal/lab/kbuild"
	"github.com/gosplice/gosplice/internal/lab/livekernel"
	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/reloc/image"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/running/fixes"
)

func edit(old, fresh string) []kbuild.Edit { return []kbuild.Edit{{Old: old, New: fresh}} }

// changes are fixes of several kinds: another literal, a new function, another callee with the
// same bytes, a constant.
func changes() map[string]*change {
	list := []*change{
		{"CVE-1", "fs/proc/cmdline.c", edit("seq_putc(m, '\\n');", `seq_puts(m, " by hand\n");`)},
		{"CVE-2", "fs/proc/uptime.c", append(
			edit("static int uptime_proc_show(", "static noinline void more_noise(void) { pr_info_once(\"noise\\n\"); }\nstatic int uptime_proc_show("),
			edit("	idle.tv_sec = ", "	more_noise();\n	idle.tv_sec = ")...)},
		{"CVE-3", "fs/proc/version.c", edit("utsname()->release,", "utsname()->version,")},
		{"CVE-4", "fs/filesystems.c", edit("write_lock(&file_systems_lock);\n	p = find_filesystem", "write_lock_bh(&file_systems_lock);\n	p = find_filesystem")},
		{"CVE-5", "fs/proc/loadavg.c", edit("get_avenrun(avnrun, FIXED_1/200, 0);", "get_avenrun(avnrun, FIXED_1/100, 0);")},
	}
	out := map[string]*change{}
	for _, c := range list {
		out[c.name] = c
	}
	return out
}

// TestKernels looks for fixes in kernels that run: some live by updates, some not, one damaged.
func TestKernels(t *testing.T) {
	for _, series := range vmtest.Releases() {
		t.Run(series, func(t *testing.T) { testKernel(t, series) })
	}
}

func testKernel(t *testing.T, series string) {
	b, all := newBench(t, series), changes()
	loaded := b.build(t, "fix_both", all["CVE-1"], all["CVE-2"])
	idle := b.build(t, "fix_others", all["CVE-3"], all["CVE-4"])
	single := b.build(t, "fix_single", all["CVE-5"])
	m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, Log: vm.Policy{Taint: "OEK"}})
	sources := []*fixes.Source{source(t, loaded), source(t, idle), source(t, single)}
	none := map[string]fixes.State{"CVE-1": fixes.NotFixed, "CVE-2": fixes.NotFixed, "CVE-3": fixes.NotFixed, "CVE-4": fixes.NotFixed, "CVE-5": fixes.NotFixed}
	want(t, livekernel.Open(t, m), sources, none)
	for _, u := range []*module.Module{loaded, single} {
		if err := m.Load(t.Context(), u.Bytes(), ""); err != nil {
			t.Fatal(err)
		}
		settle(t, m, u.Name)
	}
	img := livekernel.Open(t, m)
	want(t, img, sources, map[string]fixes.State{"CVE-1": fixes.Fixed, "CVE-2": fixes.Fixed, "CVE-3": fixes.NotFixed, "CVE-4": fixes.NotFixed, "CVE-5": fixes.Fixed})
}

// settle waits for the end of a transition.
func settle(t *testing.T, m *vm.Machine, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := m.WaitFile(ctx, "/sys/kernel/livepatch/"+name+"/transition", "0"); err != nil {
		t.Fatal(err)
	}
}

// source reads what a module has, by way of its file.
func source(t *testing.T, m *module.Module) *fixes.Source {
	t.Helper()
	back, err := module.Read(bytes.NewReader(m.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	s, err := fixes.Of(back)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// want checks what is found.
func want(t *testing.T, img *image.Image, sources []*fixes.Source, states map[string]fixes.State) *fixes.Report {
	t.Helper()
	begin := time.Now()
	r, err := fixes.Check(t.Context(), img, sources...)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d fixes in %v", len(r.Fixes), time.Since(begin))
	if len(r.Fixes) != len(states) {
		t.Errorf("%d fixes, want %d", len(r.Fixes), len(states))
	}
	for i := range r.Fixes {
		if f := &r.Fixes[i]; f.State != states[f.Name] {
			t.Errorf("%s is %s, want %s: %s: %+v", f.Name, f.State, states[f.Name], f.Why, f.Functions)
		}
	}
	return r
}
