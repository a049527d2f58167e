package ktree

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/child"
)

// environ is the environment of what is run: nothing of it may change what is made.
func environ() []string {
	drop := []string{"MAKEFLAGS=", "MAKELEVEL=", "ARCH=", "CROSS_COMPILE=", "KCFLAGS=", "KCPPFLAGS=", "KBUILD_", "CFLAGS=", "LLVM="}
	env := slices.DeleteFunc(os.Environ(), func(s string) bool {
		return slices.ContainsFunc(drop, func(d string) bool { return strings.HasPrefix(s, d) })
	})
	return append(env, "KBUILD_BUILD_TIMESTAMP=1970-01-01", "LC_ALL=C")
}

// command makes a command that runs in a folder, with all that it starts ended by the context.
func (t *Tree) command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	child.Log(t.spec.Log, dir, append([]string{name}, args...)...)
	if t.spec.Buildroot != "" {
		name, args = InBuildroot(t.spec.Buildroot, t.cache.Dir(), dir, name, args)
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, environ()
	child.EndTogether(cmd)
	return cmd
}

// output runs a command and returns what it prints. Its last words become the error.
func (t *Tree) output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := t.command(ctx, dir, name, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(said.Bytes()[max(0, said.Len()-2000):]))
	}
	return out, err
}

// make runs make with what the kernel is, and returns what it says.
func (t *Tree) make(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := t.command(ctx, dir, "make", slices.Concat([]string{"-s"}, t.args, args)...)
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return said, err
}
