package ktree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// An Object is what became of a unit.
type Object struct {
	Unit    Unit
	Path    string // in the cache; it must not be written to
	Cached  bool   // it had been compiled before
	Elapsed time.Duration
	// Err is a [*CompileError] where the compiler did not take the source.
	Err error
}

// A CompileError is what a compiler, or objtool, has against a source.
type CompileError struct {
	Source string
	Text   string // the first of what it said
}

// Error has the first lines.
func (e *CompileError) Error() string { return fmt.Sprintf("compile %s: %s", e.Source, e.Text) }

// Compile makes objects with an overlay over the tree. What was made before of the same
// contents by the same command is taken from the cache. An object that does not compile does not
// end the others; the error is for what keeps all from it.
func (t *Tree) Compile(ctx context.Context, units []Unit, o Overlay) ([]Object, error) {
	out := make([]Object, len(units))
	var missing []int
	for i := range units {
		out[i].Unit = units[i]
		path, ok, err := t.kept(&units[i], o)
		if err != nil {
			return nil, err
		}
		if out[i].Path, out[i].Cached = path, ok; !ok {
			missing = append(missing, i)
		}
	}
	count := t.spec.Progress.Begin("compile", len(units))
	for range len(units) - len(missing) {
		count.Done()
	}
	if len(missing) == 0 {
		return out, nil
	}
	dir, done, err := t.overlaid(ctx, o)
	if err != nil {
		return nil, err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(t.spec.Jobs)
	for _, i := range missing {
		g.Go(func() error {
			defer count.Done()
			began := time.Now()
			var err error
			out[i].Path, err = t.compile(gctx, dir, &units[i], o)
			out[i].Elapsed = time.Since(began)
			var ce *CompileError
			if errors.As(err, &ce) {
				out[i].Err, err = err, nil
			}
			return err
		})
	}
	if err := errors.Join(g.Wait(), done()); err != nil {
		return nil, err
	}
	return out, nil
}

// overlaid is a folder that is the tree with an overlay, and what gives it back.
func (t *Tree) overlaid(ctx context.Context, o Overlay) (string, func() error, error) {
	if len(o) == 0 {
		return t.dir, func() error { return nil }, nil
	}
	w, err := t.workspace(ctx)
	if err != nil {
		return "", nil, err
	}
	if err := w.apply(o); err != nil {
		return "", nil, errors.Join(err, w.release())
	}
	return w.dir, w.release, nil
}

// compile makes an object in a folder that is the tree with the overlay, and keeps it.
func (t *Tree) compile(ctx context.Context, dir string, u *Unit, o Overlay) (string, error) {
	base := filepath.Join(t.cache.Dir(), "ktree-tmp")
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(base, "object")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	obj, dep := filepath.Join(work, "out.o"), filepath.Join(work, "out.d")
	if err := t.run(ctx, dir, u, obj, dep); err != nil {
		var ce *CompileError
		if !errors.As(err, &ce) || !t.lacksGenerated(dir, ce) {
			return "", err
		}
		if err := t.makeObject(ctx, u, o, obj, dep); err != nil {
			return "", err
		}
	}
	text, err := os.ReadFile(dep)
	if err != nil {
		return "", err
	}
	return t.keep(ctx, u, o, obj, parseDeps(text))
}

// run runs the commands of a unit with the output elsewhere.
func (t *Tree) run(ctx context.Context, dir string, u *Unit, obj, dep string) error {
	cmd, err := redirect(u, dir, obj, dep)
	if err != nil {
		return err
	}
	if err := t.shell(ctx, dir, u.Source, cmd); err != nil || u.Objtool == "" {
		return err
	}
	return t.shell(ctx, dir, u.Source, strings.TrimSuffix(u.Objtool, u.Object)+quote(obj))
}

// shell runs a command line; what it says is a CompileError when it fails.
func (t *Tree) shell(ctx context.Context, dir, source, line string) error {
	cmd := t.command(ctx, dir, "sh", "-c", line)
	said, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil:
		return nil
	case bytes.Contains(said, []byte("No space left on device")):
		return fmt.Errorf("compile %s: no space left on the device of the cache (%s)", source, t.cache.Dir())
	}
	return &CompileError{Source: source, Text: firstWords(said, err)}
}

// firstWords are the lines of a compiler that say what is wrong.
func firstWords(said []byte, err error) string {
	var lines []string
	for line := range strings.Lines(string(said)) {
		if strings.Contains(line, "error") || strings.Contains(line, "Error") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) == 0 {
		lines = append(lines, strings.TrimSpace(string(said[max(0, len(said)-500):])), err.Error())
	}
	const shown = 3
	if n := len(lines); n > shown {
		lines = append(lines[:shown], fmt.Sprintf("and %d more lines", n-shown))
	}
	return strings.Join(lines, "; ")
}

var (
	depsForm   = regexp.MustCompile(`-Wp,-MMD,\S+`)
	objectForm = regexp.MustCompile(` -c -o \S+ `)
)

// root is what debug information calls the folder of all trees and copies: their names must
// not make two objects differ.
const root = "/usr/src/linux"

// redirect has a command write elsewhere.
func redirect(u *Unit, dir, obj, dep string) (string, error) {
	if !depsForm.MatchString(u.Command) || !objectForm.MatchString(u.Command) {
		return "", fmt.Errorf("compile %s: %q is not a command of the kernel's build", u.Source, u.Command)
	}
	cmd := strings.Replace(u.Command, depsForm.FindString(u.Command), "-Wp,-MMD,"+quote(dep), 1)
	return strings.Replace(cmd, objectForm.FindString(cmd), " -fdebug-prefix-map="+quote(dir)+"="+root+" -c -o "+quote(obj)+" ", 1), nil
}

// parseDeps reads what a compiler lists as dependencies: a rule of make. Files outside of the
// tree belong to the compiler.
func parseDeps(text []byte) []string {
	_, list, ok := strings.Cut(string(text), ":")
	if !ok {
		return nil
	}
	var out []string
	for _, w := range strings.Fields(strings.ReplaceAll(list, "\\\n", " ")) {
		if strings.HasSuffix(w, ":") {
			break // -MP
		}
		if name := filepath.ToSlash(filepath.Clean(w)); filepath.IsLocal(name) {
			out = append(out, name)
		}
	}
	return out
}
