package module_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/lint"
)

// TestRunningKernel has a program in the guest apply, list and revert an update by package
// running, which was made of the guest's kernel as it runs; then livectl keeps some in a store.
func TestRunningKernel(t *testing.T) {
	for _, series := range []string{"6.1", "6.12"} {
		t.Run(series, func(t *testing.T) { testRunningKernel(t, series) })
	}
}

func testRunningKernel(t *testing.T, series string) {
	b := newBench(t, series)
	exe, err := vmtest.BuildProgram(t.Context(), "github.com/gosplice/gosplice/splice/module/testdata/operator")
	if err != nil {
		t.Fatal(err)
	}
	m := vmtest.New(t, vm.Options{Kernel: &b.stock.Kernel, Log: vm.Policy{Taint: "OEK"}})
	mod := madeThere(t, b, m)
	back, err := module.Read(bytes.NewReader(mod.Bytes()))
	if err != nil || back.Name != mod.Name || back.ID != mod.ID || back.Kernel != mod.Kernel || back.Signed {
		t.Fatalf("%+v, %v", back, err)
	}
	for path, data := range map[string][]byte{"/bin/operator": exe, "/fix.ko": mod.Bytes()} {
		if err := m.Put(t.Context(), path, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if list := operate(t, m, "", "status"); len(list) != 0 {
		t.Errorf("before: %+v", list)
	}
	lintRunning(t, m, mod)
	applied := operate(t, m, "", "apply", "/fix.ko")
	checkRunning(t, m, mod, applied, true)
	checkRunning(t, m, mod, operate(t, m, "", "status"), true)
	operate(t, m, "refused (already-applied)", "apply", "/fix.ko")
	if list := operate(t, m, "", "revert", mod.ID); len(list) != 1 || list[0].State != "" || list[0].Kept != "" {
		t.Errorf("reverted: %+v", list)
	}
	checkRunning(t, m, mod, operate(t, m, "", "status"), false)
	operate(t, m, "refused (not-applied)", "revert", mod.ID)
	if series == vmtest.Releases()[0] {
		testStore(t, b, m)
	}
}

// operate runs the program, and wants its error, or the reports.
func operate(t *testing.T, m *vm.Machine, wantErr string, args ...string) (list []splice.Report) {
	t.Helper()
	r, err := m.Run(t.Context(), vm.Command{Path: "/bin/operator", Args: args})
	if err != nil {
		t.Fatal(err)
	}
	if wantErr != "" {
		if r.Status == 0 || !strings.Contains(string(r.Stderr), wantErr) {
			t.Errorf("%v: %d, %s, want %q", args, r.Status, r.Stderr, wantErr)
		}
		return nil
	}
	if err := json.Unmarshal(r.Stdout, &list); err != nil || r.Status != 0 {
		t.Fatalf("%v: %d, %v, %s", args, r.Status, err, r.Stderr)
	}
	return list
}

// checkRunning checks the one report, and that the update is in effect.
func checkRunning(t *testing.T, m *vm.Machine, mod *module.Module, list []splice.Report, there bool) {
	t.Helper()
	if err := shows(t.Context(), m, "/proc/cmdline", " by hand", there); err != nil {
		t.Error(err)
	}
	if !there {
		if len(list) != 0 {
			t.Errorf("%+v", list)
		}
		return
	}
	if len(list) != 1 || list[0].Name != mod.Name || list[0].ID != mod.ID || list[0].State != splice.Applied ||
		!slices.ContainsFunc(list[0].Redirects, func(r splice.Redirected) bool {
			return r.Function == "cmdline_proc_show" && r.Module == "vmlinux"
		}) {
		t.Errorf("%+v", list)
	}
}

// lintRunning holds a module against the kernel of the guest, by its memory alone, and one that
// asks for what that does not have.
func lintRunning(t *testing.T, m *vm.Machine, mod *module.Module) {
	t.Helper()
	k, err := lint.NewRunning(t.Context(), m.FS(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	r, err := lint.Check(t.Context(), mod.Bytes(), k)
	if err != nil || len(r.Findings) > 0 || !r.Sealed || r.Functions != 1 || r.Kernel != m.Release {
		t.Errorf("lint: %+v, %v", r, err)
	}
	other := bytes.Replace(mod.Bytes(), []byte("cmdline_proc_show\x00"), []byte("cmdline_proc_shoo\x00"), -1)
	if r, err = lint.Check(t.Context(), other, k); err != nil || !slices.ContainsFunc(r.Findings, func(f lint.Finding) bool { return f.Code == lint.CodeOld }) {
		t.Errorf("lint of another function: %+v, %v", r, err)
	}
}

// madeThere makes the module without a vmlinux, of the guest's kernel as it runs.
func madeThere(t *testing.T, b *bench, m *vm.Machine) *module.Module {
	t.Helper()
	k, err := module.OpenRunning(t.Context(), m.FS(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	there := &bench{stock: b.stock, tree: b.tree, kernel: k, objtool: b.objtool}
	untraced := "lib/bitmap.c"
	if strings.HasPrefix(m.Release, "6.12") {
		untraced = "lib/bitmap-str.c"
	}
	p, err := there.pair(t, pagebuf(untraced)[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := module.Build(k, module.Options{Name: "fix_untraced"}, p); !errors.Is(err, module.CodeNeedsImage) {
		t.Errorf("a function that is not traced: %v", err)
	}
	return there.build(t, module.Options{Name: "fix_running"}, change("fs/proc/cmdline.c", "seq_putc(m, '\\n');", `seq_puts(m, " by hand\n");`)...)
}
