package machine

import (
	"strings"
	"testing"

	"github.com/gosplice/gosplice/splice"
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
