package foresee_test

import (
	"strings"
	"testing"

	"github.com/gosplice/gosplice/splice"
)

// testBusy disables a livepatch, and has another one take its place, while a thread of the kernel runs all the time:
// within the limit, livepatch is asked for nothing, and afterwards all works.
func testBusy(t *testing.T, b *bench) {
	b.put(t, "/spinner.ko", b.plain(t, "spinner", spinning))
	b.put(t, "/instead.ko", b.plain(t, "instead", replacing(".replace = true", "cmdline_proc_show")))
	var s said
	if status := b.livectl(t, &s, "load", "-limit", "60s", plain); status != 0 {
		t.Fatalf("load: %d, %s", status, s.Error)
	}
	rest := spins(t, b)
	for _, args := range [][]string{{"disable", "-limit", "3s", "plain"}, {"load", "-limit", "3s", "/instead.ko"}} {
		if s = (said{}); b.livectl(t, &s, args...) != 2 || !strings.Contains(s.Error, "busy-thread") || !strings.Contains(s.Error, "spinner") {
			t.Errorf("%s: %+v", args, s)
		}
		if s = (said{}); b.livectl(t, &s, "status") != 0 || len(s.List) != 1 || s.List[0].State != splice.Applied {
			t.Errorf("after %s: %+v", args, s)
		}
	}
	rest()
	if s = (said{}); b.livectl(t, &s, "load", "-limit", "60s", "/instead.ko") != 0 {
		t.Errorf("load: %+v", s)
	}
	for _, name := range []string{"instead", "plain"} {
		if s = (said{}); b.livectl(t, &s, "revert", "-limit", "60s", name) != 0 {
			t.Errorf("revert %s: %+v", name, s)
		}
	}
}
