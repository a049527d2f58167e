package running

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gosplice/gosplice/splice/module/internal/kofile"
	"github.com/gosplice/gosplice/splice/module/internal/stacks"
)

// The kernel takes functions of a livepatch from its function tracer by waiting until every thread of its own
// has slept once (synchronize_rcu_tasks in ftrace_shutdown of kernel/trace/ftrace.c, Linux 6.1, with
// CONFIG_PREEMPTION). Nothing interrupts this wait, and livepatch's lock is held meanwhile: while a thread runs all
// the time, whoever disables a livepatch can't be ended, and nobody can load or disable another one. So nothing is
// asked of the kernel before each thread has slept.

// quietEvery is the time between two looks at the threads that have not slept.
const quietEvery = 50 * time.Millisecond

// quiet waits until no thread of the kernel runs all the time, where the tracer is to be asked for something. When
// ctx is done before, the error is a refusal, and nothing has changed.
func (k *Kernel) quiet(ctx context.Context, name string) error {
	if !strings.Contains(k.read("proc/sys/kernel/version"), "PREEMPT") {
		return nil // nobody waits
	}
	began, list := time.Now(), k.awake(ctx)
	for len(list) > 0 {
		if stacks.Pause(ctx, quietEvery) != nil {
			return busyThreads(name, list, time.Since(began), ctx.Err())
		}
		list = slices.DeleteFunc(list, func(a awake) bool {
			now, ok := k.awakeIn(a.dir)
			return !ok || now != a
		})
	}
	return ctx.Err()
}

func busyThreads(name string, list []awake, looked time.Duration, err error) error {
	var who []string
	for _, a := range list[:min(len(list), 4)] {
		who = append(who, fmt.Sprintf("%s (%d)", a.name, a.tid))
	}
	r := refuse(CodeBusyThread, name, "threads of the kernel have not slept for %v (%d): %s; livepatch would wait for them with its lock, which nothing can end", looked.Round(time.Millisecond), len(list), strings.Join(who, ", "))
	r.Err = err
	return r
}

// awake is a thread of the kernel that is not asleep.
type awake struct {
	dir   string
	tid   int
	name  string
	slept string // how often it has gone to sleep
}

// awake lists the threads of the kernel that are not asleep. What can't be read is not among them.
func (k *Kernel) awake(ctx context.Context) (list []awake) {
	_ = stacks.Each(ctx, os.DirFS(k.path()), func(_ int, dir string) error {
		if a, ok := k.awakeIn(dir); ok {
			list = append(list, a)
		}
		return nil
	})
	return list
}

// awakeIn reads one thread, if it is the kernel's, and not asleep.
func (k *Kernel) awakeIn(dir string) (awake, bool) {
	task, state, ok := stacks.ParseStat(k.read(dir, "stat"))
	if !ok || !task.Kernel || state != "R" {
		return awake{}, false
	}
	const slept = "voluntary_ctxt_switches:"
	for line := range strings.Lines(k.read(dir, "status")) {
		if n, ok := strings.CutPrefix(line, slept); ok {
			return awake{dir, task.ID, task.Name, strings.TrimSpace(n)}, true
		}
	}
	return awake{}, false
}

// traced reports whether livepatch has the function tracer lead to code of a livepatch.
func (k *Kernel) traced(name string) bool { return len(k.redirects(name)) > 0 }

// takesOver reports whether a file takes the place of livepatches that are there. One that puts its livepatch
// together when it is loaded may.
func (k *Kernel) takesOver(f *File) bool {
	entries, err := os.ReadDir(k.path(livepatch))
	if err != nil || len(entries) == 0 {
		return false
	}
	if obj, err := kofile.Parse(f.image); err == nil {
		if p, err := obj.Patch(0); err == nil && !p.Replace {
			return false
		}
	}
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool { return k.traced(e.Name()) })
}
