// Package running is the kernel that this machine runs as a target of updates: it loads a
// livepatch module of package module, waits for the end of livepatch's transition, and says
// what the kernel has of such modules.
//
//	m, err := module.Read(file)
//	k := running.Kernel{}
//	report, err := k.Apply(ctx, m)
//	report, err = k.Revert(ctx, m.ID)
//
// It takes the right to load modules (CAP_SYS_MODULE). What it knows is what the kernel shows
// below /sys (Documentation/ABI/testing/sysfs-kernel-livepatch, sysfs-module): nothing is
// kept elsewhere, so that modules that other tools have loaded are seen too.
package running

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module"
)

// Kernel is the running kernel as a target. The zero value is ready.
type Kernel struct {
	// Root is the folder that has proc and sys; "" is "/".
	Root string
	// Poll is the time between two looks at a transition; 0 is 50 ms.
	Poll time.Duration

	calls calls // nil for those of the kernel
}

var _ splice.Target[*module.Module] = (*Kernel)(nil)

// calls are the system calls that a Kernel makes.
type calls interface {
	load(image []byte) error
	unload(name string) error
}

func (k *Kernel) system() calls {
	if k.calls != nil {
		return k.calls
	}
	return linux{}
}

func (k *Kernel) path(name ...string) string {
	root := k.Root
	if root == "" {
		root = "/"
	}
	return filepath.Join(append([]string{root}, name...)...)
}

// livepatch is the folder that has one for each livepatch, until it is disabled.
const livepatch = "sys/kernel/livepatch"

// Plan refuses what is known to be refused: a module for another kernel, or one that is
// loaded already. It says which functions would be replaced.
func (k *Kernel) Plan(ctx context.Context, m *module.Module) (*splice.Report, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := k.check(m); err != nil {
		return nil, fmt.Errorf("load %s: %w", m.Name, err)
	}
	r := &splice.Report{Schema: splice.ReportSchema, Name: m.Name, ID: m.ID, Redirects: []splice.Redirected{}}
	for _, f := range m.Functions {
		r.Redirects = append(r.Redirects, splice.Redirected{Function: f.Name, Module: objectName(f.Module), Trampoline: f.Method})
	}
	return r, nil
}

// objectName is a module as livepatch names it.
func objectName(module string) string {
	if module == "" {
		return "vmlinux"
	}
	return module
}

func (k *Kernel) check(m *module.Module) error {
	if _, err := os.Stat(k.path(livepatch)); errors.Is(err, os.ErrNotExist) {
		return refuse(module.CodeKernel, m.Name, "it has no livepatch (%s is not there)", k.path(livepatch))
	}
	id, err := k.buildID()
	if err != nil {
		return err
	}
	if id != m.Kernel {
		return refuse(module.CodeOtherBuild, m.Name, "it is for the kernel with build-id %.12s, and this one has %.12s", m.Kernel, id)
	}
	if _, err := os.Stat(k.path("sys/module", m.Name)); err == nil {
		return refuse(splice.CodeApplied, m.Name, "a module of that name is loaded")
	}
	return nil
}

// Apply loads a module, and waits until all tasks run the new code. When ctx is done before
// that, or the kernel is not ready for it, the module is disabled and removed again: where
// tasks do not even leave it, the error says so, and it is in the state Transition.
func (k *Kernel) Apply(ctx context.Context, m *module.Module) (*splice.Report, error) {
	r, err := k.Plan(ctx, m)
	if err != nil {
		return nil, err
	}
	if err := k.system().load(m.Bytes()); err != nil {
		return nil, fmt.Errorf("load %s: %w", m.Name, explain(m.Name, err))
	}
	if err := k.awaitTransition(ctx, m.Name); err != nil {
		return nil, k.giveUp(ctx, m.Name, err)
	}
	now, err := k.report(m.Name)
	if err != nil {
		return nil, err
	}
	if len(r.Redirects) > 0 { // unless it was read: also those that livepatch knows nothing of
		now.Redirects = r.Redirects
	}
	return now, nil
}

// giveUp takes back a module whose transition does not end.
func (k *Kernel) giveUp(ctx context.Context, name string, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), backTime)
	defer cancel()
	if err := k.disable(ctx, name); err != nil {
		return fmt.Errorf("load %s: %w; it stays in transition: %w", name, cause, err)
	}
	if err := k.system().unload(name); err != nil {
		return fmt.Errorf("load %s: %w; it is disabled, and stays loaded: %w", name, cause, err)
	}
	return fmt.Errorf("load %s: %w", name, cause)
}

// backTime bounds the way back of what was given up.
const backTime = 30 * time.Second

// Revert disables the module with an ID, or the one that was loaded last, waits until no task
// runs its code, and removes it. One that is pinned, or used by another, stays loaded, and the
// report says so.
func (k *Kernel) Revert(ctx context.Context, id string) (*splice.Report, error) {
	list, err := k.Status(ctx)
	if err != nil {
		return nil, err
	}
	i := len(list) - 1
	for ; i >= 0 && id != "" && list[i].ID != id; i-- {
	}
	if i < 0 {
		return nil, refuse(splice.CodeNotApplied, "", "the kernel has no such update")
	}
	r := &list[i]
	if err := k.disable(ctx, r.Name); err != nil {
		return nil, fmt.Errorf("disable %s: %w", r.Name, err)
	}
	err = k.system().unload(r.Name)
	switch {
	case err == nil:
		r.State, r.Start, r.End = "", 0, 0
	case errors.Is(err, syscall.EBUSY), errors.Is(err, syscall.EAGAIN):
		r.State, r.Kept = splice.Kept, "the kernel does not remove it: addresses of what it brought along may be kept, or another module uses it"
	default:
		return nil, fmt.Errorf("remove %s: %w", r.Name, explain(r.Name, err))
	}
	return r, nil
}

// disable has livepatch take a module back, and waits for the end of that.
func (k *Kernel) disable(ctx context.Context, name string) error {
	switch k.read(livepatch, name, "enabled") {
	case "": // it is disabled
		return nil
	case "1":
		if err := os.WriteFile(k.path(livepatch, name, "enabled"), []byte("0"), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
			return explain(name, err)
		}
	}
	return k.wait(ctx, func() bool { return k.read(livepatch, name, "enabled") == "" })
}

// awaitTransition waits for the end of a transition to the new code.
func (k *Kernel) awaitTransition(ctx context.Context, name string) error {
	return k.wait(ctx, func() bool { return k.read(livepatch, name, "transition") != "1" })
}

func (k *Kernel) wait(ctx context.Context, done func() bool) error {
	every := k.Poll
	if every <= 0 {
		every = 50 * time.Millisecond
	}
	for tick := time.NewTicker(every); ; {
		if done() {
			tick.Stop()
			return nil
		}
		select {
		case <-ctx.Done():
			tick.Stop()
			return fmt.Errorf("tasks have not left the old code: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// read returns the one line of a file, "" when there is none.
func (k *Kernel) read(name ...string) string {
	b, _ := os.ReadFile(k.path(name...))
	return strings.TrimSpace(string(b))
}
