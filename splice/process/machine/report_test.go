package machine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// TestKept says once why memory stays, and what helps.
func TestKept(t *testing.T) {
	const why = "the word at 0x10 points to it"
	r := &Report{Did: "revert", Settled: true, Processes: []Process{{PID: 7, Command: "server", Outcome: Reverted, Why: why, Updates: []splice.Report{{Kept: why}}}}}
	var b strings.Builder
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); strings.Count(got, why) != 1 || !strings.Contains(got, "its memory stays: "+why) || !strings.Contains(got, "again") {
		t.Error(got)
	}
}

// TestLetGo tells processes that have nothing to take back any more from those that keep it.
func TestLetGo(t *testing.T) {
	for err, want := range map[error]bool{
		splice.Refuse(splice.CodeNotApplied, "", "", 0, "none"):                         true,
		fmt.Errorf("revert: %w", splice.Refuse(process.CodeExec, "", "", 0, "another")): true,
		splice.Refuse(splice.CodeBusy, "f", "", 0, "in use"):                            false,
		splice.Refuse(splice.CodeRedirected, "f", "", 0, "something else stands there"): false,
		process.ErrGone: false,
	} {
		if letGo(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}
