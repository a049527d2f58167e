package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/splice/process"
	"github.com/gosplice/gosplice/splice/process/machine"
)

// who explains it.
const who = "WHO is -pid N, -unit NAME, -container ID, each as often as wanted, or -all."

// A verb is a command for many processes. To add one is to add a row to verbs.
type verb struct {
	name  string
	args  string // as the usage shows them
	about string // one line
	flags func(f *cli.Flags, m *many)
	wants func(n int) bool // the number of arguments
	// run does it, and returns the exit status, or an error.
	run func(ctx context.Context, m *many, args []string) (int, error)
}

// selection is how the usage calls the flags that say which processes.
const selection = "WHO..."

// verbs are those that there are, in the order of the usage.
func verbs() []verb {
	return []verb{
		{"apply", "UPDATE " + selection, "apply a stored update to all selected processes that map what it is for", changing, exactly(1), ofUpdate(machine.Apply)},
		{"revert", "UPDATE|ID " + selection, "take an update back from all selected processes that hold it", changing, exactly(1), revertAll},
		{"status", selection, "list the updates that processes hold", nil, exactly(0), statusAll},
		{"verify", "UPDATE " + selection, "is the code in memory what the update and its record say?", nil, exactly(1), ofUpdate(machine.Verify)},
		{"fixes", "UPDATE... " + selection, "which fixes of updates are live in which processes?", nil, atLeast(1), fixesAll},
		{"follow", "UPDATE... " + selection, "apply updates to all processes, and at once to those that start later", following, atLeast(1), followAll},
	}
}

func atLeast(want int) func(int) bool { return func(n int) bool { return n >= want } }
func exactly(want int) func(int) bool { return func(n int) bool { return n == want } }

// many is what the commands for many processes share.
type many struct {
	stdout   *cli.Output
	stderr   *cli.Output
	asJSON   bool
	all      bool
	limit    time.Duration
	changing bool
	every    time.Duration
	hold     time.Duration
	options  machine.Options
}

// flags are those that all have.
func (m *many) flags(f *cli.Flags) {
	f.JSON(&m.asJSON)
	f.Func("pid", "a process, by its number `N`; may be repeated", func(s string) error {
		var pid int
		if _, err := fmt.Sscan(s, &pid); err != nil || pid <= 0 {
			return fmt.Errorf("%q is no process", s)
		}
		m.options.Select.PIDs = append(m.options.Select.PIDs, pid)
		return nil
	})
	f.List(&m.options.Select.Units, "unit", "all processes of a unit of systemd: `NAME`")
	f.List(&m.options.Select.Containers, "container", "all processes of a container: its `ID`, 12 characters of it, or its name")
	f.BoolVar(&m.all, "all", false, "all processes of the machine")
	f.DurationVar(&m.limit, "limit", 0, "how long all of it may take, as `TIME` such as 90s; no limit unless given")
	f.IntVar(&m.options.Parallel, "parallel", 0, "treat so `MANY` processes at once; two for each processor unless given")
}

// changing are the flags of commands that change processes.
func changing(f *cli.Flags, m *many) {
	m.changing = true
	f.DryRun(&m.options.Process.DryRun, "say what would come of it, and touch no process")
	each(f, &m.options.Process)
}

// following are the flags of follow, which goes on until it is ended.
func following(f *cli.Flags, m *many) {
	m.changing = true
	each(f, &m.options.Process)
	f.DurationVar(&m.hold, "hold", 0, "how long a program that is executed waits for its turn when many are executed at once, as `TIME`: then it is patched some moments later; 200ms unless given")
	f.DurationVar(&m.options.Process.StartTimeout, "start-limit", 0, "how long a program that starts is held while its dynamic linker works, as `TIME`; 2s unless given")
	f.DurationVar(&m.every, "every", 0, "look at all processes again after this `TIME`, for libraries that are loaded late; 30s unless given")
}

// each are the flags about how a process is stopped and changed.
func each(f *cli.Flags, o *process.Options) {
	f.BoolVar(&o.NoExceptions, "no-exceptions", false, "no exception passes through what is changed: don't refuse it for that")
	f.IntVar(&o.Attempts, "attempts", 0, "stop a process up to so `MANY` times to find a moment in which no thread is in the way; 20 unless given")
	f.DurationVar(&o.StopTimeout, "stop-limit", 0, "how long the first stopped thread waits for the last, as `TIME`; 250ms unless given")
}

// doVerb does a command for many processes; ok is false when the arguments are none.
func doVerb(ctx context.Context, args []string, stdout, stderr *cli.Output) (status int, ok bool, err error) {
	if len(args) == 0 {
		return 0, false, nil
	}
	for _, v := range verbs() {
		if v.name == args[0] {
			status, err := v.do(ctx, args[1:], stdout, stderr)
			return status, true, err
		}
	}
	return 0, false, nil
}

// do parses the flags of a command, before and behind its arguments, and does it.
func (v *verb) do(ctx context.Context, args []string, stdout, stderr *cli.Output) (int, error) {
	m := &many{stdout: stdout, stderr: stderr}
	t := &cli.Tool{Name: "hotpatch " + v.name, Forms: []string{v.args}, About: strings.ToUpper(v.about[:1]) + v.about[1:] + ".\n" + who, Statuses: tool().Statuses}
	f := t.Flags()
	m.flags(f)
	if v.flags != nil {
		v.flags(f, m)
	}
	var rest []string
	for {
		if err := f.Parse(args); err != nil {
			return exitError, err
		}
		if f.NArg() == 0 {
			break
		}
		rest, args = append(rest, f.Arg(0)), f.Args()[1:]
	}
	switch {
	case !v.wants(len(rest)):
		return exitError, f.Wrong("%d arguments where %s takes %s", len(rest), v.name, cmp.Or(v.args, "none"))
	case m.all && !m.options.Select.All():
		return exitError, f.Wrong("-all is every process: it does not go with -pid, -unit or -container")
	case m.changing && !m.all && m.options.Select.All():
		return exitError, f.Wrong("say which processes: -pid, -unit, -container or -all")
	}
	ctx, cancel := within(ctx, m.limit)
	defer cancel()
	status, err := v.run(ctx, m, rest)
	c := &command{out: stdout, asJSON: m.asJSON}
	if err != nil {
		return c.exit(err, stderr)
	}
	return status, nil
}

// within limits the time, unless the limit is 0.
func within(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}
