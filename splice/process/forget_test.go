//go:build linux && amd64

package process

import (
	"testing"

	"github.com/gosplice/gosplice/internal/procfs"
)

// TestForgetGone: nothing is left of an update in a process that has ended, and all is in one that lives.
func TestForgetGone(t *testing.T) {
	b := program(t, configNamed("O2-pie"), "constant")
	v := start(t, b.program, "1")
	id, err := procfs.Identify(v.pid)
	if err != nil {
		t.Fatal(err)
	}
	r := &reverter{pid: v.pid, id: id, out: &Report{State: Kept, Kept: "a word points to it"}}
	if r.forgetGone(); r.out.State != Kept || r.out.Kept == "" {
		t.Errorf("it lives: %q, %q", r.out.State, r.out.Kept)
	}
	if err := v.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	v.cmd.Wait()
	if r.forgetGone(); r.out.State != "" || r.out.Kept != "" {
		t.Errorf("it is gone: %q, %q", r.out.State, r.out.Kept)
	}
}
