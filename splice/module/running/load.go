package running

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/lint"
)

// Options say how a transition is seen through.
type Options struct {
	// Stay leaves a transition as it is when the context is done before its end. Otherwise it is
	// turned back: what was being loaded is disabled and unloaded, and what was being disabled
	// is enabled again.
	Stay bool
	// Progress, when set, is told about twice a second how far the transition is, and at its end.
	// Calls do not overlap.
	Progress func(*Transition)
}

// backTime bounds the way back of what was given up.
const backTime = 30 * time.Second

// Load loads a livepatch of whoever made it, and waits until all tasks run the new code. The
// context is the limit: when it is done before, the error is a [*StuckError] that says who is in
// the way, and Options.Stay what becomes of the livepatch. What of the way back does not end
// within 30 seconds stays in transition, and the error says so.
//
// One that takes the place of others waits as [Kernel.Disable] does for threads of the kernel that run all the time.
//
// A module of package module that is damaged, by the digest in it, is refused before
// ([lint.CodeDamaged]), and so is one that needs the function tracer while that is switched off ([CodeTracingOff]). What the kernel refuses is an error that is [splice.ErrRefused], with the lines that the kernel
// logged.
func (k *Kernel) Load(ctx context.Context, f *File, o Options) (*splice.Report, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f == nil {
		return nil, errors.New("load: no file is given")
	}
	var err error
	if f.Module != nil {
		err = k.check(f.Module)
	} else {
		err = k.ready(f.Name, false)
	}
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", f.Name, err)
	}
	return k.load(ctx, f, o)
}

func (k *Kernel) load(ctx context.Context, f *File, o Options) (*splice.Report, error) {
	if err := lint.Sealed(f.image); err != nil {
		return nil, fmt.Errorf("load %s: %w", f.Name, err)
	}
	if f.plain() {
		return k.loadPlain(ctx, f)
	}
	if err := k.tracerOff(f); err != nil {
		return nil, fmt.Errorf("load %s: %w", f.Name, err)
	}
	if k.takesOver(f) {
		if err := k.quiet(ctx, f.Name); err != nil {
			return nil, fmt.Errorf("load %s: %w", f.Name, err)
		}
	}
	said, err := k.tryLoad(f)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", f.Name, withLog(explainLoad(f, err), said))
	}
	if !k.exists(livepatch, f.Name) {
		return nil, fmt.Errorf("load %s: %w", f.Name, withLog(refuse(CodeNotEnabled, f.Name, "it is loaded, and enabled no livepatch of its name"), said))
	}
	if err := k.await(ctx, f.Name, o); err != nil {
		return nil, k.giveUp(ctx, f.Name, o, err)
	}
	return k.Find(context.WithoutCancel(ctx), f.Name)
}

// giveUp takes back a livepatch whose transition does not end, unless it is to stay.
func (k *Kernel) giveUp(ctx context.Context, name string, o Options, cause error) error {
	if o.Stay {
		return fmt.Errorf("load %s: %w; it stays in transition, as asked", name, cause)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), backTime)
	defer cancel()
	if err := k.disable(ctx, name, Options{Stay: true, Progress: o.Progress}); err != nil {
		return fmt.Errorf("load %s: %w; it stays in transition: %w", name, cause, err)
	}
	if err := k.unload(ctx, name); err != nil {
		return fmt.Errorf("load %s: %w; it is disabled, and stays loaded: %w", name, cause, err)
	}
	return fmt.Errorf("load %s: %w; it was taken back, and unloaded", name, cause)
}

// Wait waits for the end of the transition that a livepatch is in, if it is in one, and changes
// nothing, whatever Options.Stay is. The error is a [*StuckError] when the context is done.
func (k *Kernel) Wait(ctx context.Context, name string, o Options) error {
	if err := k.await(ctx, name, o); err != nil {
		return fmt.Errorf("wait for %s: %w", name, err)
	}
	return nil
}

// Disable has livepatch take a livepatch back, of whoever made it, and waits until no task runs
// its code. Its module stays loaded. When the context is done before, the error is a
// [*StuckError], and the livepatch is enabled again unless Options.Stay is set, or the kernel is one without
// livepatch, where the old code runs again at once, and what is waited for is only that the module may go. Where somebody has
// changed what a jump of package module has written, such as by a kprobe, no jump is taken back: the
// error is [splice.CodeChanged], and names the function and the probe. While a thread of the kernel runs all the time,
// nothing is asked of livepatch, which would wait for it and could not be interrupted: when that does not end before
// the context, the error is [CodeBusyThread].
func (k *Kernel) Disable(ctx context.Context, name string, o Options) error {
	r, err := k.Find(ctx, name)
	if err != nil {
		return fmt.Errorf("disable: %w", err)
	}
	err = k.disable(ctx, r.Name, o)
	var stuck *StuckError
	if o.Stay || !errors.As(err, &stuck) || k.isPlain(r.Name) {
		if err != nil {
			err = fmt.Errorf("disable %s: %w", r.Name, err)
		}
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), backTime)
	defer cancel()
	back := k.turn(r.Name, "1")
	if back == nil {
		back = k.await(ctx, r.Name, Options{Progress: o.Progress})
	}
	if back != nil {
		return fmt.Errorf("disable %s: %w; it stays in transition: %w", r.Name, err, back)
	}
	return fmt.Errorf("disable %s: %w; it is enabled again", r.Name, err)
}

// Unload removes the module of a livepatch that is disabled. The error is
// [splice.CodeBusy] where the kernel does not remove it.
func (k *Kernel) Unload(ctx context.Context, name string) error {
	r, err := k.Find(ctx, name)
	if err != nil {
		return fmt.Errorf("unload: %w", err)
	}
	if r.State != splice.Kept {
		return fmt.Errorf("unload: %w", refuse(CodeEnabled, r.Name, "it is enabled (%s)", r.State))
	}
	if err := k.unload(ctx, r.Name); err != nil {
		return fmt.Errorf("unload %s: %w", r.Name, err)
	}
	return nil
}

// letGo is how long livepatch may hold a module that it has disabled: it is let go of by work
// that is scheduled (klp_free_patch_work_fn).
const letGo = 5 * time.Second

// unload removes a module once livepatch has let go of it.
func (k *Kernel) unload(ctx context.Context, name string) error {
	if err := k.inside(ctx, name); err != nil {
		return err
	}
	if k.inUse(name) {
		if err := k.tryOff(name); err != nil && err != errInUse {
			return err
		}
	}
	for end := time.Now().Add(letGo); ; {
		err := k.system().unload(name)
		busy := errors.Is(err, syscall.EBUSY) || errors.Is(err, syscall.EAGAIN)
		switch {
		case err == nil:
			return nil
		case !busy:
			return explain(name, err)
		case time.Now().After(end) || k.read("sys/module", name, "refcnt") == "0" || ctx.Err() != nil:
			r := refuse(splice.CodeBusy, name, "%s", keptWhy)
			r.Hint, r.Err = "it does no harm; a restart removes it", err
			return r
		}
		time.Sleep(k.poll())
	}
}

const keptWhy = "the kernel does not remove it: addresses of what it brought along may be kept, or another module uses it"

// remove unloads what was disabled, and says in its report what became of it.
func (k *Kernel) remove(ctx context.Context, r *splice.Report) (*splice.Report, error) {
	err := k.unload(ctx, r.Name)
	var busy *splice.Refusal
	switch {
	case err == nil:
		r.State, r.Kept, r.Start, r.End = "", "", 0, 0
	case errors.Is(err, splice.CodeBusy) && errors.As(err, &busy):
		r.State, r.Kept = splice.Kept, busy.Message
	default:
		return nil, fmt.Errorf("remove %s: %w", r.Name, err)
	}
	return r, nil
}

// disable has livepatch take a livepatch back, and waits for the end of that. What stays then
// nevertheless is an error.
func (k *Kernel) disable(ctx context.Context, name string, o Options) error {
	log := k.openLog()
	err := k.off(ctx, name, o)
	said := log.about(name + ": ")
	if err != nil {
		return err
	}
	return k.left(name, said)
}

func (k *Kernel) off(ctx context.Context, name string, o Options) error {
	if k.isPlain(name) {
		return k.offPlain(ctx, name)
	}
	switch k.read(livepatch, name, "enabled") {
	case "": // it is disabled
		return nil
	case "1":
		if k.traced(name) && k.read(livepatch, name, "transition") == "0" { // else a worker of the kernel waits
			if err := k.quiet(ctx, name); err != nil {
				return err
			}
		}
		if err := k.turn(name, "0"); err != nil {
			return err
		}
	}
	return k.until(ctx, name, o, func() bool { return k.read(livepatch, name, "enabled") == "" })
}

// turn writes to the switch of a livepatch.
func (k *Kernel) turn(name, to string) error {
	err := os.WriteFile(k.path(livepatch, name, "enabled"), []byte(to), 0)
	switch {
	case err == nil, errors.Is(err, os.ErrNotExist) && to == "0":
		return nil
	case errors.Is(err, syscall.EBUSY): // __klp_disable_patch
		r := refuse(CodeInTransition, name, "another livepatch is in transition")
		r.Err = err
		return r
	}
	return explain(name, err)
}

// await waits for the end of a transition.
func (k *Kernel) await(ctx context.Context, name string, o Options) error {
	return k.until(ctx, name, o, func() bool { return k.read(livepatch, name, "transition") != "1" })
}

// tellEvery is the time between two looks at all tasks.
const tellEvery = 500 * time.Millisecond

// until waits for what ends a transition. Tasks are looked at less often than the livepatch.
func (k *Kernel) until(ctx context.Context, name string, o Options, done func() bool) error {
	w, told := k.Watch(name), time.Time{}
	tick := time.NewTicker(k.poll())
	defer tick.Stop()
	for {
		if done() {
			k.tell(ctx, w, o)
			return nil
		}
		if time.Since(told) >= tellEvery {
			k.tell(ctx, w, o)
			told = time.Now()
		}
		select {
		case <-ctx.Done():
			if done() { // meanwhile
				continue
			}
			t, err := w.Look(context.WithoutCancel(ctx))
			if err != nil {
				return err
			}
			return &StuckError{Transition: t, Err: ctx.Err()}
		case <-tick.C:
		}
	}
}

// tell looks at the tasks also where nobody wants to know, so that it is known since when they
// are in the way.
func (k *Kernel) tell(ctx context.Context, w *Watcher, o Options) {
	if t, err := w.Look(ctx); err == nil && o.Progress != nil {
		o.Progress(t)
	}
}

func (k *Kernel) poll() time.Duration {
	if k.Poll <= 0 {
		return 50 * time.Millisecond
	}
	return k.Poll
}
