package module

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/gosplice/gosplice/splice/module/internal/stacks"
)

// A Task is one of a running kernel, or a thread of one.
type Task struct {
	ID     int    // as its folder below /proc has it
	Name   string // comm
	Kernel bool   // a kernel thread, which no signal makes leave what it is in
}

// Tasks says which tasks of a running kernel stay in which functions.
type Tasks struct{ stays *stacks.Stays }

// In returns the tasks that had a function on their stacks each time they were looked
// at, in the order of their numbers. module is "" for the kernel's own functions.
func (t *Tasks) In(function, module string) []Task {
	if t.stays == nil {
		return nil
	}
	var list []Task
	for _, task := range t.stays.In[stacks.Frame{Function: function, Module: module}] {
		list = append(list, Task(task))
	}
	return list
}

// Len returns the number of tasks that were there each time.
func (t *Tasks) Len() int {
	if t.stays == nil {
		return 0
	}
	return t.stays.All
}

// ReadTasks looks at the stacks of all tasks several times, with a while in between:
// what is on a stack each time, the task does not leave. root has the files of the
// machine, proc and sys, as of os.DirFS("/") or of a guest. Its kernel has to be of
// this build. It takes a right that root has (CAP_SYS_ADMIN, for /proc/PID/stack);
// the error wraps fs.ErrPermission without it.
//
// Only what sleeps has a stack to be looked at: the kernel shows none of a task that
// runs (fs/proc/base.c, proc_pid_stack). The scheduler's functions, which are on all
// of them, are left out there (kernel/stacktrace.c, stack_trace_consume_entry_nosched).
func (k *Kernel) ReadTasks(ctx context.Context, root fs.FS, times int, every time.Duration) (*Tasks, error) {
	if root == nil {
		return nil, errors.New("read tasks: no files are given")
	}
	notes, err := fs.ReadFile(root, "sys/kernel/notes")
	if err != nil {
		return nil, fmt.Errorf("read tasks: %w", err)
	}
	if !bytes.Contains(notes, k.id) {
		return nil, fmt.Errorf("read tasks: %w", refuse(CodeOtherBuild, "", "sys/kernel/notes", 0, "the kernel that runs has another build-id than the image"))
	}
	stays, err := stacks.Read(ctx, root, times, every)
	if err != nil {
		return nil, fmt.Errorf("read tasks: %w", err)
	}
	return &Tasks{stays}, nil
}
