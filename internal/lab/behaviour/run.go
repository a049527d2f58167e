package behaviour

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/gosplice/gosplice/internal/lab/vmtest"
	"github.com/gosplice/gosplice/internal/vm"
)

// An Update is a livepatch module that was made of a case.
type Update struct {
	Name   string
	Image  []byte
	Pinned bool // it can't be removed
}

const (
	probePath = "/gosplice/probe"
	livepatch = "/sys/kernel/livepatch/"
	modules   = "/sys/module/"
	patience  = 5 * time.Minute // for hosts that have too much to do
	probing   = "github.com/gosplice/gosplice/internal/lab/behaviour/probe"
)

// A Bench is a guest in which cases run, one after the other.
type Bench struct{ guest *vm.Machine }

// NewBench brings the prober into a guest.
func NewBench(ctx context.Context, m *vm.Machine) (*Bench, error) {
	program, err := vmtest.BuildProgram(ctx, probing)
	if err != nil {
		return nil, err
	}
	return &Bench{m}, m.Put(ctx, probePath, program, 0o755)
}

// probe runs the probe of a case and checks what it printed.
func (b *Bench) probe(ctx context.Context, c *Case, s Stage) error {
	r, err := b.guest.Run(ctx, vm.Command{Path: probePath, Args: []string{c.Name}, Stdin: []byte(c.Probe)})
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	if r.Status != 0 {
		return fmt.Errorf("%s: the probe ended with %d: %s", s, r.Status, r.Stderr)
	}
	if list := c.Unmet(s, string(r.Stdout)); list != nil {
		return fmt.Errorf("%s: not as expected: %q in\n%s", s, list, shorten(string(r.Stdout)))
	}
	return nil
}

func shorten(text string) string {
	const most = 4000
	return text[:min(len(text), most)]
}

// Prepare loads the modules of a case, and checks what it does without the update.
func (b *Bench) Prepare(ctx context.Context, c *Case) error {
	for _, l := range c.Modules {
		if err := b.guest.Modprobe(ctx, l.Name, l.Params); err != nil {
			return err
		}
	}
	return b.probe(ctx, c, Before)
}

// Run shows that an update does what the case says, and that nothing is left of it. What
// is wrong is told after the update is taken back.
func (b *Bench) Run(ctx context.Context, c *Case, u Update) error {
	if err := b.Prepare(ctx, c); err != nil {
		return err
	}
	if err := b.guest.Load(ctx, u.Image, ""); err != nil {
		return err
	}
	err := b.settle(ctx, u.Name)
	for _, l := range c.Late {
		err = errors.Join(err, b.guest.Modprobe(ctx, l.Name, l.Params))
	}
	if err == nil {
		err = b.probe(ctx, c, Patched)
	}
	if u.Pinned != c.Pinned {
		err = errors.Join(err, fmt.Errorf("pinned: %v, want %v", u.Pinned, c.Pinned))
	}
	if e := b.remove(ctx, u); e != nil {
		return errors.Join(err, e)
	}
	err = errors.Join(err, b.probe(ctx, c, Reverted))
	for _, l := range c.Late {
		err = errors.Join(err, b.guest.Unload(ctx, strings.ReplaceAll(l.Name, "-", "_")))
	}
	return err
}

// settle waits until a transition is over. Without livepatch there is none.
func (b *Bench) settle(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if b.plain(ctx) {
		return b.guest.WaitFile(ctx, modules+name+"/parameters/enabled", "1")
	}
	return b.guest.WaitFile(ctx, livepatch+name+"/transition", "0")
}

// plain reports whether the guest's kernel has no livepatch.
func (b *Bench) plain(ctx context.Context) bool {
	_, err := b.guest.ReadDir(ctx, livepatch)
	return err != nil
}

// remove disables an update, waits for the end of that, and removes its module unless it
// is pinned.
func (b *Bench) remove(ctx context.Context, u Update) error {
	if b.plain(ctx) {
		return b.removePlain(ctx, u)
	}
	if err := b.guest.WriteFile(ctx, livepatch+u.Name+"/enabled", []byte("0")); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; {
		_, enabled := b.guest.ReadFile(ctx, livepatch+u.Name+"/enabled")
		err := b.guest.Unload(ctx, u.Name)
		switch {
		case err == nil && u.Pinned:
			return fmt.Errorf("%s is pinned, and was removed", u.Name)
		case err == nil, u.Pinned && enabled != nil && errors.Is(err, syscall.EBUSY):
			return nil
		case time.Now().After(deadline):
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// removePlain is remove for a kernel without livepatch, where the update itself is asked.
func (b *Bench) removePlain(ctx context.Context, u Update) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		err := b.guest.WriteFile(ctx, modules+u.Name+"/parameters/enabled", []byte("0"))
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(deadline) {
			return err
		}
	}
	err := b.guest.Unload(ctx, u.Name)
	switch {
	case err == nil && u.Pinned:
		return fmt.Errorf("%s is pinned, and was removed", u.Name)
	case u.Pinned && errors.Is(err, syscall.EBUSY):
		return nil
	}
	return err
}
