package module_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/running"
	"github.com/gosplice/gosplice/splice/module/running/foresee"
	"github.com/gosplice/gosplice/splice/module/running/verify"
)

// The exit statuses of livectl.
const (
	toolDone = iota
	_
	toolRefused
	toolStuck
)

// A told is what livectl prints as JSON.
type told struct {
	List       []splice.Report     `json:"list"`
	Transition *running.Transition `json:"transition"`
	Error      string              `json:"error"`
}

// tool runs livectl in the guest, and fails the test when its exit status is another.
func (p *plain) tool(t *testing.T, v any, status int, args ...string) {
	t.Helper()
	r, err := p.guest.Run(t.Context(), vm.Command{Path: "/bin/livectl", Args: append([]string{"-json"}, args...)})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(bytes.NewReader(r.Stdout)).Decode(v); err != nil || r.Status != status {
		t.Fatalf("%v: %d, want %d, %v\n%s%s", args, r.Status, status, err, r.Stdout, r.Stderr)
	}
}

// operated has livectl do what operators do.
func (p *plain) operated(t *testing.T) {
	ctx := t.Context()
	exe, err := vmtest.BuildProgram(ctx, "github.com/gosplice/gosplice/examples/livectl")
	if err != nil {
		t.Fatal(err)
	}
	p.check(t, "livectl", p.guest.Put(ctx, "/bin/livectl", exe, 0o755))
	busy := p.make(t, "fix_busy", clocksAndPipe()...)
	first := p.make(t, "fix_first", greeting...)
	over := p.make(t, "fix_over", change(greeting[0].file, greeting[0].edits[0].Old, strings.Replace(greeting[0].edits[0].New, "patched", "again", 1))...)
	for name, mod := range map[string]*module.Module{"/busy.ko": busy, "/first.ko": first, "/over.ko": over} {
		p.check(t, name, p.guest.Put(ctx, name, mod.Bytes(), 0o644))
	}

	var f foresee.Forecast
	if p.tool(t, &f, toolDone, "check", "/first.ko"); f.Outcome != foresee.Note || len(f.Functions) != 1 || f.Functions[0].Method != "jump" {
		t.Errorf("check: %+v", f)
	}
	state := func(s *told, want splice.State) {
		t.Helper()
		if len(s.List) != 1 || s.List[0].State != want {
			t.Errorf("%+v, want %s", s, want)
		}
	}
	s := told{}
	p.tool(t, &s, toolDone, "load", "-limit", "20s", "/first.ko")
	state(&s, splice.Applied)
	p.check(t, "first", shows(ctx, p.guest, "/proc/cmdline", "patched", true))
	var proof verify.Report
	if p.tool(t, &proof, toolDone, "verify", "/first.ko"); len(proof.Updates) != 1 || proof.Updates[0].State != verify.Proven {
		t.Errorf("verify: %+v", proof)
	}
	p.tool(t, &s, toolRefused, "load", "/first.ko") // it is there
	p.tool(t, &s, toolRefused, "unload", "fix_first")
	p.tool(t, &s, toolDone, "load", "/over.ko")
	p.check(t, "over", shows(ctx, p.guest, "/proc/cmdline", "again", true))
	if p.tool(t, &s, toolRefused, "disable", "fix_first"); !strings.Contains(s.Error, "a later update") {
		t.Error(s.Error)
	}
	p.tool(t, &s, toolDone, "revert")
	p.check(t, "over is off", shows(ctx, p.guest, "/proc/cmdline", "patched", true))
	s = told{}
	p.tool(t, &s, toolDone, "disable", "fix_first")
	state(&s, splice.Kept)
	p.check(t, "first is off", shows(ctx, p.guest, "/proc/cmdline", "patched", false))
	p.tool(t, &s, toolDone, "unload", "fix_first")

	_, end := sleeper(t, p.guest, pipe)
	if p.tool(t, &f, toolRefused, "check", "/busy.ko"); f.Outcome != foresee.Refused || f.Findings[0].Code != foresee.CodeInUse {
		t.Errorf("check: %+v", f)
	}
	if p.tool(t, &s, toolRefused, "load", "-limit", "1s", "/busy.ko"); !strings.Contains(s.Error, "tracing_read_pipe is in use by sleeper") {
		t.Error(s.Error)
	}
	end()
	p.tool(t, &s, toolDone, "load", "-limit", "20s", "/busy.ko")
	_, end = sleeper(t, p.guest, pipe)
	s = told{}
	if p.tool(t, &s, toolStuck, "revert", "-limit", "1s", "fix_busy"); s.Transition == nil || !s.Transition.Plain || len(s.Transition.Blockers) != 1 || s.Transition.Blockers[0].Name != "sleeper" {
		t.Errorf("%+v", s)
	}
	state(&s, splice.Kept)
	p.check(t, "busy is off", shows(ctx, p.guest, clock, "<", false))
	end()
	p.tool(t, &s, toolDone, "revert", "-limit", "20s", "fix_busy")
	s = told{}
	if p.tool(t, &s, toolDone, "status"); len(s.List) > 0 {
		t.Errorf("left: %+v", s)
	}
}
