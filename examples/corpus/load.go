package main

import (
	"context"
	"errors"
	"fmt"

	"syscall"
	"time"

	"github.com/gosplice/gosplice/internal/deb"
	"github.com/gosplice/gosplice/internal/debkernel"
	"github.com/gosplice/gosplice/internal/vm"
	"github.com/gosplice/gosplice/splice/module"
)

// loaded is what the kernel made of a module.
type loaded struct {
	Source string `json:"source"`
	Err    string `json:"error"` // "" when it was loaded, took effect and was removed
}

// patience bounds how long a transition may take.
const patience = 2 * time.Minute

// guest is a booted kernel in which files, sockets and more are open all the time.
type guest struct {
	*vm.Machine
	held *vm.Held
}

func boot(ctx context.Context, k *debkernel.Kernel) (*guest, error) {
	m, err := vm.Start(ctx, vm.Options{Kernel: &k.Kernel, CPUs: 1})
	if err != nil {
		return nil, err
	}
	held, err := m.Hold(ctx)
	if err != nil {
		m.Close()
		return nil, err
	}
	return &guest{m, held}, nil
}

// load boots the kernel once, and for each carried pair loads its module, waits
// until the transition is over, disables it and removes it, with a log that says
// nothing bad. What was opened before, and what is while the update is active, is
// used all the way, and also when the module is gone.
func load(ctx context.Context, k *debkernel.Kernel, j *judged) error {
	j.Loaded = []loaded{}
	m, err := boot(ctx, k)
	if err != nil {
		return err
	}
	defer func() { m.Close() }()
	for i := range j.Pairs {
		v := &j.Pairs[i]
		if v.module == nil {
			continue
		}
		l := loaded{Source: v.Source}
		if err := through(ctx, m, v); err != nil {
			l.Err = err.Error()
			deb.Progress(ctx, "%s: %v", v.Source, err)
			m.Close() // what one module left behind is not for the next
			next, err := boot(ctx, k)
			if err != nil {
				return err
			}
			m = next
		}
		j.Loaded = append(j.Loaded, l)
	}
	return ctx.Err()
}

// through has one module go all the way.
func through(ctx context.Context, m *guest, v *judgement) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	name := v.module.Name
	if err := m.Load(ctx, v.module.Bytes(), ""); err != nil {
		return errors.Join(err, m.Check(ctx, policy))
	}
	if err := m.WaitFile(ctx, livepatch+name+"/transition", "0"); err != nil {
		return fmt.Errorf("transition: %w", err)
	}
	if err := m.held.Use(ctx); err != nil {
		return err
	}
	patched, err := m.Hold(ctx)
	if err != nil {
		return err
	}
	if err := m.WriteFile(ctx, livepatch+name+"/enabled", []byte("0")); err != nil {
		return fmt.Errorf("disable: %w", err)
	}
	if err := m.remove(ctx, v.module); err != nil {
		return err
	}
	if err := errors.Join(m.held.Touch(ctx), patched.Use(ctx), patched.Release(ctx)); err != nil {
		return errors.Join(err, m.Check(ctx, policy))
	}
	return m.Check(ctx, policy)
}

// remove removes a module that was disabled. One that is pinned must refuse that, once
// it is disabled for good.
func (m *guest) remove(ctx context.Context, mod *module.Module) error {
	for {
		err := m.Unload(ctx, mod.Name)
		_, enabled := m.ReadFile(ctx, livepatch+mod.Name+"/enabled")
		switch {
		case err == nil && mod.Pinned:
			return errors.New("unload: it is pinned, and was removed")
		case err == nil, mod.Pinned && enabled != nil && errors.Is(err, syscall.EBUSY):
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("unload: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

const livepatch = "/sys/kernel/livepatch/"

// policy is what may be found in the kernel's log: the taints of a livepatch that
// is not signed.
var policy = vm.Policy{Taint: "OEK"}
