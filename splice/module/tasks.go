package module

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/splice/module/internal/calls"
)

// A Task is one of a running kernel, or a thread of one.
type Task struct {
	ID     int    // as its folder below /proc has it
	Name   string // comm
	Kernel bool   // a kernel thread, which no signal makes leave what it is in
}

// frame is a function as /proc/PID/stack names it.
type frame struct{ function, module string }

// Tasks says which tasks of a running kernel stay in which functions.
type Tasks struct {
	in  map[frame][]Task
	all int
}

// In returns the tasks that had a function on their stacks each time they were looked
// at, in the order of their numbers. module is "" for the kernel's own functions.
func (t *Tasks) In(function, module string) []Task { return t.in[frame{function, module}] }

// Len returns the number of tasks that were there each time.
func (t *Tasks) Len() int { return t.all }

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
	notes, err := fs.ReadFile(root, "sys/kernel/notes")
	if err != nil {
		return nil, fmt.Errorf("read tasks: %w", err)
	}
	if !bytes.Contains(notes, k.id) {
		return nil, fmt.Errorf("read tasks: %w", refuse(CodeOtherBuild, "", "sys/kernel/notes", 0, "the kernel that runs has another build-id than the image"))
	}
	var stays map[Task]map[frame]bool
	for i := range max(times, 1) {
		if i > 0 {
			if err := pause(ctx, every); err != nil {
				return nil, err
			}
		}
		now, err := readStacks(ctx, root)
		if err != nil {
			return nil, fmt.Errorf("read tasks: %w", err)
		}
		stays = both(stays, now)
	}
	return gather(stays), nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// both returns what is in old, where there is one, and in now.
func both(old, now map[Task]map[frame]bool) map[Task]map[frame]bool {
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

func gather(stays map[Task]map[frame]bool) *Tasks {
	t := &Tasks{in: map[frame][]Task{}, all: len(stays)}
	tasks := slices.SortedFunc(maps.Keys(stays), func(a, b Task) int { return cmp.Compare(a.ID, b.ID) })
	for _, task := range tasks {
		for f := range stays[task] {
			t.in[f] = append(t.in[f], task)
		}
	}
	return t
}

// readStacks reads the stacks of all threads. Who has ended meanwhile is left out.
func readStacks(ctx context.Context, root fs.FS) (map[Task]map[frame]bool, error) {
	out := map[Task]map[frame]bool{}
	processes, err := fs.ReadDir(root, "proc")
	if err != nil {
		return nil, err
	}
	for _, p := range processes {
		if _, err := strconv.Atoi(p.Name()); err != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		threads, err := fs.ReadDir(root, path.Join("proc", p.Name(), "task"))
		if err != nil {
			continue
		}
		for _, t := range threads {
			if err := readStack(root, path.Join("proc", p.Name(), "task", t.Name()), out); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// readStack adds one task. The error is that of a right that is missing.
func readStack(root fs.FS, dir string, out map[Task]map[frame]bool) error {
	stat, err := fs.ReadFile(root, dir+"/stat")
	if err != nil {
		return nil
	}
	task, ok := parseStat(string(stat))
	if !ok {
		return nil
	}
	stack, err := fs.ReadFile(root, dir+"/stack")
	if errors.Is(err, fs.ErrPermission) {
		return err
	}
	if err == nil {
		out[task] = parseStack(string(stack))
	}
	return nil
}

// kernelThread is PF_KTHREAD among the flags of a task (include/linux/sched.h).
const kernelThread = 0x00200000

// parseStat reads the number, the name in parentheses, and the flags, which are six
// fields behind the state that follows (Documentation/filesystems/proc.rst).
func parseStat(s string) (Task, bool) {
	id, rest, _ := strings.Cut(s, " (")
	end := strings.LastIndex(rest, ") ")
	if end < 0 {
		return Task{}, false
	}
	fields := strings.Fields(rest[end+2:])
	n, err := strconv.Atoi(id)
	if err != nil || len(fields) < 7 {
		return Task{}, false
	}
	flags, err := strconv.ParseUint(fields[6], 10, 64)
	return Task{n, rest[:end], flags&kernelThread != 0}, err == nil
}

// parseStack reads lines such as
//
//	[<0>] kcompactd+0x2a5/0x4d0
//	[<0>] lo_read+0x12/0x40 [loop]
func parseStack(s string) map[frame]bool {
	out := map[frame]bool{}
	for line := range strings.Lines(s) {
		_, rest, _ := strings.Cut(line, "] ")
		name, module, _ := strings.Cut(strings.TrimSpace(rest), " [")
		if function, _, ok := strings.Cut(name, "+0x"); ok {
			out[frame{function, strings.TrimSuffix(module, "]")}] = true
		}
	}
	return out
}

// inUse judges a function by who stands in it. known is what the call graph says: where
// nobody is in a loop of a thread, there is none now.
func (b *builder) inUse(f *Function, known calls.Stay) {
	threads, others := 0, 0
	list := b.opt.Tasks.In(f.Name, f.Module)
	names := make([]string, 0, len(list))
	for _, t := range list {
		names = append(names, fmt.Sprintf("%s (%d)", t.Name, t.ID))
		if t.Kernel {
			threads++
		} else {
			others++
		}
	}
	who := calls.Few(names)
	switch {
	case known.Why != "" && len(list) > 0:
		b.judgeFunction(known.Code, f, known.Why+"; now: "+who)
	case known.Code == elfdiff.CodeThreadLoop:
		b.tell(known.Code, f, known.Why+"; but no task is in it now")
	case known.Why != "":
		b.judgeFunction(known.Code, f, known.Why)
	case threads > 0:
		b.judgeFunction(elfdiff.CodeSleepingStack, f, "kernel threads stay in it: "+who)
	case others > 0 && f.Method == MethodJump:
		b.judgeFunction(elfdiff.CodeSleepingStack, f, "tasks sleep in it, and no jump is written while they do: "+who)
	case others > 0:
		b.tell(elfdiff.CodeSleepingStack, f, "tasks sleep in it, until they are woken, by livepatch's signal at the latest: "+who)
	}
}

// tell reports what is in nothing's way.
func (b *builder) tell(code elfdiff.Code, f *Function, why string) {
	found := elfdiff.NewFinding(code, f.Name, why)
	found.Section, found.Severity, found.Accept, found.Hint = f.Module, elfdiff.Carried, "", ""
	b.report(found)
}
