// Package stacks reads which tasks of a running kernel stay in which functions.
package stacks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"time"
)

// A Task is one of a running kernel, or a thread of one.
type Task struct {
	ID     int    // as its folder below /proc has it
	Name   string // comm
	Kernel bool   // a kernel thread, which no signal makes leave what it is in
}

// A Frame is a function as /proc/PID/stack names it.
type Frame struct{ Function, Module string }

// Stays says which tasks stay in which functions.
type Stays struct {
	In  map[Frame][]Task // in the order of their numbers
	All int              // tasks that were there each time
}

// Read looks at the stacks of all tasks several times, with a while in between: what is
// on a stack each time, the task does not leave. root has the folder proc. The error
// wraps fs.ErrPermission where the right to read /proc/PID/stack is missing, and [ErrNoStacks]
// where the kernel has no such file.
//
// Only what sleeps has a stack to be looked at: the kernel shows none of a task that
// runs (fs/proc/base.c, proc_pid_stack). The scheduler's functions, which are on all
// of them, are left out there (kernel/stacktrace.c, stack_trace_consume_entry_nosched).
func Read(ctx context.Context, root fs.FS, times int, every time.Duration) (*Stays, error) {
	var stays map[Task]map[Frame]bool
	for i := range max(times, 1) {
		if i > 0 {
			if err := Pause(ctx, every); err != nil {
				return nil, err
			}
		}
		now, err := readStacks(ctx, root)
		if err != nil {
			return nil, err
		}
		stays = both(stays, now)
	}
	return gather(stays), nil
}

// Pause waits for a while. The error is that of a context that is done before.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// both returns what is in old, where there is one, and in now.
func both(old, now map[Task]map[Frame]bool) map[Task]map[Frame]bool {
	if old == nil {
		return now
	}
	for task, frames := range now {
		for f := range frames {
			if !old[task][f] {
				delete(frames, f)
			}
		}
		if old[task] == nil {
			delete(now, task)
		}
	}
	return now
}

func gather(stays map[Task]map[Frame]bool) *Stays {
	t := &Stays{In: map[Frame][]Task{}, All: len(stays)}
	tasks := slices.SortedFunc(maps.Keys(stays), func(a, b Task) int { return cmp.Compare(a.ID, b.ID) })
	for _, task := range tasks {
		for f := range stays[task] {
			t.In[f] = append(t.In[f], task)
		}
	}
	return t
}

// readStacks reads the stacks of all threads.
func readStacks(ctx context.Context, root fs.FS) (map[Task]map[Frame]bool, error) {
	out := map[Task]map[Frame]bool{}
	err := Each(ctx, root, func(_ int, dir string) error {
		now, err := At(root, dir)
		if now != nil {
			out[now.Task] = map[Frame]bool{}
			for _, l := range now.Stack {
				out[now.Task][l.Frame] = true
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Each calls do for each thread of all processes, with the number of the process and the folder
// of the thread, "proc/PID/task/TID", until one returns an error. A process that ends meanwhile
// is left out.
func Each(ctx context.Context, root fs.FS, do func(pid int, dir string) error) error {
	processes, err := fs.ReadDir(root, "proc")
	if err != nil {
		return err
	}
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		tasks := path.Join("proc", p.Name(), "task")
		threads, _ := fs.ReadDir(root, tasks)
		for _, t := range threads {
			if err := do(pid, path.Join(tasks, t.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// A Moment is a task as it was when it was looked at.
type Moment struct {
	Task
	State string // its letter
	Stack []Line
}

// ErrNoStacks is that a kernel shows the stack of no task.
var ErrNoStacks = errors.New("this kernel shows no stacks of tasks (it was built without CONFIG_STACKTRACE)")

// At looks at the task with a folder; nil when it has ended. The error wraps fs.ErrPermission, or
// is [ErrNoStacks].
func At(root fs.FS, dir string) (*Moment, error) {
	task, state, ok := statOf(root, dir)
	if !ok {
		return nil, nil
	}
	stack, err := fs.ReadFile(root, dir+"/stack")
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, err
	case errors.Is(err, fs.ErrNotExist):
		if now, _, ok := statOf(root, dir); ok && now == task {
			return nil, fmt.Errorf("%s/stack: %w", dir, ErrNoStacks)
		}
		return nil, nil
	case err != nil:
		return nil, nil
	}
	return &Moment{task, state, Lines(string(stack))}, nil
}

func statOf(root fs.FS, dir string) (Task, string, bool) {
	stat, err := fs.ReadFile(root, dir+"/stat")
	if err != nil {
		return Task{}, "", false
	}
	return ParseStat(string(stat))
}
