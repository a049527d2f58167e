package main

import (
	"context"
	"errors"
	"os"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/splice/process/machine"
)

// show prints a report, also with an error that ended the work, and returns the exit status.
func (m *many) show(r *machine.Report, err error) (int, error) {
	if r == nil {
		return exitError, err
	}
	print := func() error { return r.Text(m.stdout) }
	if m.asJSON {
		print = func() error { return cli.WriteJSON(m.stdout, r) }
	}
	if err := errors.Join(err, print()); err != nil {
		return exitError, err
	}
	if !r.Fine() {
		return exitRefused, nil
	}
	return exitDone, nil
}

func applyAll(ctx context.Context, m *many, args []string) (int, error) {
	u, err := readUpdate(args[0])
	if err != nil {
		return exitError, err
	}
	return m.show(machine.Apply(ctx, u, m.options))
}

// revertAll takes a file of an update, or its ID.
func revertAll(ctx context.Context, m *many, args []string) (int, error) {
	id := args[0]
	if _, err := os.Stat(id); err == nil {
		u, err := readUpdate(id)
		if err != nil {
			return exitError, err
		}
		id = u.ID()
	}
	return m.show(machine.Revert(ctx, id, m.options))
}

func statusAll(ctx context.Context, m *many, _ []string) (int, error) {
	return m.show(machine.Status(ctx, m.options))
}

func verifyAll(ctx context.Context, m *many, args []string) (int, error) {
	u, err := readUpdate(args[0])
	if err != nil {
		return exitError, err
	}
	return m.show(machine.Verify(ctx, u, m.options))
}
