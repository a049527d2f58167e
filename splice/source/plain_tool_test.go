package source_test

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
	"github.com/gosplice/gosplice/splice/module/running/foresee"
	"github.com/gosplice/gosplice/splice/module/running/verify"
)

// The exit statuses of livectl.
const (
	toolDone = iota
	toolError
	toolRefused
	toolStuck
)

// verified has livectl verify the update, which takes the kernel's symbols for more than functions.
func (r *matrixRow) verified(t *testing.T, m *vm.Machine) {
	t.Helper()
	got, err := m.Run(t.Context(), vm.Command{Path: "/bin/livectl", Args: []string{"-json", "verify", "/fix.ko"}})
	if err != nil {
		t.Fatal(err)
	}
	if !r.has(t, "CONFIG_KALLSYMS_ALL") {
		if got.Status != toolError || !bytes.Contains(got.Stderr, []byte("CONFIG_KALLSYMS_ALL is not set")) {
			t.Errorf("verify: %d %s %s", got.Status, got.Stdout, got.Stderr)
		}
		return
	}
	var proof verify.Report
	if err := json.Unmarshal(got.Stdout, &proof); err != nil || got.Status != toolDone || len(proof.Updates) != 1 || proof.Updates[0].State != verify.Proven {
		t.Errorf("verify: %d %+v %v", got.Status, proof, err)
	}
}

// operated has livectl do what operators do with an update, on a kernel that shows no more than a
// small one does.
func (r *matrixRow) operated(t *testing.T) {
	ctx := t.Context()
	u := r.update(t, "fix_tool", said)
	m := vmtest.New(t, vm.Options{Kernel: r.shown.kernel, CPUs: 2, Log: vm.Policy{Taint: "OE", Allow: []string{`^fix_tool: .*is in use by`}}})
	exe, err := vmtest.BuildProgram(ctx, "github.com/gosplice/gosplice/examples/livectl")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.Put(ctx, "/bin/livectl", exe, 0o755), m.Put(ctx, "/fix.ko", u.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	tool := func(v any, args ...string) int {
		t.Helper()
		got, err := m.Run(ctx, vm.Command{Path: "/bin/livectl", Args: append([]string{"-json"}, args...)})
		if err != nil {
			t.Fatal(err)
		}
		if err := json.NewDecoder(bytes.NewReader(got.Stdout)).Decode(v); err != nil {
			t.Fatalf("%v: %d, %v\n%s%s", args, got.Status, err, got.Stdout, got.Stderr)
		}
		t.Logf("%v: %d %s", args, got.Status, got.Stderr)
		return got.Status
	}

	// Where the kernel shows no stacks of tasks, nobody knows who is in the way before it is tried. No
	// small kernel shows which probes there are, since none has debugfs.
	var f foresee.Forecast
	status := tool(&f, "check", "/fix.ko")
	blind := slices.ContainsFunc(f.Findings, func(x foresee.Finding) bool {
		return x.Code == foresee.CodeUnseen && strings.Contains(x.Message, "shows no stacks")
	})
	if blind == r.has(t, "CONFIG_STACKTRACE") || f.Outcome != foresee.Unknown || status != toolStuck {
		t.Errorf("check: %d %+v", status, f)
	}

	var s struct {
		List  []splice.Report `json:"list"`
		Error string          `json:"error"`
	}
	done := func(args ...string) []splice.Report {
		t.Helper()
		s.List, s.Error = nil, ""
		if got := tool(&s, args...); got != toolDone {
			t.Errorf("%v: %d %+v", args, got, s)
		}
		return s.List
	}
	state := func(want splice.State, args ...string) {
		t.Helper()
		if list := done(args...); len(list) != 1 || list[0].State != want {
			t.Errorf("%v: %+v, want %s", args, list, want)
		}
	}
	none := func() {
		t.Helper()
		if list := done("status"); len(list) > 0 {
			t.Errorf("status: %+v, want none", list)
		}
	}
	shows := func(text string) {
		t.Helper()
		if err := has(ctx, m, "/proc/cmdline", text); err != nil {
			t.Error(err)
		}
	}
	none()
	state(splice.Applied, "load", "-limit", "60s", "/fix.ko")
	shows(" first")
	state(splice.Applied, "status")
	r.verified(t, m)
	if status := tool(&s, "load", "/fix.ko"); status != toolRefused { // it is there
		t.Errorf("load again: %d %+v", status, s)
	}
	if status := tool(&s, "unload", u.Name); status != toolRefused {
		t.Errorf("unload what is in effect: %d %+v", status, s)
	}
	state(splice.Kept, "disable", "-limit", "60s", u.Name)
	shows("\n")
	state(splice.Kept, "status")
	done("unload", u.Name)
	none()
}
