// Package running is the kernel that this machine runs as a target of updates: it loads a
// livepatch module of package module, waits for the end of livepatch's transition, and says
// what the kernel has of such modules.
//
//	m, err := module.Read(file)
//	k := running.Kernel{}
//	report, err := k.Apply(ctx, m)
//	report, err = k.Revert(ctx, m.ID)
//
// Livepatches of whoever made them are loaded, seen through and taken back by [Kernel.Load],
// [Kernel.Wait], [Kernel.Disable] and [Kernel.Unload]. The context is the limit for a transition,
// and [Options] say what comes then. [Kernel.Watch] tells how far a transition is, and which tasks
// are in its way: what they are in, since when, and what helps.
//
// Livepatch itself looks at all tasks every second, has idle processors go over, and wakes the
// tasks that are left every 15 seconds, kernel threads too. Nothing here does more than that, and
// nothing forces a transition, see [Forced]. To know before what would come of a load, see
// package foresee.
//
// Updates for kernels without livepatch ([module.Module.Plain]) have no transition: the context is
// the limit for tries to load one while no task is in what it replaces.
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
	if m == nil {
		return nil, errors.New("load: no module is given")
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
	if err := k.ready(m.Name, m.Plain); err != nil {
		return err
	}
	id, err := k.BuildID()
	if err != nil {
		return err
	}
	if id != m.Kernel {
		return refuse(module.CodeOtherBuild, m.Name, "it is for the kernel with build-id %.12s, and this one has %.12s", m.Kernel, id)
	}
	return nil
}

// ready refuses what no livepatch of a name can be loaded into, or, if it is plain, no update
// by jumps alone.
func (k *Kernel) ready(name string, plain bool) error {
	if _, err := os.Stat(k.path(livepatch)); !plain && errors.Is(err, os.ErrNotExist) {
		return refuse(module.CodeKernel, name, "it has no livepatch (%s is not there)", k.path(livepatch))
	}
	if k.exists("sys/module", name) {
		return refuse(splice.CodeApplied, name, "a module of that name is loaded")
	}
	return nil
}

// Apply loads a module, and waits until all tasks run the new code. When ctx is done before
// that, or the kernel is not ready for it, the module is disabled and removed again: where
// tasks do not even leave it, the error says so, and it is in the state Transition. [Kernel.Load]
// has more choices.
func (k *Kernel) Apply(ctx context.Context, m *module.Module) (*splice.Report, error) {
	r, err := k.Plan(ctx, m)
	if err != nil {
		return nil, err
	}
	now, err := k.load(ctx, FileOf(m), Options{})
	if err != nil {
		return nil, err
	}
	if len(r.Redirects) > 0 { // unless it was read: also those that livepatch knows nothing of
		now.Redirects = r.Redirects
	}
	return now, nil
}

// Revert disables the module with an ID, or the one that was loaded last, waits until no task
// runs its code, and removes it. One that is pinned, or used by another, stays loaded, and the
// report says so. One whose jumps stay is an error, see [Kernel.Disable].
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
	if err := k.disable(ctx, r.Name, Options{Stay: true}); err != nil {
		return nil, fmt.Errorf("disable %s: %w", r.Name, err)
	}
	return k.remove(ctx, r)
}

// read returns the one line of a file, "" when there is none.
func (k *Kernel) read(name ...string) string {
	b, _ := os.ReadFile(k.path(name...))
	return strings.TrimSpace(string(b))
}
