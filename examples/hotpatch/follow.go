package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process/machine"
)

// followAll follows updates until it is ended, with a line for each process that it treats.
func followAll(ctx context.Context, m *many, args []string) (int, error) {
	var updates []*splice.Update
	for _, name := range args {
		u, err := readUpdate(name)
		if err != nil {
			return exitError, err
		}
		updates = append(updates, u)
	}
	m.options.Logger = slog.New(slog.NewTextHandler(m.stderr, nil))
	err := machine.Follow(ctx, updates, machine.FollowOptions{Options: m.options, Every: m.every, Hold: m.hold, Tell: m.followed, Ready: m.ready})
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return exitDone, nil // as it was asked for
	}
	return exitError, err
}

// followed prints what became of one process.
func (m *many) followed(f machine.Followed) {
	if m.asJSON {
		_ = json.NewEncoder(m.stdout).Encode(f)
		return
	}
	r := machine.Report{Processes: []machine.Process{f.Process}}
	fmt.Fprintf(m.stdout, "%s %s%s: ", time.Now().Format(time.TimeOnly), f.Update, map[bool]string{true: ", before it ran"}[f.Early])
	_ = r.Lines(m.stdout)
}

func (m *many) ready(events error) {
	if events != nil {
		m.options.Logger.Warn("processes that start are found by looking at all only", "error", events)
	}
	m.options.Logger.Info("all processes were looked at, and those that start are followed")
}
