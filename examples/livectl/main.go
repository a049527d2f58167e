// Livectl is for who runs livepatches on a machine: it foretells what would come of loading one,
// loads them, sees their transitions through, and takes them back, whoever made them.
//
//	livectl [-json] status
//	livectl [-json] check [-sample TIME] FILE.ko
//	livectl [-json] lint [-kernel FILE | -run kcore] FILE.ko...
//	livectl [-json] load [-limit TIME] [-stay] FILE.ko...
//	livectl [-json] wait [-limit TIME] NAME
//	livectl [-json] disable [-limit TIME] [-stay] NAME
//	livectl [-json] unload NAME
//	livectl [-json] revert [-limit TIME] [-stay] [NAME]
//	livectl [-json] verify [FILE.ko...]
//	livectl [-json] fixes [-vex FILE] [-metrics FILE] [FILE.ko...]
//	livectl [-json] store [-store FOLDER] policy|add|remove|enable|disable|order|list|boot|apply|good|allow ...
//
// A livepatch is named by its module, or by its ID. The limit is for each transition: when it
// has passed, the transition is turned back, or left as it is with -stay. Nothing forces one.
//
// It exits with 0 when it is done, 1 on an error, 2 when it is refused (or would be, as check says),
// wrong, differs, or is not fixed, 3 when a transition did not end in time, check does not say that it would,
// or lint has doubts,
// and 64 when it was called wrongly.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/module/running"
)

// Exit statuses.
const (
	exitDone    = 0
	exitError   = 1
	exitRefused = 2
	exitStuck   = 3
)

// A command is one of the tool. To add one is to add a row to commands.
type command struct {
	name  string
	args  string // as the usage shows them
	about string // one line
	// flags adds what it has of its own to those that all have; nil for none.
	flags func(f *cli.Flags, s *session)
	// wants checks the number of arguments.
	wants func(n int) bool
	// run does it, and returns the exit status, or an error: see session.status.
	run func(ctx context.Context, s *session, args []string) (int, error)
}

// commands are those that there are, in the order of the usage.
func commands() []command {
	return []command{
		{"status", "", "list the livepatches that the kernel has, and how far a transition is", nil, exactly(0), status},
		{"check", "[-sample TIME] FILE.ko", "foretell what would come of loading a livepatch; only looks", sample, exactly(1), check},
		{"lint", "[-kernel FILE | -run kcore] FILE.ko...", "look for what is wrong with the files of livepatches; loads nothing", lintFlags, atLeast(1), lintFiles},
		{"load", "[-limit TIME] [-stay] FILE.ko...", "load livepatches, one after the other, and see each through", seeThrough, atLeast(1), load},
		{"wait", "[-limit TIME] NAME", "wait for the end of a transition", limit, exactly(1), wait},
		{"disable", "[-limit TIME] [-stay] NAME", "take a livepatch back; its module stays loaded", seeThrough, exactly(1), disable},
		{"unload", "NAME", "remove the module of a livepatch that is disabled", nil, exactly(1), unload},
		{"revert", "[-limit TIME] [-stay] [NAME]", "disable and unload: a livepatch, or the one that was loaded last", seeThrough, atMost(1), revert},
		{"verify", "[FILE.ko...]", "are the livepatches in memory what their files have, and in effect?", nil, atLeast(0), verifyUpdates},
		{"fixes", "[-vex FILE] [-metrics FILE] [FILE.ko...]", "which fixes of updates, loaded or not, does the memory have?", fixFlags, atLeast(0), listFixes},
		{"store", "[-store FOLDER] COMMAND ...", "keep updates, and load them as the machine starts; help has the COMMANDs", storeFlag, atLeast(1), storeDo},
	}
}

func exactly(want int) func(int) bool { return func(n int) bool { return n == want } }
func atLeast(want int) func(int) bool { return func(n int) bool { return n >= want } }
func atMost(want int) func(int) bool  { return func(n int) bool { return n <= want } }

// tool is the command as its usage shows it.
func tool() *cli.Tool {
	t := &cli.Tool{
		Name:     "livectl",
		About:    "Foretells what would come of loading a livepatch, loads livepatches, sees their\ntransitions through, and takes them back, whoever made them.\n",
		Statuses: "0 done; 1 error; 2 refused, not proven; 3 not in time",
	}
	for _, c := range commands() {
		t.Forms = append(t.Forms, strings.TrimSpace("[flags] "+c.name+" "+c.args))
		t.About += fmt.Sprintf("\n%-8s %s", c.name, c.about)
	}
	return t
}

func main() { tool().Main(run) }

// A session is what all commands share.
type session struct {
	kernel  running.Kernel
	stdout  *cli.Output
	stderr  *cli.Output
	asJSON  bool
	limits  limits
	proof   proof
	sample  time.Duration // of check
	against against       // of lint
	kept    kept          // of store
}

func run(ctx context.Context, args []string, stdout, stderr *cli.Output) (int, error) {
	s := &session{stdout: stdout, stderr: stderr}
	t := tool()
	f := s.flags(t)
	if err := f.Parse(args); err != nil {
		return exitError, err
	}
	if f.NArg() == 0 {
		return exitError, f.Wrong("no command is given")
	}
	for _, c := range commands() {
		if c.name == f.Arg(0) {
			return s.do(ctx, &c, f.Args()[1:])
		}
	}
	return exitError, f.Wrong("%q is no command", f.Arg(0))
}

// flags are those that stand before the command, or behind it.
func (s *session) flags(t *cli.Tool) *cli.Flags {
	f := t.Flags()
	f.JSON(&s.asJSON)
	f.StringVar(&s.kernel.Root, "root", s.kernel.Root, "the folder that has proc, sys and dev of the kernel: `DIR`; / unless given")
	return f
}

// do parses the flags of a command, and does it.
func (s *session) do(ctx context.Context, c *command, args []string) (int, error) {
	t := &cli.Tool{Name: "livectl " + c.name, Forms: []string{strings.TrimPrefix(c.args, " ")}, About: strings.ToUpper(c.about[:1]) + c.about[1:] + ".", Statuses: tool().Statuses}
	asJSON := s.asJSON
	f := s.flags(t)
	if c.flags != nil {
		c.flags(f, s)
	}
	if err := f.Parse(args); err != nil {
		return exitError, err
	}
	s.asJSON = s.asJSON || asJSON
	if !c.wants(f.NArg()) {
		return exitError, f.Wrong("%d arguments where %s takes %s", f.NArg(), c.name, cmp.Or(c.args, "none"))
	}
	status, err := c.run(ctx, s, f.Args())
	if err != nil {
		return s.status(err), err
	}
	return status, nil
}

// root is the folder that the kernel's files are in.
func (s *session) root() fs.FS { return os.DirFS(cmp.Or(s.kernel.Root, "/")) }

// openAll opens the files of livepatches.
func openAll(paths []string) (list []*running.File, err error) {
	for _, path := range paths {
		f, err := running.Open(path)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// status is the exit status for an error.
func (s *session) status(err error) int {
	var stuck *running.StuckError
	switch {
	case errors.As(err, &stuck) && errors.Is(err, context.DeadlineExceeded):
		return exitStuck
	case errors.Is(err, splice.ErrRefused):
		return exitRefused
	}
	return exitError
}
