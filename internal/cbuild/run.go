package cbuild

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"github.com/gosplice/gosplice/internal/child"
)

// ErrNamespace is wrapped by the error where a copy of the source can't stand in the place of
// the source.
var ErrNamespace = errors.New("no mount namespace can be made")

// inPlace is the script that puts a tree in the place of another, for what it becomes.
const inPlace = `mount --bind "$1" "$2" && cd "$3" && shift 3 && exec "$@"`

// inside is the command line that runs another where one tree stands in the place of
// another.
func inside(tree, at, dir string, argv []string) []string {
	out := []string{"unshare", "-m"}
	if os.Geteuid() != 0 {
		out = append(out, "-r")
	}
	return append(append(out, "--", "sh", "-c", inPlace, "sh", tree, at, dir), argv...)
}

// probe reports whether that can be done here.
func probe(ctx context.Context, dir string) error {
	argv := inside(dir, dir, dir, []string{"true"})
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w: %s (run it as root, or let users make namespaces: sysctl kernel.unprivileged_userns_clone=1)", ErrNamespace, err, bytes.TrimSpace(out))
}

// run calls the tool of a recorded call with other arguments, where a tree stands in the place of
// the source. It returns what is said.
func (b *Build) run(ctx context.Context, c *Command, args []string, tree string) ([]byte, error) {
	argv := append([]string{c.Tool}, args...)
	child.Log(b.spec.Log, c.Dir, argv...)
	argv = inside(tree, b.Root, c.Dir, argv)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(slices.Clone(c.Env), "LC_ALL=C")
	child.EndTogether(cmd)
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return said, context.Cause(ctx)
	}
	return said, err
}
