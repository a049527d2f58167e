//go:build linux && amd64

package machine

import (
	"context"
	"fmt"

	"github.com/gosplice/gosplice/internal/words"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// Verify says of all selected processes that map what an update is for whether they run its code,
// and whether that is in memory what the record of it and the update itself say, byte by byte, see
// process.Inspect. None is stopped.
func Verify(ctx context.Context, u *splice.Update, opt Options) (*Report, error) {
	return Inspect(ctx, "verify", u, opt, verified)
}

// Inspect looks at all selected processes that map what an update is for, without stopping one:
// say is told of each which code it runs, and returns the outcome and the reason. It may be called
// by several goroutines at once.
func Inspect(ctx context.Context, did string, u *splice.Update, opt Options, say func(pid int, x *process.Inspection) (Outcome, string)) (*Report, error) {
	list, err := InspectAll(ctx, did, []*splice.Update{u}, opt, func(_, pid int, x *process.Inspection) (Outcome, string) { return say(pid, x) })
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// verified says what an inspection means for Verify.
func verified(_ int, x *process.Inspection) (Outcome, string) {
	runs := map[process.Runs]int{}
	why := x.Differs
	for i := range x.Functions {
		f := &x.Functions[i]
		if runs[f.Runs]++; why == "" && f.Why != "" {
			why = f.Name + ": " + f.Why
		}
	}
	n := len(x.Functions)
	switch {
	case x.Differs == "" && runs[process.New] == n:
		return Proven, ""
	case runs[process.Old] == n:
		return NotApplied, "it runs the old code"
	case why == "":
		why = fmt.Sprintf("%d of %s have the new code", runs[process.New], words.Count(n, "function"))
	}
	return Differs, why
}
