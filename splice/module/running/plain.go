package running

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/internal/stacks"
)

// A kernel without livepatch (CONFIG_LIVEPATCH) takes updates by jumps alone, see
// [module.Module.Plain]. There is no transition: such a module takes its functions over for all
// tasks at once as it is loaded, or is not loaded (EBUSY) while a task is in one of them. What
// livepatch shows of others is its parameter "enabled": 1 in effect, 0 not. Writing 0 puts the old
// code back, and is EBUSY while a later update stands over it (it stays 1) or a task is in its code (it
// is 0, and the module is held until a later 0 finds nobody there).

// retryEvery is the longest time between two tries of what tasks were in the way of. Each try
// waits for them in the kernel for 3 seconds, and stops all processors up to 30 times.
const retryEvery = time.Second

// plain reports whether the file is an update for a kernel without livepatch.
func (f *File) plain() bool { return f.Module != nil && f.Module.Plain }

// enabled reads the parameter of an update for a kernel without livepatch, "" where the kernel
// has none of that name. Modules that livepatch knows have the taint K (kernel/panic.c).
func (k *Kernel) enabled(name string) string {
	if !k.isOurs(name) || strings.Contains(k.read("sys/module", name, "taint"), "K") {
		return ""
	}
	return k.read(parameter(name)...)
}

func parameter(name string) []string {
	return []string{"sys/module", name, "parameters", "enabled"}
}

// isPlain reports whether a module that is loaded is an update for a kernel without livepatch.
func (k *Kernel) isPlain(name string) bool { return k.enabled(name) != "" }

// inUse reports whether an update that is not in effect any more is held for the tasks in it.
func (k *Kernel) inUse(name string) bool {
	return k.enabled(name) == "0" && k.read("sys/module", name, "refcnt") != "0"
}

// plainState says what there is of an update for a kernel without livepatch.
func (k *Kernel) plainState(r *splice.Report) {
	switch {
	case k.enabled(r.Name) == "1":
		r.State = splice.Applied
	case k.inUse(r.Name):
		r.State, r.Kept = splice.Kept, "it is disabled, and held for the tasks that were in its code then"
	default:
		r.State, r.Kept = splice.Kept, "it is disabled, and loaded"
	}
}

// loadPlain loads an update for a kernel without livepatch, again while tasks are in the way.
func (k *Kernel) loadPlain(ctx context.Context, f *File) (*splice.Report, error) {
	said, err := k.tryLoad(f)
	for wait := k.poll(); errors.Is(err, syscall.EBUSY) && stacks.Pause(ctx, wait) == nil; wait = min(2*wait, retryEvery) {
		said, err = k.tryLoad(f)
	}
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", f.Name, withLog(explainLoad(f, err), said))
	}
	if k.enabled(f.Name) != "1" {
		return nil, fmt.Errorf("load %s: %w", f.Name, withLog(refuse(CodeNotEnabled, f.Name, "it is loaded, and not in effect"), said))
	}
	return k.Find(context.WithoutCancel(ctx), f.Name)
}

// tryLoad loads a file, and returns what the kernel logged meanwhile.
func (k *Kernel) tryLoad(f *File) (said []string, err error) {
	log := k.openLog()
	err = k.system().load(f.image)
	return log.since(), err
}

// offPlain takes an update for a kernel without livepatch back, and waits until no task is in
// its code. The error is a [*StuckError] when the context is done before.
func (k *Kernel) offPlain(ctx context.Context, name string) error {
	for wait := k.poll(); ; wait = min(2*wait, retryEvery) {
		err := k.tryOff(name)
		if err != errInUse {
			return err
		}
		if stacks.Pause(ctx, wait) != nil {
			t, err := k.Watch(name).Look(context.WithoutCancel(ctx))
			if err != nil {
				return err
			}
			if len(t.Blockers) == 0 && t.Unknown == "" {
				return refuse(splice.CodeBusy, name, "tasks were in its code each time, and none is to be seen in it now: it is disabled, and its module stays loaded until nobody is there")
			}
			return &StuckError{Transition: t, Err: ctx.Err()}
		}
	}
}

// errInUse is that an update was taken back, and tasks are in its code.
var errInUse = errors.New("its code is in use")

// tryOff tries once to take an update for a kernel without livepatch back.
func (k *Kernel) tryOff(name string) error {
	err := os.WriteFile(k.path(parameter(name)...), []byte("0"), 0)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist): // gone meanwhile
		return nil
	case errors.Is(err, syscall.EBUSY) && k.enabled(name) == "0":
		return errInUse
	case errors.Is(err, syscall.EBUSY):
		r := refuse(splice.CodeBusy, name, "a later update replaces a function of it again")
		r.Hint, r.Err = "disable the later one first", err
		return r
	case errors.Is(err, syscall.EINVAL):
		r := refuse(splice.CodeChanged, name, "somebody has changed what it has written since it was loaded, so that no jump was taken back: it stays in effect")
		r.Hint, r.Err = "the kernel log names the function: take away the probe that is there, and disable it again", err
		return r
	}
	return explain(name, err)
}

// tasksPlain finds the tasks in the code of an update that was taken back.
func (k *Kernel) tasksPlain(ctx context.Context, t *Transition) error {
	root := os.DirFS(k.path())
	return k.each(ctx, t, func(pid int, dir string) error {
		now, err := stacks.At(root, dir)
		if err != nil {
			t.Unknown = err.Error() + "; the kernel's log names one that was in the way"
		}
		if now == nil {
			return nil // it has ended, or is not ours to see
		}
		t.Total++
		if !slices.ContainsFunc(now.Stack, func(l stacks.Line) bool { return l.Module == t.Name }) {
			t.Done++
			return nil
		}
		t.Blockers = append(t.Blockers, Blocker{PID: pid, Stack: []string{}})
		k.blocker(t, dir, nil, (*Blocker).helpPlain)
		return nil
	})
}

// helpPlain is what makes a task leave where there is no livepatch, which would wake it.
func (b *Blocker) helpPlain() string {
	switch b.State {
	case "D":
		return "no signal wakes it: it leaves when what it waits for comes"
	case "T", "t":
		return "it is stopped: continue it"
	}
	return "nothing wakes it, as livepatch would: end what it waits for, or it, and disable the update again"
}
