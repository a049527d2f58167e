package splice

import (
	"context"
	"time"
)

// A Target is where updates take effect. U is what it takes: an [*Update], as a live
// process does (process.Target), or what a target has made for itself of a change, such as
// a livepatch module (running.Kernel takes a *module.Module). An embedder writes one for
// what this module does not know: an agent on another machine, a program with a loader of
// its own ([Linker] gives it the bytes).
//
// All methods return when ctx is done, with its error. What is refused is an error that is
// [ErrRefused], see [Refuse], and nothing was changed then.
type Target[U any] interface {
	// Plan says what Apply would do, and refuses what is known to be refused, without a
	// change to the target. That Plan succeeds is no promise: Apply looks again.
	Plan(ctx context.Context, update U) (*Report, error)
	// Apply has the update take effect: all of it, or none when there is an error.
	Apply(ctx context.Context, update U) (*Report, error)
	// Revert undoes the update with an ID, or with "" the one that was applied last. What
	// can't be taken back without harm stays, and the report says so (Report.Kept).
	Revert(ctx context.Context, id string) (*Report, error)
	// Status lists what the target holds, in the order in which it was applied, by what the
	// target itself knows: also what another tool has applied, or one that was killed.
	Status(ctx context.Context) ([]Report, error)
}

// State is what an update in a target amounts to at the moment.
type State string

// The states.
const (
	Applied    State = "applied"    // the new code runs
	Staged     State = "staged"     // everything is in place, the old code runs
	Transition State = "transition" // some run the new code, and some the old (livepatch)
	Kept       State = "kept"       // not in use: reverted, or never committed; memory stays
	Foreign    State = "foreign"    // someone else changed a redirected function
)

// ReportSchema is the version of the JSON of a [Report]. Keys may be added to a version.
const ReportSchema = 1

// A Report says what was done to a target, or would be, or what it holds. What a target
// does not know is zero.
type Report struct {
	Schema    int          `json:"schema"` // [ReportSchema]
	PID       int          `json:"pid"`    // of a process, 0 for the kernel
	Name      string       `json:"name"`
	ID        string       `json:"id"`
	State     State        `json:"state"` // "" when nothing is left of it
	Time      time.Time    `json:"time"`  // when it was applied
	Start     uint64       `json:"start"` // of the memory that holds the update
	End       uint64       `json:"end"`
	Redirects []Redirected `json:"redirects"`
	Threads   int          `json:"threads"`  // at the decisive moment
	Attempts  int          `json:"attempts"` // stops it took to find it
	Scans     int          `json:"scans"`    // stacks that could only be scanned, not unwound
	// Pause is the longest time for which the process stood still, in whichever of the stops.
	// JSON has it in nanoseconds.
	Pause time.Duration `json:"pause_ns"`
	Kept  string        `json:"kept"` // of a revert: why memory stays, or ""
}

// Redirected is one function that a target has redirected.
type Redirected struct {
	Function   string `json:"function"`
	Module     string `json:"module"`  // the file that it is in
	Address    uint64 `json:"address"` // of the old function, in run
	New        uint64 `json:"new"`     // of the new one
	Form       string `json:"form"`    // how calls are led to it, such as "jmp rel32"; "" in the kernel
	Trampoline string `json:"trampoline"`
}
