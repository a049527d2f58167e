// Hotpatch patches a program while it runs.
//
//	hotpatch
//	hotpatch -pid N [-pre PRE.o -post POST.o]... [-name NAME] [-o UPDATE] [-no-exceptions] [-dry-run] [-json]
//	hotpatch -pid N -update UPDATE [-no-exceptions] [-dry-run] [-json]
//	hotpatch -canonical UPDATE
//	hotpatch -pid N -status [-json]
//	hotpatch -pid N -revert [-id ID] [-json]
//	hotpatch apply UPDATE (-all | -pid N... | -unit NAME... | -container ID...) [-dry-run] [-json]
//	hotpatch revert UPDATE|ID (-all | ...) [-dry-run] [-json]
//	hotpatch status [-all | ...] [-json]
//	hotpatch verify UPDATE [-all | ...] [-json]
//	hotpatch fixes UPDATE... [-all | ...] [-json]
//	hotpatch follow UPDATE... (-all | ...) [-every TIME] [-hold TIME] [-json]
//
// Without arguments it shows itself: it starts a small server, keeps it busy,
// fixes a bug in it, and undoes the fix. With a process it does the same there,
// given the objects that the program was linked from (pre) and those with the
// fix (post). With -o it stores the update as JSON, with -update it takes a stored
// one. The ID of an update is the SHA-256 of what -canonical prints:
//
//	hotpatch -canonical UPDATE | sha256sum
//
// The commands are for many processes: of the machine, of units of systemd, of containers. They
// find by build-id whom a stored update is for, and look until nobody is left.
//
// It exits with 0 when it is done, 1 on an error, 2 when it is refused,
// differs, or is not fixed, 3 when post has no changes, and 64 when it was called wrongly.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gosplice/gosplice/elfdiff/finding"
	"github.com/gosplice/gosplice/internal/cli"
	"github.com/gosplice/gosplice/splice"
	"github.com/gosplice/gosplice/splice/process"
)

// Exit statuses.
const (
	exitDone     = 0
	exitError    = 1
	exitRefused  = 2
	exitNoChange = 3
)

// tool is the command as its usage shows it.
func tool() *cli.Tool {
	t := &cli.Tool{
		Name: "hotpatch",
		Forms: []string{
			"",
			"-pid N (-pre PRE.o -post POST.o)... [flags]",
			"-pid N -update UPDATE [flags]",
			"-pid N -status [-json]",
			"-pid N -revert [-id ID] [flags]",
			"-canonical UPDATE",
		},
		About: `Patches a program while it runs. Without arguments it shows itself: it starts a
small server, keeps it busy, fixes a bug in it, and undoes the fix.
`,
		Statuses: "0 done; 1 error; 2 refused, not fixed; 3 no change",
	}
	for _, v := range verbs() {
		t.Forms = append(t.Forms, v.name+" "+v.args)
		t.About += fmt.Sprintf("\n%-8s %s", v.name, v.about)
	}
	t.About += "\n\n" + who
	return t
}

func main() { tool().Main(run) }

func run(ctx context.Context, args []string, stdout, stderr *cli.Output) (int, error) {
	if status, ok, err := doVerb(ctx, args, stdout, stderr); ok {
		return status, err
	}
	c, err := parse(args)
	if err != nil {
		return exitError, err
	}
	c.out = stdout
	ctx, cancel := within(ctx, c.limit)
	defer cancel()
	switch {
	case c.canonical != "":
		err = c.printCanonical()
	case c.pid == 0:
		err = demo(ctx, stdout, stdout.Terminal)
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
	out            *cli.Output
	outFile        string
	stored         string
	canonical      string
	pid            int
	pre, post      []string
	name, id       string
	fixes          []string
	status, revert bool
	asJSON         bool
	options        process.Options
	accept         []finding.Acceptance
	limit          time.Duration
}

func parse(args []string) (*command, error) {
	c := &command{}
	f := tool().Flags()
	f.IntVar(&c.pid, "pid", 0, "the process to patch, by its number `N`; without it, show how it works")
	f.List(&c.pre, "pre", "object that the program was linked from: `PRE.o`")
	f.List(&c.post, "post", "the same object with the fix, as often as -pre: `POST.o`")
	f.StringVar(&c.name, "name", "hotpatch", "`NAME` of the update")
	f.List(&c.fixes, "fixes", "what the update fixes, a `TEXT` such as a CVE number")
	f.StringVar(&c.id, "id", "", "with -revert: the update with this `DIGEST`, or its start, instead of the last")
	f.StringVar(&c.outFile, "o", "", "store the update in this `FILE`")
	f.StringVar(&c.stored, "update", "", "apply the update that is stored in this `FILE`")
	f.StringVar(&c.canonical, "canonical", "", "print the canonical form of the update in this `FILE`, of which the ID is the SHA-256")
	f.BoolVar(&c.status, "status", false, "list the updates in the process")
	f.BoolVar(&c.revert, "revert", false, "undo an update")
	f.DryRun(&c.options.DryRun, "do all but touch the process")
	f.Accept(&c.accept)
	each(f, &c.options)
	f.DurationVar(&c.limit, "limit", 0, "how long all of it may take, as `TIME` such as 90s; no limit unless given")
	f.JSON(&c.asJSON)
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 || !c.makesSense() {
		return nil, f.Wrong("these arguments do not go together")
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

// exit turns an error into an exit status. What is refused is reported here.
func (c *command) exit(err error, stderr io.Writer) (int, error) {
	switch {
	case err == nil:
		return exitDone, nil
	case errors.Is(err, errNoChange):
		return exitNoChange, err
	case errors.Is(err, splice.ErrRefused):
		c.refused(err, stderr)
		return exitRefused, nil
	}
	return exitError, err
}
