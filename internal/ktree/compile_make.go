package ktree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lacksGenerated reports whether an object needs a file that the build makes on the way: a
// table that a program writes, or its source itself.
func (c *compilation) lacksGenerated(e *CompileError) bool {
	if text, ok := c.ed.overlay[e.Source]; ok {
		return text != nil && missesFile(e.Text)
	}
	if _, err := os.Stat(filepath.Join(c.dir, e.Source)); err != nil {
		return true
	}
	return missesFile(e.Text)
}

// missing is what compilers say of a file that they do not find, and assemblers of what .incbin names:
// gas, and clang's own.
var missing = []string{"No such file or directory", "file not found", "Could not find incbin file"}

// missesFile reports whether a text says that a file is not there.
func missesFile(text string) bool {
	return slices.ContainsFunc(missing, func(m string) bool { return strings.Contains(text, m) })
}

// made has make itself make objects, with all that this takes, in a copy of the tree that is
// thrown away. All files of the overlay may be part of them.
func (c *compilation) made(ctx context.Context, list []*Object, done func()) error {
	w, err := c.tree.loose(ctx)
	if err != nil {
		return c.tree.explain(err)
	}
	return errors.Join(c.makeIn(ctx, w, list, done), w.discard())
}

func (c *compilation) makeIn(ctx context.Context, w *workspace, list []*Object, done func()) error {
	if err := w.apply(c.ed.overlay); err != nil {
		return c.tree.explain(err)
	}
	began := time.Now()
	said, failed, err := c.makeObjects(ctx, w, list)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	took := time.Since(began) / time.Duration(len(list))
	for i, o := range list {
		o.Elapsed = took
		err := c.take(w, o, filepath.Join(c.out.dir, fmt.Sprintf("made%d", i)))
		if errors.Is(err, os.ErrNotExist) {
			err = c.tree.failure(o.Unit.Source, aboutObject(said, &o.Unit), errors.Join(failed, errors.New("make has not made "+o.Unit.Object)))
			var ce *CompileError
			if errors.As(err, &ce) {
				o.Err, err = ce, nil
				if _, own := c.ed.overlay[ce.File]; own { // others may be of programs that the build makes
					err = c.keepFailure(ctx, &o.Unit, ce, filepath.Join(c.out.dir, fmt.Sprintf("why%d", i)))
				}
			}
		}
		if err != nil {
			return err
		}
		done()
	}
	return nil
}

// makeObjects runs make, and returns what it says. Objects are of the kernel's source, or all of
// the same modules beside it.
func (c *compilation) makeObjects(ctx context.Context, w *workspace, list []*Object) (said []byte, failed, err error) {
	t := c.tree
	objects := make([]string, len(list))
	for i, o := range list {
		objects[i] = o.Unit.Object
	}
	const keep, silent = "-k", "-s"
	jobs, flags := "-j"+strconv.Itoa(t.spec.Jobs), t.spec.Flags+" -fdebug-prefix-map="+w.dir+"="+root
	if told := list[0].Unit.Make; told != nil {
		said, failed = t.makeModules(ctx, w, told, flags, []string{silent, keep, jobs}, objects...).CombinedOutput()
		return said, failed, nil
	}
	goals, err := t.goals(objects...)
	if err != nil {
		return nil, nil, err
	}
	said, failed = t.make(ctx, w.dir, append([]string{keep, jobs, "KCFLAGS=" + flags}, goals...)...)
	return said, failed, nil
}

// take keeps an object that make has made, and what it is made of.
func (c *compilation) take(w *workspace, o *Object, base string) error {
	u := &o.Unit
	made := filepath.Join(w.dir, filepath.FromSlash(u.Object))
	if _, err := os.Stat(made); err != nil {
		return err
	}
	list, err := w.closure(u.Object)
	if err != nil {
		return err
	}
	if err := os.Rename(made, base+".o"); err != nil {
		return err
	}
	if err := c.keepMade(u, base, list); err != nil {
		return c.tree.explain(err)
	}
	o.Path, err = c.tree.keep(u, c.ed, base+".o", append([]string{Everything}, list...), o.Elapsed)
	return c.tree.explain(err)
}

// keepMade keeps what an object is made of in the tree as it is.
func (c *compilation) keepMade(u *Unit, base string, list []string) error {
	if len(c.ed.overlay) > 0 {
		return nil
	}
	if err := os.MkdirAll(c.tree.folder(u), 0o755); err != nil {
		return err
	}
	return c.tree.keepDeps(u, c.ed, base, list)
}

// aboutObject are the lines of what make said that name a source or an object, or all when none
// does.
func aboutObject(said []byte, u *Unit) []byte {
	var b strings.Builder
	for line := range strings.Lines(string(said)) {
		if strings.Contains(line, u.Source) || strings.Contains(line, u.Object) || strings.Contains(line, "No space left") {
			b.WriteString(line)
		}
	}
	if b.Len() == 0 {
		return said
	}
	return []byte(b.String())
}
