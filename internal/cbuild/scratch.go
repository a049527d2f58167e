package cbuild

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Scratch is a copy of a built tree to compile in. It has no objects.
type Scratch struct {
	b    *Build
	dir  string
	tree string
}

// An Object is a unit that was compiled.
type Object struct {
	Path    string // "" where it does not compile
	Err     error  // why not, with what the compiler says
	Elapsed time.Duration
}

// NewScratch makes a copy of the tree of a build in a new folder of the cache. Close removes it.
func (b *Build) NewScratch(ctx context.Context) (*Scratch, error) {
	parent := filepath.Join(b.spec.Cache, scratchFolder)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(parent, "s")
	if err != nil {
		return nil, err
	}
	s := &Scratch{b: b, dir: dir, tree: filepath.Join(dir, "tree")}
	if err := s.copy(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// copy copies what objects are compiled of: neither objects nor what they are linked to, which is most
// of a built tree.
func (s *Scratch) copy(ctx context.Context) error {
	made := map[string]bool{}
	for i := range s.b.Units {
		if u := &s.b.Units[i]; !u.Generates {
			made[s.b.At(u.Object)] = true
		}
	}
	for i := range s.b.Outputs {
		made[s.b.At(s.b.Outputs[i].Path)] = true
	}
	return filepath.WalkDir(s.b.Tree, func(path string, e fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		to := filepath.Join(s.tree, strings.TrimPrefix(path, s.b.Tree))
		switch {
		case e.IsDir():
			if e.Name() == ".git" {
				return filepath.SkipDir
			}
			return os.MkdirAll(to, 0o755)
		case e.Type()&fs.ModeSymlink != 0:
			name, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(name, to)
		case !e.Type().IsRegular() || made[path] || filepath.Ext(path) == ".a":
			return nil
		}
		return copyFile(path, to)
	})
}

func copyFile(from, to string) error {
	st, err := os.Stat(from)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, st.Mode().Perm()|0o600)
}

// Close removes the copy.
func (s *Scratch) Close() error { return os.RemoveAll(s.dir) }

// Change writes files into the copy, as [Spec.Changes] has them.
func (s *Scratch) Change(files map[string][]byte, modes map[string]fs.FileMode) error {
	return change(s.tree, files, modes)
}

// change writes files below a folder. No link leads it elsewhere.
func change(dir string, files map[string][]byte, modes map[string]fs.FileMode) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for name, text := range files {
		mode := fs.FileMode(0o644)
		if st, err := root.Lstat(name); err == nil {
			mode = st.Mode().Perm()
			if err := root.Remove(name); err != nil {
				return err
			}
		}
		if text == nil {
			continue
		}
		if m, ok := modes[name]; ok {
			mode = m.Perm()
		}
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(name, text, mode|0o600); err != nil {
			return err
		}
		if err := root.Chmod(name, mode|0o600); err != nil {
			return err
		}
	}
	return nil
}

// Compile compiles units and puts the objects into a folder, as N.o. Units that write the same
// file are compiled one after the other.
func (s *Scratch) Compile(ctx context.Context, units []int, dir string, done func()) ([]Object, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	by := map[string][]int{}
	for i, n := range units {
		o := s.b.Units[n].Object
		by[o] = append(by[o], i)
	}
	out := make([]Object, len(units))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.b.spec.Jobs)
	for _, list := range by {
		g.Go(func() error {
			for _, i := range list {
				var err error
				if out[i], err = s.compile(ctx, &s.b.Units[units[i]], filepath.Join(dir, fmt.Sprintf("%d.o", units[i]))); err != nil {
					return err
				}
				if done != nil {
					done()
				}
			}
			return nil
		})
	}
	return out, g.Wait()
}

// compile makes one object by the call that made it, with debug information.
func (s *Scratch) compile(ctx context.Context, u *Unit, to string) (Object, error) {
	began := time.Now()
	c := &s.b.Commands[u.Command]
	at, made := u.Object, filepath.Join(s.tree, strings.TrimPrefix(u.Object, s.b.Root))
	if !below(s.b.Root, u.Object) { // it is not ours to write to
		at, made = to, to
	}
	args := append(forOne(c.Args, c, u.Source), "-c", "-o", at)
	if !u.Debug {
		args = append(args, "-g")
	}
	if slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "-gsplit-dwarf") }) {
		args = append(args, "-gno-split-dwarf")
	}
	if err := os.MkdirAll(filepath.Dir(made), 0o755); err != nil { // the build may have removed it
		return Object{}, err
	}
	said, err := s.b.run(ctx, c, args, s.tree)
	o := Object{Elapsed: time.Since(began)}
	if ctx.Err() != nil {
		return o, err
	}
	if err != nil {
		o.Err = &CompileError{u.Source, err, strings.TrimSpace(string(said[max(0, len(said)-lastWords):]))}
		return o, nil
	}
	o.Path = to
	if err := os.Rename(made, to); err != nil {
		return o, fmt.Errorf("object of %s: %w", s.b.Rel(u.Source), err)
	}
	return o, nil
}

// A CompileError is what a compiler says of a source that it does not take.
type CompileError struct {
	Source string
	Err    error
	Said   string
}

// Error has all of it.
func (e *CompileError) Error() string { return fmt.Sprintf("%s: %v: %s", e.Source, e.Err, e.Said) }

// Unwrap returns how it ended.
func (e *CompileError) Unwrap() error { return e.Err }

// Commands are those that this package runs.
var Commands = []string{"unshare", "mount", "sh", "cp"}
