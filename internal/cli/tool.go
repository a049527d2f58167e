package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// A Tool is a command as its usage shows it.
type Tool struct {
	Name string
	// Forms are the command lines, without the name.
	Forms []string
	// About says what it does, in lines of at most 80 columns.
	About string
	// Statuses are the exit statuses but that of wrong usage.
	Statuses string
}

// A usageError is a command line that makes no sense.
type usageError struct {
	flags *Flags
	err   error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// errVersion is returned where a version is asked for.
var errVersion = errors.New("the version is asked for")

// A Run does what a tool does. It takes the arguments behind the name, and returns the
// exit status; with an error that is not 0.
type Run func(ctx context.Context, args []string, stdout, stderr *Output) (int, error)

// Main runs the tool and ends the process. The context ends at SIGINT and SIGTERM; a
// second one ends the process at once.
func (t *Tool) Main(run Run) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	stdout, stderr := Stdout(), Stderr()
	status, err := run(ctx, os.Args[1:], stdout, stderr)
	os.Exit(t.finish(status, err, stdout, stderr))
}

// finish writes what an error is about, and returns the exit status.
func (t *Tool) finish(status int, err error, stdout, stderr io.Writer) int {
	var wrong *usageError
	switch {
	case err == nil:
		return status
	case errors.Is(err, errVersion):
		fmt.Fprintln(stdout, t.version())
		return 0
	case errors.As(err, &wrong) && errors.Is(err, flag.ErrHelp):
		io.WriteString(stdout, wrong.flags.usage())
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "%s: %v\n%s", t.Name, err, wrong.flags.usage())
		return ExitUsage
	}
	fmt.Fprintf(stderr, "%s: %v\n", t.Name, err)
	return max(status, 1)
}

// Try runs the tool for a test, with outputs that are no terminals.
func (t *Tool) Try(ctx context.Context, run Run, args ...string) (status int, stdout, stderr string) {
	var out, errs strings.Builder
	o, e := NewOutput(&out, Terminal{Width: tryWidth}), NewOutput(&errs, Terminal{Width: tryWidth})
	status, err := run(ctx, args, o, e)
	return t.finish(status, err, o, e), out.String(), errs.String()
}

const tryWidth = 80 // columns
