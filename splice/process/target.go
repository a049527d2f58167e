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
	// DryRun does all that can be done without stopping the process, and
	// refuses what can be known to be refused: also threads that wait in code
	// that would change, at every look.
	DryRun bool
	// NoExceptions says that no exception, and no cancellation of a thread,
	// passes through the new code, which the program's unwinder does not know:
	// it would end the program. Without it, what may be passed is refused
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
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// State is what an update in a process amounts to at the moment.
type State string

// The states.
const (
	Applied State = "applied" // the new code runs
	Staged  State = "staged"  // everything is in place, the old code runs
	Kept    State = "kept"    // not in use: reverted, or never committed; memory stays
	Foreign State = "foreign" // someone else changed a redirected function
)

// Report says what was done, or would be.
type Report struct {
	PID       int         `json:"pid"`
	Name      string      `json:"name"`
	ID        string      `json:"id"`
	State     State       `json:"state"` // "" when nothing is left of it
	Time      time.Time   `json:"time"`  // when it was applied
	Start     uint64      `json:"start"` // of the mapping that holds the update
	End       uint64      `json:"end"`
	Redirects []Redirect  `json:"redirects"`
	Threads   int         `json:"threads"`  // at the decisive moment
	Attempts  int         `json:"attempts"` // stops it took to find it
	Scans     int         `json:"scans"`    // stacks that could only be scanned, not unwound
	Pause     Nanoseconds `json:"pause_ns"` // of the decisive stop; of a revert the longest since then
	Kept      string      `json:"kept"`     // of a revert: why memory stays mapped, or ""
}

// Nanoseconds is a duration that JSON shows as a number.
type Nanoseconds = time.Duration

// Redirect is one redirected function.
type Redirect struct {
	Function   string `json:"function"`
	Module     string `json:"module"`
	Address    uint64 `json:"address"` // of the old function, in run
	New        uint64 `json:"new"`     // of the new one
	Trampoline string `json:"trampoline"`
}

// Target is a live process as a target of updates.
type Target struct {
	PID     int
	Options Options
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
