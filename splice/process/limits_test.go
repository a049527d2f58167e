//go:build linux && amd64

package process

import (
	"context"
	"testing"
)

// TestLimits has processes that may not map what an update takes. A dry run says so too, where that can be
// seen from outside: not that all memory is to be locked.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name    string
		request int
		hidden  bool
	}{
		{"address space", 104, false},
		{"mappings", 111, false},
		{"locked", 112, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, _, u := odd(t, configNamed("O2-pie"))
			v.ask(c.request)
			_, err := Apply(context.Background(), v.pid, u, Options{DryRun: true})
			if !c.hidden || err != nil {
				checkRefusal(t, err, CodeNoMemory)
			}
			_, err = Apply(context.Background(), v.pid, u, Options{})
			checkRefusal(t, err, CodeNoMemory)
			v.expect("not applied", "7:107")
		})
	}
}
