// Hotpatch patches a program while it runs.
//
//	hotpatch
//	hotpatch -pid N [-pre PRE.o -post POST.o]... [-name NAME] [-o UPDATE] [-no-exceptions] [-dry-run] [-json]
//	hotpatch -pid N -update UPDATE [-no-exceptions] [-dry-run] [-json]
//	hotpatch -canonical UPDATE
//	hotpatch -pid N -status [-json]
//	hotpatch -pid N -revert [-id ID] [-json]
//
// Without arguments it shows itself: it starts a small server, keeps it busy,
// fixes a bug in it, and undoes the fix. With a process it does the same there,
// given the objects that the program was linked from (pre) and those with the
// fix (post). With -o it stores the update as JSON, with -update it takes a stored
// one. The ID of an update is the SHA-256 of what -canonical prints:
//
//	hotpatch -canonical UPDATE | sha256sum
//
// It exits with 0 when it is done, 1 on an error, 2 when it is refused, 3 when
// post has no changes, and 64 when it was called wrongly.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/gosplice/gosplice/elfdiff"
	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/splice"
)

// Exit statuses.
const (
	exitDone     = 0
	exitError    = 1
	exitRefused  = 2
	exitNoChange = 3
	exitUsage    = cli.ExitUsage
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	stdout := cli.Stdout()
	os.Exit(run(ctx, os.Args[1:], stdout, cli.Stderr(), stdout.Terminal))
}

// run is main without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, term cli.Terminal) int {
	c, err := parse(args, stderr)
	if err != nil {
		return exitUsage
	}
	c.out, c.raw = stdout, stdout
	if o, ok := stdout.(*cli.Output); ok {
		c.raw = o.Raw()
	}
	switch {
	case c.canonical != "":
		err = c.printCanonical()
	case c.pid == 0:
		err = demo(ctx, stdout, term)
	case c.status:
		err = c.showStatus(ctx)
	case c.revert:
		err = c.undo(ctx)
	default:
		err = c.apply(ctx)
	}
	return c.exit(err, stderr)
}

// command is what the flags say.
type command struct {
	out            io.Writer
	raw            io.Writer // the same, for what is to be read byte by byte
	outFile        string
	stored         string
	canonical      string
	pid            int
	pre, post      list
	name, id       string
	status, revert bool
	dry, asJSON    bool
	noExceptions   bool
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return fmt.Sprint(*l) }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func parse(args []string, stderr io.Writer) (*command, error) {
	c := &command{}
	flags := flag.NewFlagSet("hotpatch", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&c.pid, "pid", 0, "the `process` to patch; without it, show how it works")
	flags.Var(&c.pre, "pre", "`object` that the program was linked from; may be repeated")
	flags.Var(&c.post, "post", "the same `object` with the fix, as often as -pre")
	flags.StringVar(&c.name, "name", "hotpatch", "`name` of the update")
	flags.StringVar(&c.id, "id", "", "with -revert: the update with this `digest`, or its start, instead of the last")
	flags.StringVar(&c.outFile, "o", "", "store the update in this `file`")
	flags.StringVar(&c.stored, "update", "", "apply the update that is stored in this `file`")
	flags.StringVar(&c.canonical, "canonical", "", "print the canonical form of the update in this `file`, of which the ID is the SHA-256")
	flags.BoolVar(&c.status, "status", false, "list the updates in the process")
	flags.BoolVar(&c.revert, "revert", false, "undo an update")
	flags.BoolVar(&c.dry, "dry-run", false, "do all but touch the process")
	flags.BoolVar(&c.noExceptions, "no-exceptions", false, "no exception passes through what is changed: don't refuse it for that")
	flags.BoolVar(&c.asJSON, "json", false, "print one JSON object")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 || !c.makesSense() {
		fmt.Fprintln(stderr, "usage: hotpatch [-pid N (-pre PRE.o -post POST.o)... | -pid N -update UPDATE | -pid N -status | -pid N -revert | -canonical UPDATE]")
		flags.PrintDefaults()
		return nil, flag.ErrHelp
	}
	return c, nil
}

// makesSense reports whether the flags go together.
func (c *command) makesSense() bool {
	applies := c.pid != 0 && !c.status && !c.revert
	made, stored := len(c.pre) > 0, c.stored != ""
	switch {
	case c.canonical != "":
		return c.pid == 0 && !c.status && !c.revert && !made && !stored && c.outFile == ""
	case c.pid < 0, c.status && c.revert, len(c.pre) != len(c.post), c.pid == 0 && (c.status || c.revert):
		return false
	}
	return applies == (made != stored) && !(made && stored) && (c.outFile == "" || made)
}

var errNoChange = errors.New("pre and post do not differ")

// exit reports an error, and turns it into an exit status.
func (c *command) exit(err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errNoChange):
		fmt.Fprintln(stderr, "hotpatch:", err)
		return exitNoChange
	case errors.Is(err, splice.ErrRefused), errors.Is(err, elfdiff.ErrRefused):
		c.refused(err, stderr)
		return exitRefused
	}
	fmt.Fprintln(stderr, "hotpatch:", err)
	return exitError
}
