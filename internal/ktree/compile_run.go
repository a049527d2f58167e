package ktree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/gosplice/gosplice/internal/child"
)

// run runs the commands of a unit with the output elsewhere.
func (c *compilation) run(ctx context.Context, u *Unit, obj, dep string) error {
	cmd, err := redirect(u, c.dir, obj, dep)
	if err != nil {
		return err
	}
	if err := c.shell(ctx, u, cmd); err != nil || u.Objtool == "" {
		return err
	}
	objtool, ok := strings.CutSuffix(u.Objtool, u.Object)
	if !ok {
		return fmt.Errorf("objtool %s: %q is not a command of the kernel's build", u.Object, u.Objtool)
	}
	return c.shell(ctx, u, objtool+child.Quote(obj))
}

// shell runs a command line; what it says is a [*CompileError] when it fails. Temporary files of
// compilers are in the scratch folder, where they don't stay.
func (c *compilation) shell(ctx context.Context, u *Unit, line string) error {
	cmd := c.tree.command(ctx, c.dir, "sh", "-c", line)
	cmd.ExtraFiles = c.locks
	cmd.Env = append(cmd.Env, "TMPDIR="+c.out.dir)
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return c.tree.failure(u.Source, said, err)
}

// failure makes an error of what a command of the build said.
func (t *Tree) failure(source string, said []byte, err error) error {
	switch {
	case err == nil:
		return nil
	case bytes.Contains(said, []byte("No space left on device")):
		return t.noSpace("compile " + source)
	case bytes.Contains(said, []byte("Killed signal terminated program")):
		return fmt.Errorf("compile %s: the compiler was killed, as the system does when memory is short: fewer jobs need less", source)
	case bytes.Contains(said, []byte("Too many open files")):
		return fmt.Errorf("compile %s: too many open files", source)
	}
	return newCompileError(source, said, err)
}

var (
	depsForm   = regexp.MustCompile(` -Wp,-MM?D,\S+`)
	objectForm = regexp.MustCompile(` -c -o \S+ `)
)

// root is what debug information calls the folder of all trees and copies: their names must
// not make two objects differ.
const root = "/usr/src/linux"

// redirect has a command write elsewhere.
func redirect(u *Unit, dir, obj, dep string) (string, error) {
	deps, object := depsForm.FindAllStringIndex(u.Command, 2), objectForm.FindAllStringIndex(u.Command, 2)
	if len(deps) != 1 || len(object) != 1 || deps[0][1] > object[0][0] {
		return "", fmt.Errorf("compile %s: %q is not a command of the kernel's build", u.Source, u.Command)
	}
	return u.Command[:deps[0][0]] + " -MD -MF " + child.Quote(dep) + u.Command[deps[0][1]:object[0][0]] +
		" -fdebug-prefix-map=" + child.Quote(dir) + "=" + root + " -c -o " + child.Quote(obj) + " " + u.Command[object[0][1]:], nil
}

// parseDeps reads what a compiler lists as dependencies: a rule of make. Names in the tree are
// relative; others are the compiler's own headers.
func parseDeps(text []byte) []string {
	_, list, ok := strings.Cut(string(text), ": ")
	if !ok {
		return nil
	}
	list, _, _ = strings.Cut(strings.ReplaceAll(list, "\\\n", " "), "\n") // rules of -MP follow
	var out []string
	for w := range strings.FieldsSeq(list) {
		out = append(out, filepath.ToSlash(filepath.Clean(w)))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// embeddedForm is how an assembler is told to take a file as data. Compilers don't list it.
var embeddedForm = regexp.MustCompile(`\.incbin\s*\\?"([^"\\\n]+)\\?"`)

// embedded adds to what an object is made of the files that its source has the assembler take
// as data. One that is named by a macro may be any file.
func (t *Tree) embedded(dir string, u *Unit, list []string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(u.Source)))
	if err != nil {
		return nil, err
	}
	if !bytes.Contains(text, []byte(".incbin")) {
		return list, nil
	}
	found := embeddedForm.FindAllSubmatch(text, -1)
	for _, m := range found {
		list = append(list, filepath.ToSlash(filepath.Clean(string(m[1]))))
	}
	if len(found) < bytes.Count(text, []byte(".incbin")) {
		list = append(list, Everything)
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// ErrNoSpace is for a disk that is full.
var ErrNoSpace = errors.New("no space left on the disk")

func (t *Tree) noSpace(what string) error {
	return fmt.Errorf("%s: %w: free some in %s, or have the cache elsewhere", what, ErrNoSpace, t.cache.Dir())
}
