package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/splice"
	running "github.com/gosplice/gosplice/splice/module/running/fixes"
	"github.com/gosplice/gosplice/splice/process/machine"
	"github.com/gosplice/gosplice/splice/process/machine/fixes"
)

// show prints a report, also with an error that ended the work, and returns the exit status.
func (m *many) show(r *machine.Report, err error) (int, error) {
	if r == nil {
		return exitError, err
	}
	status, failed := m.print(r, r.Fine())
	if err := errors.Join(err, failed); err != nil {
		return exitError, err
	}
	return status, nil
}

// print prints a report, and returns the exit status by whether all is as it should be.
func (m *many) print(r interface{ Text(io.Writer) error }, good bool) (int, error) {
	err := cli.WriteReport(m.stdout, m.asJSON, r)
	if err == nil && !good {
		return exitRefused, nil
	}
	return exitDone, err
}

// ofUpdate is what a command does with a stored update.
func ofUpdate(do func(context.Context, *splice.Update, machine.Options) (*machine.Report, error)) func(context.Context, *many, []string) (int, error) {
	return func(ctx context.Context, m *many, args []string) (int, error) {
		u, err := readUpdate(args[0])
		if err != nil {
			return exitError, err
		}
		return m.show(do(ctx, u, m.options))
	}
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

func fixesAll(ctx context.Context, m *many, args []string) (int, error) {
	var sources []fixes.Source
	for _, name := range args {
		u, err := readUpdate(name)
		if err != nil {
			return exitError, err
		}
		sources = append(sources, fixes.Source{Name: filepath.Base(name), Update: u})
	}
	r, err := fixes.Check(ctx, m.options, sources...)
	if err != nil {
		return exitError, err
	}
	return m.print(r, r.Count(running.Fixed) == len(r.Fixes) && r.Unseen == 0)
}
