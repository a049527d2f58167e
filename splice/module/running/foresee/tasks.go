package foresee

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gosplice/gosplice/splice/module"
	"github.com/gosplice/gosplice/splice/module/internal/stacks"
)

// A task is what was seen of one.
type task struct {
	stacks.Task
	looks  int              // how often it was there
	in     map[function]int // how often each function was on its stack
	states map[string]int   // how often it was in each state
}

const (
	usualSample = time.Second
	usualEvery  = 50 * time.Millisecond
	// leastLooks are so many that a thread which runs in all of them is told, however slow a
	// machine is.
	leastLooks = 3
)

// tasks looks at the stacks of all tasks for a while.
func (c *checker) tasks(ctx context.Context) error {
	functions := c.changing()
	if len(functions) == 0 {
		return nil
	}
	seen, err := c.sample(ctx, c.wantedFrames(functions))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		c.unseen(Unknown, "which tasks are in the functions", err, c.unmounted("proc", "proc/self"))
		return nil
	}
	c.out.Tasks = len(seen)
	c.away()
	list := make([]*task, 0, len(seen))
	for _, t := range seen {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *task) int { return cmp.Compare(a.ID, b.ID) })
	for i := range functions {
		c.inUse(&functions[i], list)
	}
	c.busy(list)
	return nil
}

// wantedFrames returns what tells the function that a frame of a stack is counted for: where another
// livepatch replaces that now, the frame is of what it is replaced with, as livepatch itself looks
// for that one (klp_check_stack_func).
func (c *checker) wantedFrames(functions []Function) func(stacks.Frame) (function, bool) {
	want := map[function]bool{}
	by := map[string][]function{} // functions by the livepatch that replaces them
	for i := range functions {
		f := functions[i].key()
		if lp := c.others[f]; lp != "" {
			by[lp] = append(by[lp], f)
		} else {
			want[f] = true
		}
	}
	return func(f stacks.Frame) (function, bool) {
		k := function{f.Function, f.Module}
		if want[k] {
			return k, true
		}
		for _, old := range by[f.Module] {
			if strings.Contains(f.Function, old.name) {
				return old, true
			}
		}
		return function{}, false
	}
}

// sample looks at all tasks again and again. The error is that of a file that has to be there.
func (c *checker) sample(ctx context.Context, want func(stacks.Frame) (function, bool)) (map[int]*task, error) {
	length, every := cmp.Or(c.opt.Sample, usualSample), cmp.Or(c.opt.Every, usualEvery)
	seen := map[int]*task{}
	for start := time.Now(); c.out.Looks < leastLooks || time.Since(start) < length; {
		if c.out.Looks > 0 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(every):
			}
		}
		if err := c.look(ctx, seen, want); err != nil {
			return nil, err
		}
		c.out.Looks++
	}
	return seen, nil
}

// look looks at all tasks once. Who has ended meanwhile is left out.
func (c *checker) look(ctx context.Context, seen map[int]*task, want func(stacks.Frame) (function, bool)) error {
	some := false
	err := stacks.Each(ctx, c.root, func(_ int, dir string) error {
		some = true
		now, err := stacks.At(c.root, dir)
		if now != nil {
			see(seen, now, want)
		}
		return err
	})
	if err == nil && !some {
		return errors.New("/proc shows no task")
	}
	return err
}

// see counts one look at a task.
func see(seen map[int]*task, now *stacks.Moment, want func(stacks.Frame) (function, bool)) {
	t := seen[now.ID]
	if t == nil || t.Task != now.Task {
		t = &task{Task: now.Task, in: map[function]int{}, states: map[string]int{}}
		seen[now.ID] = t
	}
	t.looks++
	t.states[now.State]++
	in := map[function]bool{}
	for _, l := range now.Stack {
		if f, ok := want(l.Frame); ok && !in[f] {
			in[f] = true
			t.in[f]++
		}
	}
}

// stays reports whether a task was in a function each time.
func (t *task) stays(f function) bool { return t.in[f] == t.looks }

// inUse judges a function by who was in it.
func (c *checker) inUse(f *Function, list []*task) {
	if f.Method == module.MethodProbe {
		return // a call runs the old or the new function
	}
	if n := c.names[f.key()]; n > 1 {
		defer c.oneOfMany(f, n, len(c.out.Findings))
	}
	groups := map[string][]*task{}
	for _, t := range list {
		if t.in[f.key()] > 0 {
			g := t.group(f.key())
			groups[g] = append(groups[g], t)
		}
	}
	for _, g := range uses {
		if tasks := groups[g.name]; len(tasks) > 0 {
			effect := g.effect
			if f.Method == module.MethodJump {
				effect = g.jump
			}
			who := namesOf(tasks, f.key())
			c.add(Finding{Code: CodeInUse, Effect: effect, Function: f.Name, Module: f.Module, Who: who,
				Message: fmt.Sprintf(g.message, len(tasks)) + ": " + strings.Join(who[:min(few, len(who))], ", "), Hint: g.hint})
		}
	}
}

// A use is a way to be in a function.
type use struct {
	name         string
	effect, jump Effect // for livepatch, and for a jump
	message      string // of how many
	hint         string
}

// uses are those that there are, the worst first. A jump is refused when a task sleeps in the
// function for 3 seconds.
var uses = []use{
	{"thread", Stalls, Refused, "threads of the kernel stay in it (%d)", "stop what runs them; livepatch wakes them, and a loop in the function goes on"},
	{"blocked", Stalls, Refused, "tasks wait in it, and no signal wakes them (%d)", "wait until what they wait for comes"},
	{"asleep", Waits, Refused, "tasks sleep in it until something comes (%d)", "livepatch wakes them as a signal does after 15 s; or have them do something before"},
	{"sometimes", Note, Unknown, "tasks were in it, and left it (%d)", ""},
}

// group is the way in which a task is in a function.
func (t *task) group(f function) string {
	switch {
	case !t.stays(f):
		return "sometimes"
	case t.Kernel:
		return "thread"
	case t.states["D"] == t.looks:
		return "blocked"
	}
	return "asleep"
}

func namesOf(tasks []*task, f function) (who []string) {
	for _, t := range tasks {
		who = append(who, fmt.Sprintf("%s (%d), %d of %d times", t.Name, t.ID, t.in[f], t.looks))
	}
	return who
}

// oneOfMany says of what was found that stacks have names only.
func (c *checker) oneOfMany(f *Function, n, from int) {
	for i := from; i < len(c.out.Findings); i++ {
		x := &c.out.Findings[i]
		if x.Effect != Note {
			x.Effect = Unknown
			x.Message += fmt.Sprintf("; but the kernel has %d functions of that name, and stacks do not tell them apart", n)
		}
	}
}

// busy reports threads of the kernel that ran each time: nothing shows what they are in, and
// livepatch has to meet them asleep.
func (c *checker) busy(list []*task) {
	if c.plain() {
		return // it stops all processors
	}
	var who []string
	for _, t := range list {
		if t.Kernel && t.states["R"] == t.looks && t.looks >= leastLooks {
			who = append(who, fmt.Sprintf("%s (%d)", t.Name, t.ID))
		}
	}
	if len(who) > 0 {
		c.add(Finding{Code: CodeBusyThread, Effect: Unknown, Who: who, Message: fmt.Sprintf("threads of the kernel run all the time, and livepatch has to meet them asleep (%d): %s", len(who), strings.Join(who[:min(few, len(who))], ", "))})
	}
}
