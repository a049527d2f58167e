package trial

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gosplice/gosplice/internal/vm"
)

// Run tries an update. The report says what was seen; whether all was well is its OK. The
// error is about what could not be tried: something is missing ([MissingError]), a file can't
// be read, the kernel does not boot, or ctx has ended. A guest that dies later is a failure in
// the report, with the end of its console.
//
// The guest ends with ctx, and with the process.
func Run(ctx context.Context, o Options) (*Report, error) {
	if _, err := o.prepare(); err != nil {
		return nil, fmt.Errorf("try the update: %w", err)
	}
	s, err := Boot(ctx, o)
	if err != nil {
		return nil, err
	}
	r, err := s.Try(ctx, o)
	closed := s.Close()
	if err != nil {
		return nil, err
	}
	r.Stages = append([]Stage{s.booted}, r.Stages...)
	if closed != nil {
		r.Notes = append(r.Notes, closed.Error()) // it did not go off by itself: nothing of the update's
	}
	return r, nil
}

// trial is a trial that goes on.
type trial struct {
	*plan
	*Session
	report  *Report
	before  map[string][]byte // how functions began before the update, by file and name
	tainted string            // taints that it had then
	absent  []string          // modules that the guest's kernel refused to load
}

// The names of stages, as the report has them.
const (
	stageBoot       = "boot"
	stageTargets    = "modules"
	stageEarlier    = "earlier update"
	stageLoad       = "load"
	stageTransition = "transition"
	stageLater      = "later modules"
	stageLive       = "functions"
	stageAgain      = "modules again"
	stageReplaced   = "unload the earlier update"
	stageDisable    = "disable"
	stageUnload     = "unload"
	stageReverted   = "functions reverted"
	stageLog        = "log"
)

// The phases of an exercise.
const (
	phaseBefore   = "before"
	phasePatched  = "patched"
	phaseReverted = "reverted"
)

// exercisePath is the file of the exercise in the guest.
func exercisePath(call []string) string {
	if call[0] == interpreter {
		return call[1]
	}
	return call[0]
}

// stages does one after the other. What fails is told, and undone as far as there is
// something to undo. The error is that of the context alone.
func (t *trial) stages(ctx context.Context) error {
	if !t.do(ctx, stageTargets, t.loadTargets) {
		return context.Cause(ctx)
	}
	if t.Earlier != nil && !t.do(ctx, stageEarlier, t.loadEarlier) {
		return context.Cause(ctx)
	}
	t.exercised(ctx, phaseBefore)
	if t.do(ctx, stageLoad, t.load) {
		if t.do(ctx, stageTransition, t.settle) {
			if t.Earlier != nil {
				t.do(ctx, stageReplaced, t.unloadEarlier)
			}
			if len(t.Later) > 0 {
				t.do(ctx, stageLater, t.loadLater)
			}
			if t.Again {
				t.do(ctx, stageAgain, t.again)
			}
			t.do(ctx, stageLive, t.live)
			t.exercised(ctx, phasePatched)
		}
		if t.do(ctx, stageDisable, t.disable) && t.do(ctx, stageUnload, t.unload) {
			t.do(ctx, stageReverted, t.reverted)
		}
		t.exercised(ctx, phaseReverted)
	}
	t.do(ctx, stageLog, t.readLog)
	return context.Cause(ctx)
}

// do does one stage, unless the guest is gone, and reports whether it went well.
func (t *trial) do(ctx context.Context, stage string, f func(context.Context) error) bool {
	if t.dead || ctx.Err() != nil {
		return false
	}
	begin := begin(t.Progress, stage)
	err := f(ctx)
	t.report.Stages = append(t.report.Stages, end(t.Progress, stage, begin))
	if err == nil {
		return true
	}
	text := err.Error()
	if gone := (*vm.DeadError)(nil); errors.As(err, &gone) {
		t.dead = true // the session is over
		t.report.Console = lastLines(gone.Console, consoleLines)
		text = fmt.Sprintf("the guest is gone: %v", gone.Err)
		if p := panicLine(gone.Console); p != "" {
			text = "the guest's kernel died: " + p
		}
	}
	t.report.Failures = append(t.report.Failures, Failure{Stage: stage, Text: text})
	return false
}

const consoleLines = 100

// lastLines returns the end of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// panicLine returns what a kernel said when it gave up.
func panicLine(console string) string {
	for line := range strings.Lines(console) {
		if _, what, ok := strings.Cut(line, "Kernel panic - not syncing: "); ok {
			return strings.TrimSpace(what)
		}
	}
	return ""
}
