package trial

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/gosplice/gosplice/internal/kernel"
	"github.com/gosplice/gosplice/internal/vm"
)

const livepatchDir = "/sys/kernel/livepatch"

// livepatch is the folder of the update, or what is in it.
func (t *trial) livepatch(names ...string) string {
	return path.Join(append([]string{livepatchDir, t.Update.Name}, names...)...)
}

func (t *trial) loadTargets(ctx context.Context) error {
	files := maps.Clone(t.Files)
	if t.exercise != nil {
		if files == nil {
			files = map[string]string{}
		}
		files[exercisePath(t.exercise)] = t.Exercise
	}
	if err := t.put(ctx, files); err != nil {
		return err
	}
	for _, name := range t.Later {
		if err := t.leave(ctx, name); err != nil {
			return err
		}
	}
	var refused []error
	for _, name := range t.Targets {
		err := t.loadModule(ctx, name)
		if err != nil && !t.isRefused(name, err) {
			return err
		}
		if err != nil {
			refused = append(refused, err)
		}
	}
	if len(refused) > 0 && !t.anyShown() {
		return refused[0]
	}
	return errors.Join(t.takeEarlier(ctx), t.remember(ctx))
}

// leave unloads a module that is to come later, and is there already.
func (t *trial) leave(ctx context.Context, name string) error {
	if strings.Contains(name, "/") || !t.loaded(ctx, name) {
		return nil
	}
	return t.m.Unload(ctx, strings.ReplaceAll(name, "-", "_"))
}

// loadModule loads a module of the kernel by its name, or one of a file.
func (t *trial) loadModule(ctx context.Context, name string) error {
	if !strings.Contains(name, "/") {
		file, err := t.elsewhere(name)
		if err != nil {
			return err
		}
		if file == "" {
			return t.m.Modprobe(ctx, name, "") // one that is loaded already does no harm
		}
		name = file
	}
	b, err := kernel.ReadModule(name)
	if err != nil {
		return err
	}
	if err := t.loadNeeded(ctx, b); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := t.m.Load(ctx, b, ""); err != nil && !errors.Is(err, syscall.EEXIST) {
		return err
	}
	return nil
}

// elsewhere returns the file of a module that is not among the kernel's, "" for one that is.
func (t *trial) elsewhere(name string) (string, error) {
	for _, file := range t.Elsewhere {
		b, err := kernel.ReadModule(file)
		if err != nil {
			return "", err
		}
		info, err := vm.ModInfo(b)
		if err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
		if info["name"] == strings.ReplaceAll(name, "-", "_") {
			return file, nil
		}
	}
	return "", nil
}

// loadNeeded loads what a module says that it needs.
func (t *trial) loadNeeded(ctx context.Context, image []byte) error {
	info, err := vm.ModInfo(image)
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(info["depends"], ",") {
		if name == "" {
			continue
		}
		if err := t.loadModule(ctx, name); err != nil && !t.loaded(ctx, name) {
			return fmt.Errorf("needs %s: %w", name, err)
		}
	}
	return nil
}

// loaded reports whether the guest has a module.
func (t *trial) loaded(ctx context.Context, name string) bool {
	_, err := t.m.ReadDir(ctx, "/sys/module/"+strings.ReplaceAll(name, "-", "_")+"/sections")
	return err == nil
}

func (t *trial) loadLater(ctx context.Context) error {
	for _, name := range t.Later {
		if err := t.loadModule(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// again unloads the modules that the update changes, and loads them again.
func (t *trial) again(ctx context.Context) error {
	for _, name := range slices.Concat(t.Targets, t.Later) {
		if strings.Contains(name, "/") || !slices.Contains(t.allChanged(), name) || slices.Contains(t.absent, name) {
			continue
		}
		err := t.m.Unload(ctx, strings.ReplaceAll(name, "-", "_"))
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EBUSY) {
			t.report.Notes = append(t.report.Notes, name+" is in use, so that it was not unloaded while the update was in place")
			continue
		}
		if err == nil {
			err = t.loadModule(ctx, name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// allChanged lists the modules that the update changes.
func (t *trial) allChanged() (list []string) {
	for _, f := range t.Update.Functions {
		if f.Module != "" {
			list = append(list, f.Module)
		}
	}
	return list
}

func (t *trial) load(ctx context.Context) error {
	if err := t.loadNeeded(ctx, t.Update.Bytes()); err != nil {
		return err
	}
	return t.m.Load(ctx, t.Update.Bytes(), "")
}

// settle waits until all tasks have gone over. Those that have not are in the error.
func (t *trial) settle(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, t.Limits.Transition)
	defer cancel()
	err := t.m.WaitFile(short, t.livepatch("transition"), "0")
	if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("not all tasks have gone over to the new code within %v; in the old one are:%s", t.Limits.Transition, t.stuck(ctx, "1"))
}

// stuck lists the tasks whose state is not the one that all are to reach, with their stacks.
func (t *trial) stuck(ctx context.Context, goal string) string {
	const most = 20
	var b strings.Builder
	n := 0
	pids, err := t.m.ReadDir(ctx, "/proc")
	if err != nil {
		return " " + err.Error()
	}
	for _, pid := range pids {
		tids, err := t.m.ReadDir(ctx, "/proc/"+pid+"/task") // what is no process has none
		if err != nil {
			continue
		}
		for _, tid := range tids {
			dir := "/proc/" + pid + "/task/" + tid + "/"
			if state := t.read(ctx, dir+"patch_state"); state == "" || state == goal || n == most {
				continue
			}
			n++
			fmt.Fprintf(&b, "\n%s (%s)\n\t%s", t.read(ctx, dir+"comm"), tid, strings.ReplaceAll(t.read(ctx, dir+"stack"), "\n", "\n\t"))
		}
	}
	if n == 0 {
		return " none that /proc shows (idle tasks are not in it)"
	}
	return b.String()
}

// read returns what a file holds, "" when it can't be read.
func (t *trial) read(ctx context.Context, path string) string {
	b, err := t.m.ReadFile(ctx, path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// disable has the update disabled, and waits until it is.
func (t *trial) disable(ctx context.Context) error {
	if err := t.m.WriteFile(ctx, t.livepatch("enabled"), []byte("0")); err != nil {
		return err
	}
	for deadline := time.Now().Add(t.Limits.Transition); ; {
		_, err := t.m.ReadFile(ctx, t.livepatch("enabled"))
		switch {
		case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENODEV):
			return nil // the folder goes when the last task is back
		case err != nil:
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("not all tasks are back in the old code within %v; in the new one are:%s", t.Limits.Transition, t.stuck(ctx, "0"))
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(50 * time.Millisecond):
		return nil
	}
}

// unload removes the module, unless it is to stay.
func (t *trial) unload(ctx context.Context) error {
	patience := t.Limits.Transition
	if t.Update.Pinned {
		patience = 0
	}
	busy, err := t.remove(ctx, t.Update.Name, patience)
	switch {
	case busy && t.Update.Pinned:
		t.report.Pinned = true
		return nil
	case busy:
		return fmt.Errorf("the module can't be removed, %v after it was disabled: %w", patience, err)
	case err == nil && t.Update.Pinned:
		return errors.New("the module is to stay loaded, and could be removed")
	}
	return err
}

// remove removes the module of an update that is not in place. One that is in use after a time
// is busy, and stays: err says so.
func (t *trial) remove(ctx context.Context, name string, patience time.Duration) (busy bool, err error) {
	for deadline := time.Now().Add(patience); ; {
		err := t.m.Unload(ctx, name)
		busy := errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EWOULDBLOCK)
		if !busy || time.Now().After(deadline) {
			return busy, err
		}
		if err := pause(ctx); err != nil {
			return false, err
		}
	}
}

// loadEarlier has the update in place that is going to be replaced.
func (t *trial) loadEarlier(ctx context.Context) error {
	e := t.Earlier.Bytes()
	if err := errors.Join(t.loadNeeded(ctx, e), t.m.Load(ctx, e, "")); err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, t.Limits.Transition)
	defer cancel()
	return t.m.WaitFile(short, path.Join(livepatchDir, t.Earlier.Name, "transition"), "0")
}

// earlierPatience is how long the kernel may take to let go of an update that was replaced: it
// does that behind the transition (klp_free_patch_finish of kernel/livepatch/core.c).
const earlierPatience = 5 * time.Second

// unloadEarlier removes the one that was replaced. Whether it stays is not in what is read of a
// module: then it is as it may be.
func (t *trial) unloadEarlier(ctx context.Context) error {
	name := t.Earlier.Name
	if _, err := t.m.ReadFile(ctx, path.Join(livepatchDir, name, "enabled")); err == nil {
		return fmt.Errorf("%s is still in place", name)
	}
	busy, err := t.remove(ctx, name, earlierPatience)
	if busy {
		t.report.Notes = append(t.report.Notes, name+" was replaced, and stays loaded")
		return nil
	}
	return err
}

// exercised runs the exercise, if there is one.
func (t *trial) exercised(ctx context.Context, phase string) {
	if t.exercise != nil {
		t.do(ctx, "exercise "+phase, func(ctx context.Context) error { return t.runExercise(ctx, phase) })
	}
}

// maxOutput bounds what the report keeps of what an exercise writes, in bytes.
const maxOutput = 64 << 10

func (t *trial) runExercise(ctx context.Context, phase string) error {
	short, cancel := context.WithTimeout(ctx, t.Limits.Exercise)
	defer cancel()
	begin := time.Now()
	r, err := t.m.Run(short, vm.Command{
		Path: t.exercise[0], Args: t.exercise[1:], Dir: "/tmp",
		Env: []string{"GOSPLICE_PHASE=" + phase, "GOSPLICE_UPDATE=" + t.Update.Name, "HOME=/"},
	})
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return fmt.Errorf("it did not end within %v, and was killed", t.Limits.Exercise)
		}
		return err
	}
	e := Exercise{Phase: phase, Status: r.Status, Output: cut(r.Stdout), Errors: cut(r.Stderr), Elapsed: time.Since(begin)}
	t.report.Exercises = append(t.report.Exercises, e)
	if e.Status != 0 {
		return fmt.Errorf("it ended with status %d: %s", e.Status, lastLines(e.Output+"\n"+e.Errors, 10))
	}
	return nil
}

// cut keeps the beginning of what was written.
func cut(b []byte) string {
	if len(b) > maxOutput {
		return fmt.Sprintf("%s\n(%d bytes more)", b[:maxOutput], len(b)-maxOutput)
	}
	return string(b)
}
