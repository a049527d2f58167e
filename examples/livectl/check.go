package main

import (
	"context"
	"fmt"
	"time"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/splice/module/running"
	"github.com/gosplice/gosplice/splice/module/running/foresee"
)

func sample(f *cli.Flags, s *session) {
	f.DurationVar(&s.sample, "sample", time.Second, "for how long tasks are looked at, as `TIME`")
}

// check prints what would come of loading a file, and says it by its status.
func check(ctx context.Context, s *session, args []string) (int, error) {
	file, err := running.Open(args[0])
	if err != nil {
		return exitError, err
	}
	f, err := foresee.Check(ctx, s.root(), file, foresee.Options{Sample: s.sample})
	if err != nil {
		return exitError, err
	}
	if s.asJSON {
		return outcome[f.Outcome], cli.WriteJSON(s.stdout, f)
	}
	s.forecast(f)
	return outcome[f.Outcome], nil
}

// outcome has the exit status for each.
var outcome = map[foresee.Effect]int{
	foresee.Note: exitDone, foresee.Waits: exitDone, foresee.Unknown: exitStuck, foresee.Stalls: exitStuck, foresee.Refused: exitRefused,
}

// verdicts say in words what would come of it.
var verdicts = map[foresee.Effect]string{
	foresee.Note:    "it loads, and the transition ends within seconds",
	foresee.Waits:   "it loads, and the transition waits until livepatch has woken tasks",
	foresee.Unknown: "it can't be known what comes of it",
	foresee.Stalls:  "it loads, and the transition does not end while things are as they are",
	foresee.Refused: "the kernel refuses it",
}

func (s *session) forecast(f *foresee.Forecast) {
	fmt.Fprintf(s.stdout, "%s: %s\n", f.Name, verdicts[f.Outcome])
	for i := range f.Functions {
		fn := &f.Functions[i]
		in := ""
		if fn.Module != "" {
			in = " in " + fn.Module
		}
		fmt.Fprintf(s.stdout, "  replaces %s%s, by %s\n", fn.Name, in, fn.Method)
	}
	for i := range f.Findings {
		x := &f.Findings[i]
		fmt.Fprintf(s.stdout, "  %s\n", x)
		if x.Hint != "" {
			fmt.Fprintf(s.stdout, "    %s\n", x.Hint)
		}
	}
	fmt.Fprintf(s.stdout, "  %d tasks looked at %d times in %v\n", f.Tasks, f.Looks, f.Took.Round(time.Millisecond))
}
