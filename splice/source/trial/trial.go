package trial

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/reloc/image"
)

// Run tries an update. The report says what was seen; whether all was well is its OK. The
// error is about what could not be tried: something is missing ([MissingError]), a file can't
// be read, the kernel does not boot, or ctx has ended. A guest that dies later is a failure in
// the report, with the end of its console.
//
// The guest ends with ctx, and with the process.
func Run(ctx context.Context, o Options) (*Report, error) {
	p, err := o.prepare()
	if err != nil {
		return nil, fmt.Errorf("try the update: %w", err)
	}
	t := &trial{plan: p, report: newReport(p)}
	if err := t.all(ctx); err != nil {
		return nil, fmt.Errorf("try %s with %s: %w", p.Update.Name, p.kernel.Release, err)
	}
	return t.report, nil
}

// trial is a trial that goes on.
type trial struct {
	*plan
	m       *vm.Machine
	report  *Report
	run     *image.Image      // the guest's kernel, as it was before the update
	before  map[string][]byte // how functions began then, by file and name
	tainted string            // taints that it had before the update
	dead    bool              // the guest is gone
}

// The names of stages, as the report has them.
const (
	stageBoot       = "boot"
	stageTargets    = "modules"
	stageLoad       = "load"
	stageTransition = "transition"
	stageLater      = "later modules"
	stageLive       = "functions"
	stageAgain      = "modules again"
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

func (t *trial) all(ctx context.Context) error {
	if err := t.boot(ctx); err != nil {
		return err
	}
	err := t.stages(ctx)
	if t.run != nil {
		err = errors.Join(err, t.run.Close())
	}
	// A guest that is closed has told its whole log; that it did not go off by itself
	// is nothing of the update's.
	if closed := t.m.Close(); closed != nil && !t.dead && err == nil {
		t.report.Notes = append(t.report.Notes, closed.Error())
	}
	t.report.OK = len(t.report.Failures) == 0 && len(t.report.Findings) == 0
	return err
}

func (t *trial) boot(ctx context.Context) error {
	files := maps.Clone(t.Files)
	if files == nil {
		files = map[string]string{}
	}
	if t.busybox != "" {
		files[busyboxPath] = t.busybox
	}
	if t.exercise != nil {
		files[exercisePath(t.exercise)] = t.Exercise
	}
	begin := t.begin(stageBoot)
	m, err := vm.Start(ctx, vm.Options{
		Kernel: t.kernel, Cmdline: t.Guest.Cmdline, CPUs: t.Guest.CPUs, Memory: t.Guest.Memory, CPUModel: t.Guest.Processor,
		Files: files, Cache: t.Cache,
	})
	if err != nil {
		return err
	}
	t.m, t.report.Kernel = m, m.Release
	if t.busybox != "" {
		if r, err := m.Run(ctx, vm.Command{Path: busyboxPath, Args: []string{"--install", "-s", "/bin"}}); err != nil || r.Status != 0 {
			return errors.Join(fmt.Errorf("install busybox in the guest: %v, %w", r, err), m.Close())
		}
	}
	t.end(stageBoot, begin)
	return nil
}

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
		return ctx.Err()
	}
	t.exercised(ctx, phaseBefore)
	if t.do(ctx, stageLoad, t.load) {
		if t.do(ctx, stageTransition, t.settle) {
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
	begin := t.begin(stage)
	err := f(ctx)
	t.end(stage, begin)
	if err == nil {
		return true
	}
	text := err.Error()
	if gone := (*vm.DeadError)(nil); errors.As(err, &gone) {
		t.dead = true
		t.report.Console = lastLines(gone.Console, consoleLines)
		text = fmt.Sprintf("the guest is gone: %v", gone.Err)
		if p := panicLine(gone.Console); p != "" {
			text = "the guest's kernel died: " + p
		}
	}
	t.report.Failures = append(t.report.Failures, Failure{Stage: stage, Text: text})
	return false
}

func (t *trial) begin(stage string) time.Time {
	if t.Progress != nil {
		t.Progress(stage, 0, 1)
	}
	return time.Now()
}

func (t *trial) end(stage string, begin time.Time) {
	t.report.Stages = append(t.report.Stages, Stage{Name: stage, Elapsed: time.Since(begin)})
	if t.Progress != nil {
		t.Progress(stage, 1, 1)
	}
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
