//go:build linux && amd64

package process

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/gosplice/gosplice/internal/ptrace"
)

// TestForeseeTraced refuses a process that another tracer has, without touching
// it, as Apply does.
func TestForeseeTraced(t *testing.T) {
	b := program(t, configNamed("O2-pie"), "constant")
	v := start(t, b.program, "1")
	v.expect("before", "1:price 10")
	u := v.update(b)
	s, err := ptrace.Seize(context.Background(), v.pid, ptrace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		_, err = Apply(context.Background(), v.pid, u, Options{DryRun: dry})
		checkRefusal(t, err, CodeTraced)
	}
	s.Detach()
	if _, err := Apply(context.Background(), v.pid, u, Options{DryRun: true}); err != nil {
		t.Error(err)
	}
	v.expect("afterwards", "1:price 10")
}

// TestSaidOnce: what a tracer refuses is told once, with its cause and a hint.
func TestSaidOnce(t *testing.T) {
	cause := &ptrace.Refusal{Code: ptrace.NotLeader, Msg: "the id is that of a thread", Err: errors.New("because")}
	err := explain(fmt.Errorf("mmap: %w", cause))
	checkRefusal(t, err, CodeNotAProcess)
	if got := err.Error(); got != "refused (not-a-process): the id is that of a thread: because" {
		t.Error(got)
	}
	if !errors.Is(err, ptrace.NotLeader) {
		t.Error("the tracer's refusal is not found in it")
	}
}
