package running

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gosplice/gosplice/splice/module/internal/stacks"
)

// TransitionSchema is the version of the JSON of a [Transition]. Keys may be added to a version.
const TransitionSchema = 1

// A Transition is how far livepatch is with having all tasks go over to the new code of one
// livepatch, or back to the old (Documentation/livepatch/livepatch.rst, "Consistency model").
type Transition struct {
	Schema int    `json:"schema"` // [TransitionSchema]
	Name   string `json:"name"`
	// Plain is set where the kernel has no livepatch: the old code runs already, and what is waited for are the
	// tasks in code of the update, so that its module may go.
	Plain bool `json:"plain"`
	// On is set while there is a transition.
	On bool `json:"on"`
	// Back is set when it leads back to the old code.
	Back bool `json:"back"`
	// Done counts the tasks that are over, and Total all. Idle tasks of processors are not among
	// them: /proc has none of these.
	Done  int       `json:"done"`
	Total int       `json:"total"`
	Began time.Time `json:"began"` // when it was seen first
	// Blockers are the tasks that are not over, in the order of their numbers; never null. Not
	// more than [MaxBlockers] have a stack.
	Blockers []Blocker `json:"blockers"`
	// Unknown says why the tasks can't be told: no /proc, or a right that is missing. "" is that
	// they are.
	Unknown string `json:"unknown"`
}

// MaxBlockers is how many of the tasks that a transition waits for are looked at closely.
const MaxBlockers = 64

// A Blocker is a task that a transition waits for.
type Blocker struct {
	PID    int    `json:"pid"` // of its process
	TID    int    `json:"tid"` // its own
	Name   string `json:"name"`
	Kernel bool   `json:"kernel"` // a thread of the kernel
	State  string `json:"state"`  // the letter of proc(5): R runs, S sleeps, D sleeps and no signal wakes it
	// Function is the innermost function on its stack that the livepatch replaces (on the way
	// back: that the livepatch brought), and Module the module that it is in; "" where there is none.
	Function string    `json:"function"`
	Module   string    `json:"module"`
	Stack    []string  `json:"stack"` // the innermost first, as /proc/PID/stack has it; never null
	Since    time.Time `json:"since"` // when it was seen first
	Why      string    `json:"why"`   // it is not over
	Help     string    `json:"help"`  // what makes it go over
}

// A Watcher looks at one transition again and again, so that it knows since when a task is in
// the way. It is not safe for concurrent use.
type Watcher struct {
	kernel *Kernel
	name   string
	back   bool
	began  time.Time
	since  map[int]time.Time
}

// Watch returns who looks at the transition of the livepatch with a name.
func (k *Kernel) Watch(name string) *Watcher { return &Watcher{kernel: k, name: name} }

// Look looks once. It costs one read for each task, and three more for each of the first that
// are in the way. A livepatch that is gone is in no transition.
func (w *Watcher) Look(ctx context.Context) (*Transition, error) {
	k := w.kernel
	if k == nil {
		return nil, errors.New("look at a transition: no kernel is given")
	}
	t := &Transition{Schema: TransitionSchema, Name: w.name, Blockers: []Blocker{}}
	t.On = k.read(livepatch, w.name, "transition") == "1"
	t.Back = k.read(livepatch, w.name, "enabled") == "0"
	if t.Plain = k.inUse(w.name); t.Plain {
		t.On, t.Back = true, true
	}
	if !t.On {
		w.since = nil
		return t, nil
	}
	now := time.Now()
	if w.since == nil || w.back != t.Back {
		w.since, w.began, w.back = map[int]time.Time{}, now, t.Back
	}
	t.Began = w.began
	look := k.tasks
	if t.Plain {
		look = k.tasksPlain
	}
	if err := look(ctx, t); err != nil {
		return nil, err
	}
	seen := map[int]time.Time{}
	for i := range t.Blockers {
		b := &t.Blockers[i]
		b.Since = now
		if at, ok := w.since[b.TID]; ok {
			b.Since = at
		}
		seen[b.TID] = b.Since
	}
	w.since = seen
	return t, nil
}

// tasks fills in how far the tasks are. Who ends meanwhile is left out.
func (k *Kernel) tasks(ctx context.Context, t *Transition) error {
	want := "1"
	if t.Back {
		want = "0"
	}
	names := k.replaced(t.Name)
	return k.each(ctx, t, func(pid int, dir string) error {
		state, err := os.ReadFile(k.path(dir, "patch_state"))
		if errors.Is(err, fs.ErrPermission) {
			t.Unknown = err.Error()
		}
		s := strings.TrimSpace(string(state))
		if err != nil || s == undefined {
			return nil
		}
		t.Total++
		if s == want {
			t.Done++
			return nil
		}
		t.Blockers = append(t.Blockers, Blocker{PID: pid, Stack: []string{}})
		k.blocker(t, dir, names, (*Blocker).help)
		return nil
	})
}

// each looks at all tasks, and orders those that are in the way.
func (k *Kernel) each(ctx context.Context, t *Transition, look func(pid int, dir string) error) error {
	err := stacks.Each(ctx, os.DirFS(k.path()), look)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		t.Unknown = fmt.Sprintf("%s: %v", k.path(), err)
		return nil
	}
	if t.Total == 0 && t.Unknown == "" {
		t.Unknown = k.path("proc") + " says of no task how far it is"
	}
	slices.SortFunc(t.Blockers, func(a, b Blocker) int { return cmp.Compare(a.TID, b.TID) })
	return nil
}

// undefined is what patch_state of a task holds that is in no transition (KLP_UNDEFINED of
// include/linux/livepatch.h, KLP_TRANSITION_IDLE since 6.10).
const undefined = "-1"

// replaced returns the functions that a livepatch replaces, as stacks name them.
func (k *Kernel) replaced(name string) map[stacks.Frame]bool {
	out := map[stacks.Frame]bool{}
	for _, r := range k.redirects(name) {
		f := stacks.Frame{Function: r.Function, Module: r.Module}
		if f.Module == objectName("") {
			f.Module = ""
		}
		out[f] = true
	}
	return out
}

// blocker fills in the last of the blockers, or takes it out when the task is gone.
func (k *Kernel) blocker(t *Transition, dir string, names map[stacks.Frame]bool, help func(*Blocker) string) {
	b := &t.Blockers[len(t.Blockers)-1]
	stat, err := os.ReadFile(k.path(dir, "stat"))
	task, state, ok := stacks.ParseStat(string(stat))
	if err != nil || !ok {
		t.Blockers, t.Total = t.Blockers[:len(t.Blockers)-1], t.Total-1
		return
	}
	b.TID, b.Name, b.Kernel, b.State = task.ID, task.Name, task.Kernel, state
	if len(t.Blockers) > MaxBlockers {
		b.Why, b.Help = "it is one of many, and was not looked at closely", "see the others first"
		return
	}
	stack, err := os.ReadFile(k.path(dir, "stack"))
	b.find(t, stacks.Lines(string(stack)), names)
	b.judge(err)
	if b.Help == "" {
		b.Help = help(b)
	}
}

// find looks for what keeps the task in its stack.
func (b *Blocker) find(t *Transition, frames []stacks.Line, names map[stacks.Frame]bool) {
	for _, f := range frames {
		b.Stack = append(b.Stack, f.Text)
		in := names[f.Frame]
		if t.Back {
			in = f.Module == t.Name
		}
		if in && b.Function == "" {
			b.Function, b.Module = f.Function, f.Module
		}
	}
}

// judge says why the task is not over.
func (b *Blocker) judge(err error) {
	what := b.Function
	if b.Module != "" {
		what += " of " + b.Module
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		b.Why, b.Help = "its stack can't be read", "look as root, with CAP_SYS_ADMIN"
		return
	case b.Function != "":
		b.Why = "it is in " + what
	case len(b.Stack) == 0:
		b.Why = "it runs"
	default:
		b.Why = "its stack has none of the functions now: it goes over when livepatch looks again, which is every second, unless that can't rely on its stack"
	}
}

// help is what makes a task leave. Livepatch itself looks again every second, and wakes tasks
// every 15 seconds (SIGNALS_TIMEOUT of kernel/livepatch/transition.c): those of programs
// as a signal does, of which the program sees nothing, and kernel threads.
func (b *Blocker) help() string {
	switch {
	case b.State == "D":
		return "no signal wakes it: it goes over when what it waits for comes"
	case b.Kernel && b.State == "R":
		return "give it less to do: a thread of the kernel goes over when livepatch meets it asleep outside of the functions"
	case b.Kernel && b.Function != "":
		return "livepatch wakes it every 15 s; it goes over when it returns from the function, which a thread that loops there does not: stop what runs it, or back out, and make the update without that function"
	case b.Function == "":
		return "wait"
	case b.State == "T" || b.State == "t":
		return "it is stopped: continue it"
	}
	return "livepatch wakes it every 15 s as a signal does, which the program does not see"
}

// age is how long a blocker has been seen.
func (b *Blocker) age(now time.Time) time.Duration { return now.Sub(b.Since).Round(time.Second) }

// String returns how far it is, with the first who are in the way, on one line.
func (t *Transition) String() string {
	if !t.On {
		return "no transition"
	}
	s := fmt.Sprintf("%d of %d tasks", t.Done, t.Total)
	if t.Unknown != "" && t.Total == 0 {
		return "tasks can't be told: " + t.Unknown
	}
	const few = 3
	for i := range t.Blockers[:min(few, len(t.Blockers))] {
		b := &t.Blockers[i]
		s += fmt.Sprintf("; %s (%d), since %v: %s", b.Name, b.TID, b.age(time.Now()), b.Why)
	}
	if n := len(t.Blockers) - few; n > 0 {
		s += fmt.Sprintf("; and %d more", n)
	}
	return s
}

// A StuckError tells that a transition did not end in time.
type StuckError struct {
	Transition *Transition
	Err        error // that of the context
}

// Error says how far it is, and who is in the way.
func (e *StuckError) Error() string {
	side := "old"
	if e.Transition == nil {
		return fmt.Sprintf("a transition has not ended: %v", e.Err)
	}
	if e.Transition.Back {
		side = "new"
	}
	if e.Transition.Done == e.Transition.Total && e.Transition.Unknown == "" {
		return fmt.Sprintf("livepatch has not ended the transition, although all %d tasks are over (idle tasks of processors are not seen): %v", e.Transition.Total, e.Err)
	}
	return fmt.Sprintf("tasks have not left the %s code: %v: %v", side, e.Transition, e.Err)
}

// Unwrap returns Err.
func (e *StuckError) Unwrap() error { return e.Err }

// Forced says what it would mean to write 1 to a livepatch's file "force", which nothing here
// does (Documentation/livepatch/livepatch.rst, "Limitations"; klp_force_transition).
const Forced = "forcing it would declare all tasks to be over: those that are in the way would go on with a mix of old and new code, nobody looks at them again, and modules whose code they may be in (on the way back this one, else those that it replaces) could never be unloaded"
