package process

import (
	"context"
	"log/slog"
	"time"

	"github.com/gosplice/gosplice/splice"
)

// Options adjusts how an update is applied or reverted. The zero value is
// good.
type Options struct {
	// Attempts bounds how often the process is stopped to find a moment in
	// which no thread stands in the way. 0 means 20.
	Attempts int
	// Backoff is the time between the first two attempts; it doubles up to
	// a second. 0 means 5 ms.
	Backoff time.Duration
	// StopTimeout bounds how long the first stopped thread waits for the last.
	// 0 means 250 ms.
	StopTimeout time.Duration
	// StartTimeout bounds how long [ApplyAtStart] and [ApplyAtExec] hold a program while its dynamic linker works: then
	// it goes on, and they do what Apply does. 0 means 2 s.
	StartTimeout time.Duration
	// DryRun does all that can be done without stopping the process, and
	// refuses what can be known to be refused: also threads that wait in code
	// that would change, at every look.
	DryRun bool
	// NoExceptions says that no exception, and no cancellation of a thread,
	// passes through the new code, so that the program's unwinder need not know
	// it: an exception there would end the program. Without it the unwinder is
	// led to the new code where one may pass, or the update is refused
	// ([splice.CodeUnwinding]).
	NoExceptions bool
	// Logger, when set, is told at level Debug what is done.
	Logger *slog.Logger
}

func (o *Options) defaults() {
	if o.Attempts <= 0 {
		o.Attempts = 20
	}
	if o.Backoff <= 0 {
		o.Backoff = 5 * time.Millisecond
	}
	if o.StartTimeout <= 0 {
		o.StartTimeout = 2 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// What is reported, as package splice has it for all targets.
type (
	// Report says what was done to a process, or would be, or what it holds.
	Report = splice.Report
	// Redirect is one redirected function.
	Redirect = splice.Redirected
	// State is what an update in a process amounts to at the moment.
	State = splice.State
)

// The states of an update in a process.
const (
	Applied = splice.Applied
	Staged  = splice.Staged
	Kept    = splice.Kept
	Foreign = splice.Foreign
)

// Target is a live process as a target of updates: a [splice.Target].
type Target struct {
	PID     int
	Options Options
}

var _ splice.Target[*splice.Update] = (*Target)(nil)

// Plan does all that Apply does without stopping the process, and refuses what can be known
// to be refused, see [Options].DryRun.
func (t *Target) Plan(ctx context.Context, u *splice.Update) (*Report, error) {
	opt := t.Options
	opt.DryRun = true
	return Apply(ctx, t.PID, u, opt)
}

// Apply applies an update. The error is or wraps a [*splice.Refusal], an error
// of the kernel, or one of ctx; the process is unchanged then.
func (t *Target) Apply(ctx context.Context, u *splice.Update) (*Report, error) {
	return Apply(ctx, t.PID, u, t.Options)
}

// Revert undoes an update; see the function of that name.
func (t *Target) Revert(ctx context.Context, id string) (*Report, error) {
	return Revert(ctx, t.PID, id, t.Options)
}

// Status lists the updates that the process holds; see the function of that name.
func (t *Target) Status(ctx context.Context) ([]Report, error) { return Status(ctx, t.PID) }

// Runs is which code of a function runs.
type Runs string

// What runs.
const (
	Old   Runs = "old"   // that which the update replaces
	New   Runs = "new"   // that of the update
	Other Runs = "other" // neither, or it can't be told
)

// An Inspection says which code a process runs of what an update replaces.
type Inspection struct {
	// Report is what the process holds of the update; nil when it holds nothing.
	Report *Report
	// Functions are those that the update replaces, in its order.
	Functions []Function
	// Differs says where the memory of a process that holds the update is not what the update
	// says; "" when all is.
	Differs string
}

// A Function is one that an update replaces.
type Function struct {
	Name    string // without the change
	Module  string // the file that it is in
	Address uint64 // run address of the code that runs, as far as it is known
	Runs    Runs
	Why     string // of Other: one line
}
